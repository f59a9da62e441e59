;; A component that wants a WASI that no host has.
(component
  (import "wasi:http/types@0.9.9" (instance (export "fields" (type (sub resource)))))
)
