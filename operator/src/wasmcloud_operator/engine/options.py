"""What the engine can be told. Every field is read somewhere, and a test shows what it changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from wasmcloud_operator.decide.schedule import Rules


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of the engine. Durations in seconds."""

    host_namespace: str = "default"
    """Where Host objects are."""
    watch_namespaces: tuple[str, ...] = ()
    """Where workloads are; empty means every namespace."""
    rules: Rules = field(default_factory=Rules)
    """What placing goes by: shared hosts, and the thresholds of back-pressure."""
    probe_interval_s: float = 0.5
    """How often each host is asked for a heartbeat."""
    probe_budget_per_s: float = 500.0
    """Most probes a second over all hosts; with many hosts each is asked less often."""
    silent_host_timeout_s: float = 10.0
    """After how long without an answer a host is lost."""
    lost_host_retention_s: float = 300.0
    """How long the object of a lost host stays."""
    audit_interval_s: float = 15.0
    """How often each host is asked what runs on it."""
    resync_interval_s: float = 600.0
    """How often all objects are listed anew, to find those whose deletion the watch missed."""
    config_interval_s: float = 30.0
    """How often ConfigMaps and Secrets are read again for `restartOnConfigChange`."""
    route_delay_s: float = 2.0
    """How long after its endpoint was taken off a Service a workload is stopped: kube-proxy has to follow."""
    call_count: int = 64
    """Most API calls at a time, and most objects worked on at a time."""
