"""Which EndpointSlices lead from a Service to the hosts of its workloads, and whether a replica belongs there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from wasmcloud_api.conditions import Reason, WorkloadCondition
from wasmcloud_api.names import ROUTE_MANAGER_LABEL, SERVICE_NAME_LABEL

from wasmcloud_operator.decide.run import Run, RunState
from wasmcloud_operator.model.conditions import is_true
from wasmcloud_operator.model.hosts import Liveness
from wasmcloud_operator.model.keys import Kind, api_version
from wasmcloud_operator.model.marks import MANAGED_BY_LABEL, SLICE_MANAGER
from wasmcloud_operator.model.metadata import Metadata
from wasmcloud_operator.model.views import ServiceView, SliceName, SliceView, WorkloadView

Json = Mapping[str, Any]

PORT_NAME: Final = "http"
"""A port of a Service leads to the endpoints' port of the same name."""

HEADLESS_LABEL: Final = "service.kubernetes.io/headless"
"""A slice that has it, whatever its value, is for the cluster's DNS alone: kube-proxy doesn't watch it."""

SLICE_SIZE: Final = 100
"""Endpoints in a slice: the number that Kubernetes' own controller goes by."""

_FAMILIES: Final = {"ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a host serves HTTP. ``ip`` is in its canonical form, ``family`` ipv4 or ipv6."""

    family: str
    port: int
    ip: str


@dataclass(frozen=True, slots=True)
class Unroutable:
    """Why a host can't be an endpoint, as the end of a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a Service doesn't lead to a replica that runs."""

    reason: Reason
    message: str


class Standing(StrEnum):
    """What a replica is to the Service that leads to it."""

    READY = "Ready"
    LEAVING = "Leaving"
    """It still serves, but is about to be stopped: nothing new should come."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that serves, and where."""

    address: Address
    standing: Standing


@dataclass(frozen=True)
class SlicePlan:
    """What changes. Creations and patches come first, so that no endpoint is missing meanwhile."""

    create: tuple[dict[str, Any], ...] = ()
    patch: tuple[tuple[SliceView, dict[str, Any]], ...] = ()
    delete: tuple[SliceView, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the slices are as they should be."""
        return not (self.create or self.patch or self.delete)


def address_of(hostname: str, port: int) -> Address | Unroutable:
    """Return the address by which a host says that others reach it.

    Only an IP that the API server takes for an endpoint: neither loopback nor link-local nor unspecified nor multicast.
    """
    try:
        ip = ip_address(hostname.removeprefix("[").removesuffix("]"))
    except ValueError:
        return Unroutable(f'its address "{hostname}" is no IP')
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    kind = _special(ip)
    if kind:
        return Unroutable(f'its address "{hostname}" is {kind}')
    if not 0 < port < 65536:
        return Unroutable("it serves no HTTP")
    return Address(f"ipv{ip.version}", port, str(ip))


def _special(ip: IPv4Address | IPv6Address) -> str:
    names = {
        "loopback": ip.is_loopback,
        "unspecified": ip.is_unspecified,
        "link-local": ip.is_link_local,
        "multicast": ip.is_multicast,
        "good on one network interface only": isinstance(ip, IPv6Address) and ip.scope_id is not None,
    }
    return next((name for name, is_so in names.items() if is_so), "")


def trouble_of(
    name: str, service: ServiceView | None, where: Address | Unroutable | None, host_id: str
) -> Trouble | None:
    """Return why the Service ``name`` doesn't lead to a replica; ``where`` is None while its host isn't known."""
    if service is None:
        return Trouble(Reason.SERVICE_NOT_FOUND, f'the Service "{name}" does not exist')
    if service.has_selector:
        text = f'the Service "{name}" has a selector, so Kubernetes keeps its endpoints; remove spec.selector'
        return Trouble(Reason.SERVICE_HAS_SELECTOR, text)
    if service.is_external:
        return Trouble(Reason.SERVICE_IS_EXTERNAL, f'the Service "{name}" is of type ExternalName and has no endpoints')
    if PORT_NAME not in service.port_names and not service.is_headless:
        text = f'the Service "{name}" has no port named "{PORT_NAME}"; it leads to a port of the same name only'
        return Trouble(Reason.SERVICE_PORT_NOT_FOUND, text)
    if isinstance(where, Unroutable):
        return Trouble(Reason.HOST_NOT_ROUTABLE, f'the Service "{name}" can\'t lead to host "{host_id}": {where.why}')
    return None


def is_routed(service: ServiceView | None) -> bool:
    """Whether the operator keeps the EndpointSlices of a Service."""
    return service is not None and not service.has_selector and not service.is_external


def standing(view: WorkloadView, run: Run | None, liveness: Liveness, *, is_draining: bool) -> Standing | None:
    """Return what a Workload is to its Service on the host it is on record for; None when it serves nothing there.

    While the host was not asked yet, as after a restart of the operator, the Workload's own status counts.
    """
    if view.host_id is None or liveness is Liveness.LOST:
        return None
    state = run.state if run is not None and run.host_id == view.host_id else None
    if state not in {None, RunState.RUNNING, RunState.STOPPING, RunState.UNSURE}:
        return None
    is_outdated = run is not None and state is RunState.RUNNING and run.generation < view.meta.generation
    if view.meta.is_deleting or is_draining or is_outdated or state is RunState.STOPPING:
        return Standing.LEAVING
    return Standing.READY if state is RunState.RUNNING or is_true(view.conditions, WorkloadCondition.READY) else None


def endpoints(replicas: Iterable[Replica], existing: Sequence[SliceView]) -> dict[Address, bool]:
    """Return the endpoints of a Service, one a host, and whether each is ready.

    A host with a ready replica is. One whose replicas are all leaving keeps the endpoint it has, and gets none anew.
    """
    found: dict[Address, bool] = {}
    known = known_endpoints(existing)
    for replica in replicas:
        if replica.standing is Standing.READY:
            found[replica.address] = True
        elif replica.address in known:
            found.setdefault(replica.address, False)
    return found


def known_endpoints(existing: Iterable[SliceView]) -> dict[Address, bool]:
    """Return the endpoints in slices of ours and whether each is ready; what others wrote there is passed over."""
    found: dict[Address, bool] = {}
    for view in existing:
        if view.name is None:
            continue
        for endpoint in view.endpoints:
            address = address_of(_ip(endpoint), view.name.port)
            if isinstance(address, Address):
                is_ready = (endpoint.get("conditions") or {}).get("ready") is not False
                found[address] = found.get(address, False) or is_ready
    return found


def plan_slices(
    service: Metadata, wanted: Mapping[Address, bool], existing: Sequence[SliceView], *, is_headless: bool = False
) -> SlicePlan:
    """Return what makes the slices of a Service say where its endpoints are."""
    create, patch = list[dict[str, Any]](), list[tuple[SliceView, dict[str, Any]]]()
    left = {view.meta.key.name: view for view in existing}
    for body in wanted_slices(service, wanted, existing, is_headless=is_headless):
        view = left.get(body["metadata"]["name"])
        if view is None:
            create.append(body)
        elif view.body.get("addressType") == body["addressType"]:
            del left[view.meta.key.name]
            change = _patch(view, body)
            if change:
                patch.append((view, change))
    return SlicePlan(tuple(create), tuple(patch), tuple(left.values()))


def wanted_slices(
    service: Metadata, wanted: Mapping[Address, bool], existing: Sequence[SliceView], *, is_headless: bool = False
) -> list[dict[str, Any]]:
    """Return the slices as they should be: one for each family and port, more where one would be too long.

    An endpoint stays in the slice where it is, so that no change makes others disappear for a moment.
    """
    slices = []
    for family, port in sorted({(address.family, address.port) for address in wanted}):
        ips = {address.ip for address in wanted if (address.family, address.port) == (family, port)}
        for page, members in sorted(_pages(ips, _present(existing, family, port)).items()):
            name = SliceName(service.key.name, family, port, page)
            ready = [(ip, wanted[Address(family, port, ip)]) for ip in members]
            slices.append(_slice(service, name, ready, is_headless=is_headless))
    return slices


def _present(existing: Sequence[SliceView], family: str, port: int) -> dict[int, list[str]]:
    """Return the IPs in the pages of a family and port."""
    found: dict[int, list[str]] = {}
    for view in existing:
        if view.name is not None and (view.name.family, view.name.port) == (family, port):
            found[view.name.page] = [_ip(endpoint) for endpoint in view.endpoints]
    return found


def _ip(endpoint: Json) -> str:
    return str((endpoint.get("addresses") or [""])[0])


def _pages(ips: Iterable[str], present: Mapping[int, Sequence[str]]) -> dict[int, list[str]]:
    """Return the IPs by page: each where it is, a new one in the first page that has room."""
    left = set(ips)
    pages: dict[int, list[str]] = {}
    for page, members in sorted(present.items()):
        pages[page] = sorted(left.intersection(members))[:SLICE_SIZE]
        left.difference_update(pages[page])
    page = 1
    for ip in sorted(left):
        while len(pages.get(page, ())) >= SLICE_SIZE:
            page += 1
        pages.setdefault(page, []).append(ip)
    return {page: sorted(members) for page, members in pages.items() if members}


def _slice(
    service: Metadata, name: SliceName, members: Sequence[tuple[str, bool]], *, is_headless: bool
) -> dict[str, Any]:
    labels = {
        SERVICE_NAME_LABEL: service.key.name,
        MANAGED_BY_LABEL: SLICE_MANAGER,
        ROUTE_MANAGER_LABEL: "true",
    }
    return {
        "apiVersion": api_version(Kind.ENDPOINT_SLICE),
        "kind": Kind.ENDPOINT_SLICE.value,
        "metadata": {
            "namespace": service.key.namespace,
            "name": str(name),
            "labels": labels | ({HEADLESS_LABEL: ""} if is_headless else {}),
            "ownerReferences": [_owner_reference(service)],
        },
        "addressType": _FAMILIES[name.family],
        "ports": [{"name": PORT_NAME, "port": name.port, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": [ip], "conditions": {"ready": is_ready, "serving": True, "terminating": not is_ready}}
            for ip, is_ready in members
        ],
    }


def _owner_reference(service: Metadata) -> dict[str, Any]:
    """Return the reference to the Service. It doesn't block its deletion: to set that takes a right on the Service."""
    return {
        "apiVersion": api_version(Kind.SERVICE),
        "kind": Kind.SERVICE.value,
        "name": service.key.name,
        "uid": service.uid,
        "controller": True,
    }


def _patch(view: SliceView, body: Json) -> dict[str, Any]:
    """Return the merge patch that puts a slice right; labels and annotations of others stay."""
    wanted: dict[str, str] = body["metadata"]["labels"]
    change = {key: body[key] for key in ("ports", "endpoints") if view.body.get(key) != body[key]}
    metadata: dict[str, Any] = {}
    labels: dict[str, str | None] = {k: value for k, value in wanted.items() if view.meta.labels.get(k) != value}
    if HEADLESS_LABEL in view.meta.labels and HEADLESS_LABEL not in wanted:  # the Service was made anew with an address
        labels[HEADLESS_LABEL] = None
    if labels:
        metadata["labels"] = labels
    owners = body["metadata"]["ownerReferences"]
    if view.body["metadata"].get("ownerReferences") != owners:
        metadata["ownerReferences"] = owners
    return change | ({"metadata": metadata} if metadata else {})
