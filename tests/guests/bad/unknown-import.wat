;; A component that wants an interface which only its own vendor knows.
(component
  (import "acme:custom/thing@1.0.0" (instance (export "do" (func))))
)
