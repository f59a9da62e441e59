;; A core module, as compilers write it before it is made a component.
(module (func (export "run")))
