"""NATS subjects between operator and hosts. A host id is one token: it holds no dots, wildcards or spaces."""

from __future__ import annotations

from typing import Final

from wasmcloud_api.names import HostId

ALL_HEARTBEATS: Final = "runtime.operator.heartbeat.*"
"""What the operator subscribes to."""


def published_heartbeat(host_id: HostId) -> str:
    """Return where a host publishes its heartbeats."""
    return f"runtime.operator.heartbeat.{host_id}"


def commands(host_id: HostId) -> str:
    """Return what a host subscribes to."""
    return f"runtime.host.{host_id}.>"


def heartbeat(host_id: HostId) -> str:
    """Return where the operator asks a host for a heartbeat."""
    return f"runtime.host.{host_id}.heartbeat"


def workload_start(host_id: HostId) -> str:
    """Return where the operator sends a WorkloadStartRequest."""
    return f"runtime.host.{host_id}.workload.start"


def workload_stop(host_id: HostId) -> str:
    """Return where the operator sends a WorkloadStopRequest."""
    return f"runtime.host.{host_id}.workload.stop"


def workload_status(host_id: HostId) -> str:
    """Return where the operator sends a WorkloadStatusRequest."""
    return f"runtime.host.{host_id}.workload.status"


def workload_list(host_id: HostId) -> str:
    """Return where the operator asks for all workloads; wasmCloud v2's hosts stay silent there."""
    return f"runtime.host.{host_id}.workload.list"


def command(subject: str, host_id: HostId) -> str | None:
    """Return the command in a subject that a host received, such as `workload.start`, or None if it isn't one."""
    prefix = f"runtime.host.{host_id}."
    return subject.removeprefix(prefix) if subject.startswith(prefix) else None
