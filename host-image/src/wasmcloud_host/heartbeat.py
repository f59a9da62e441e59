"""What a host says about itself, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from ipaddress import ip_address
from typing import Final

from wasmcloud_api.names import DRAINING_LABEL, HOST_GROUP_LABEL, MAX_WORKLOADS_LABEL
from wasmcloud_api.wire import HostHeartbeat, WitInterface

from wasmcloud_host.identity import Identity
from wasmcloud_host.interfaces import EXPORTS
from wasmcloud_host.machine import Figures, Platform
from wasmcloud_host.settings import Settings

HOST_VERSION: Final = version("wasmcloud-host")


@dataclass(frozen=True, slots=True)
class Load:
    """What runs on the host now."""

    workload_count: int
    component_count: int
    is_draining: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """What stays the same while the host runs."""

    identity: Identity
    hostname: str
    environment: str
    labels: dict[str, str]
    started_at: datetime
    platform: Platform
    http_port: int
    imports: tuple[WitInterface, ...]


def labels_of(settings: Settings) -> dict[str, str]:
    """Return the labels of the Host object that never change."""
    labels = settings.host_label | {HOST_GROUP_LABEL: settings.host_group}
    if settings.max_workloads is not None:
        labels[MAX_WORKLOADS_LABEL] = str(settings.max_workloads)
    return labels


def announced_port(settings: Settings, bound_port: int) -> int:
    """Return the port at which others reach the listener at `--host-name`; 0 where it listens on loopback only.

    Who names no address, or one of loopback, is alone on the machine: then it is the listener's own.
    """
    listener = settings.http_addr.rpartition(":")[0]
    is_alone = settings.host_name is None or _is_loopback(settings.host_name)
    return bound_port if is_alone or not _is_loopback(listener) else 0


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host == "localhost"


def heartbeat_of(profile: Profile, figures: Figures, load: Load) -> HostHeartbeat:
    """Return the heartbeat of this moment."""
    return HostHeartbeat(
        id=profile.identity.id,
        hostname=profile.hostname,
        friendly_name=profile.identity.name,
        version=HOST_VERSION,
        labels=profile.labels | ({DRAINING_LABEL: "true"} if load.is_draining else {}),
        started_at=profile.started_at,
        os_arch=profile.platform.os_arch,
        os_name=profile.platform.os_name,
        os_kernel=profile.platform.os_kernel,
        system_cpu_usage=figures.cpu_percent,
        system_memory_total=figures.memory_total_bytes,
        system_memory_free=figures.memory_free_bytes,
        component_count=load.component_count,
        workload_count=load.workload_count,
        imports=profile.imports,
        exports=EXPORTS,
        http_port=profile.http_port,
        environment=profile.environment,
    )
