"""The operator: places WebAssembly workloads on hosts and keeps them there."""
