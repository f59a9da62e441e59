"""Hosts: whether one is lost, and what its Host object says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wasmcloud_api.conditions import HostCondition, Reason
from wasmcloud_api.names import API_VERSION
from wasmcloud_api.wire import HostHeartbeat, WitInterface

from wasmcloud_operator.model.conditions import Condition, fails, holds, merge_conditions
from wasmcloud_operator.model.hosts import HostView, Liveness
from wasmcloud_operator.model.keys import Kind
from wasmcloud_operator.model.metadata import timestamp

_LABEL_NAME: Final = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_READABLE: Final = ("version", "osName", "osArch", "osKernel", "systemMemoryTotal", "imports", "exports", "conditions")
_COUNTS: Final = ("componentCount", "workloadCount")


@dataclass(frozen=True, slots=True)
class Contact:
    """When a host was last in touch: seconds on the monotonic clock, and over which connection of ours."""

    answered_s: float
    connection: int


def is_silent_too_long(contact: Contact, *, connected_since_s: float, now_s: float, silent_timeout_s: float) -> bool:
    """Whether a host is lost by silence. A new connection of ours gives every host its full time anew."""
    return now_s - max(contact.answered_s, connected_since_s) > silent_timeout_s


def is_gone(contact: Contact, *, connection: int) -> bool:
    """Whether "no responders" means that the host is gone: only if it was heard over the connection we have now.

    After a restart of NATS hosts come back one by one; until then nobody listens for them, and that says nothing.
    """
    return contact.connection == connection


def host_fields(beat: HostHeartbeat) -> dict[str, Any]:
    """Return the fields at the root of a Host object."""
    return {
        "hostId": beat.id,
        "hostname": beat.hostname,
        "httpPort": beat.http_port,
        "environment": beat.environment,
    }


def host_labels(beat: HostHeartbeat) -> dict[str, str]:
    """Return the heartbeat's labels, without those that no Kubernetes object may carry."""
    return {k: v for k, v in beat.labels.items() if _LABEL_NAME.fullmatch(k) and _LABEL_VALUE.fullmatch(v)}


def new_host(view: HostView, namespace: str) -> dict[str, Any]:
    """Return a Host object to create."""
    return {
        "apiVersion": API_VERSION,
        "kind": Kind.HOST.value,
        "metadata": {"namespace": namespace, "name": view.name, "labels": host_labels(view.beat)},
        **host_fields(view.beat),
    }


def host_conditions(view: HostView, liveness: Liveness, lost_because: str) -> list[Condition]:
    """Return what is said about a host."""
    draining = HostCondition.DRAINING
    is_draining = (
        holds(draining) if view.is_draining else fails(draining, Reason.RECONCILE, "the host takes new workloads")
    )
    if liveness is Liveness.LOST:
        lost = lost_because or "the host stopped answering"
        return [
            fails(HostCondition.REPORTING, Reason.HOST_LOST, lost),
            is_draining,
            fails(HostCondition.READY, Reason.HOST_LOST, lost),
        ]
    ready = holds(HostCondition.READY)
    if view.is_draining:
        ready = fails(HostCondition.READY, Reason.HOST_DRAINING, "the host is draining and takes no new workloads")
    return [holds(HostCondition.REPORTING), is_draining, ready]


def host_status(
    view: HostView,
    conditions: Iterable[Condition],
    old: Mapping[str, Any],
    *,
    generation: int,
    seen_s: float,
    now_s: float,
) -> dict[str, Any]:
    """Return the whole status of a Host. Times are seconds since the epoch.

    ``generation`` is the object's: `kubectl wait` takes conditions of an older one for stale.
    """
    beat = view.beat
    return {
        "version": beat.version,
        "osName": beat.os_name,
        "osArch": beat.os_arch,
        "osKernel": beat.os_kernel,
        "systemCPUUsage": f"{beat.system_cpu_usage:.2f}",
        "systemMemoryTotal": beat.system_memory_total,
        "systemMemoryFree": beat.system_memory_free,
        "componentCount": beat.component_count,
        "workloadCount": beat.workload_count,
        "lastSeen": timestamp(seen_s),
        "imports": interface_names(beat.imports),
        "exports": interface_names(beat.exports),
        "conditions": merge_conditions(old.get("conditions") or (), conditions, generation=generation, now_s=now_s),
    }


def interface_names(interfaces: Iterable[WitInterface]) -> list[str]:
    """Return interfaces as `namespace:package/interface@version`."""
    return [
        f"{wit.namespace}:{wit.package}/{name}" + (f"@{wit.version}" if wit.version else "")
        for wit in interfaces
        for name in wit.interfaces
    ]


def status_delay_s(old: Mapping[str, Any], new: Mapping[str, Any], *, steady_s: float, counts_s: float) -> float:
    """Return how old the last write must be before the new status is written.

    At once for what a person reads, soon for counts of workloads, rarely for figures that always move.
    """
    if any(old.get(key) != new.get(key) for key in _READABLE):
        return 0.0
    if any(old.get(key) != new.get(key) for key in _COUNTS):
        return counts_s
    return steady_s
