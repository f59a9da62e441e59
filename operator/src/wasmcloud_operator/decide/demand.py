"""What a workload asks of a host, taken out of its spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wasmcloud_api.crds import HostInterface, TopologySpreadConstraint, WorkloadSpec
from wasmcloud_api.names import Environment, HostId

from wasmcloud_operator.model.hosts import HostView
from wasmcloud_operator.model.views import memory_bytes

NATIVE_PACKAGES: Final = frozenset({"cli", "clocks", "filesystem", "http", "io", "random", "sockets"})
"""Packages of the namespace `wasi` that every host has, whatever it reports."""


@dataclass(frozen=True)
class Demand:
    """What decides where a workload may run."""

    namespace: str
    environment: Environment
    selector: Mapping[str, str]
    pin: HostId | None
    interfaces: tuple[HostInterface, ...]
    memory_bytes: int
    spread: tuple[TopologySpreadConstraint, ...]


def demand_of(namespace: str, spec: WorkloadSpec, spread: tuple[TopologySpreadConstraint, ...] = ()) -> Demand:
    """Return what a workload of a namespace asks for; ``spread`` comes from its deployment."""
    return Demand(
        namespace=namespace,
        environment=Environment(spec.environment),
        selector=spec.host_selector,
        pin=HostId(spec.host_id) if spec.host_id else None,
        interfaces=tuple(i for i in spec.host_interfaces if not is_native(i)),
        memory_bytes=memory_bytes(spec),
        spread=spread,
    )


def is_native(interface: HostInterface) -> bool:
    """Whether every host has the interface's package."""
    return interface.namespace == "wasi" and interface.package in NATIVE_PACKAGES


def missing_interface(demand: Demand, host: HostView) -> str | None:
    """Return the first interface that the host lacks, or None. A host that reports nothing is taken to have all."""
    if not host.offers:
        return None
    for wanted in demand.interfaces:
        for name in wanted.interfaces:
            if not any(_serves(offer, wanted, name) for offer in host.offers):
                version = f"@{wanted.version}" if wanted.version else ""
                return f"{wanted.namespace}:{wanted.package}/{name}{version}"
    return None


def _serves(offer: tuple[str, str, str, str], wanted: HostInterface, name: str) -> bool:
    namespace, package, interface, version = offer
    is_same = (namespace, package, interface) == (wanted.namespace, wanted.package, name)
    return is_same and (not version or not wanted.version or _track(version) == _track(wanted.version))


def _track(version: str) -> tuple[str, ...]:
    """Return what must be equal for two versions to be compatible, as the host's linker has it.

    The major, below 1.0 also the minor number; of a pre-release everything but its build metadata.
    """
    release = version.partition("+")[0]
    if "-" in release:
        return (release,)
    numbers = release.split(".")
    return tuple(numbers[:2]) if numbers[0] == "0" else tuple(numbers[:1])
