"""The `wasmcloud` command: WebAssembly workloads on a laptop, without a cluster."""
