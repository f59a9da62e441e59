"""`wasi:keyvalue`: buckets in NATS JetStream, or in the memory of this host."""
