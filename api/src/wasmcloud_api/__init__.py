"""What operator, host and command line share: the Kubernetes API, the NATS messages, the egress grammar."""
