"""The whole engine on virtual time, against a memory store, a simulated bus, and faults."""
