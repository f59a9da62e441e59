"""The reconciling engine: ports, store, queue, workers. Runs unchanged on virtual time."""
