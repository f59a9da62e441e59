"""The host agent: joins by heartbeats, runs what the operator places here."""
