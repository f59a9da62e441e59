"""What runs and what doesn't, as rows for people: pure functions of the objects in the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import HostId

from wasmcloud.addresses import Address
from wasmcloud.links import links_of

Body = Mapping[str, Any]

_FAILED = frozenset(
    {
        Reason.NO_MATCHING_HOST,
        Reason.INSUFFICIENT_CAPACITY,
        Reason.HOST_PIN_UNAVAILABLE,
        Reason.ENVIRONMENT_DENIED,
        Reason.CONFIG_MAP_NOT_FOUND,
        Reason.SECRET_NOT_FOUND,
        Reason.PULL_SECRET_INVALID,
        Reason.CONFIG_UNREADABLE,
        Reason.IMAGE_PULL_FAILED,
        Reason.IMAGE_NOT_COMPONENT,
        Reason.INTERFACE_UNAVAILABLE,
        Reason.INVALID_EGRESS_RULE,
        Reason.INVALID_SPEC,
        Reason.START_FAILED,
        Reason.CRASHED,
        Reason.CRASH_LOOP_BACK_OFF,
        Reason.ARTIFACT_NOT_FOUND,
    }
)


@dataclass(frozen=True, slots=True)
class HostRow:
    """One host process."""

    name: str
    address: Address
    state: str
    workload_count: int


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """One object that the person applied, with all its replicas."""

    name: str
    ready_count: int
    wanted_count: int
    state: str
    message: str
    is_failed: bool
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the screen shows."""

    hosts: tuple[HostRow, ...]
    workloads: tuple[WorkloadRow, ...]

    @property
    def has_all_hosts(self) -> bool:
        """No host is still starting."""
        return all(row.state != "starting" for row in self.hosts)

    @property
    def is_hopeless(self) -> bool:
        """Nothing serves, and nothing is on its way."""
        return bool(self.workloads) and all(row.is_failed and not row.ready_count for row in self.workloads)


def picture_of(
    objects: Iterable[Body],
    addresses: Mapping[HostId, Address],
    gone: Collection[HostId] = (),
    told_as: Callable[[str], str] = str,
) -> Picture:
    """Arrange the store's objects.

    ``addresses`` has the hosts that were started, ``gone`` those whose process ended; ``told_as`` turns a message into
    what a person should read.
    """
    bodies = list(objects)
    hosts = {body["hostId"]: body for body in bodies if body["kind"] == "Host"}
    replicas = [body for body in bodies if body["kind"] == "Workload"]
    rows = tuple(
        _host_row(host_id, address, hosts.get(host_id), replicas, is_gone=host_id in gone)
        for host_id, address in addresses.items()
    )
    by_owner = _by_top_owner(bodies, replicas)
    tops = [body for body in bodies if _is_top(body)]
    replicas_of = (by_owner.get(top["metadata"]["uid"], []) for top in tops)
    artifacts = _unready(body for body in bodies if body["kind"] == "Artifact")
    unresolved = next((ready for ready in artifacts if ready["status"] == "False"), None)
    workloads = (
        _workload_row(top, of_top, addresses, unresolved) for top, of_top in zip(tops, replicas_of, strict=True)
    )
    return Picture(rows, tuple(replace(row, message=told_as(row.message)) for row in workloads))


def _host_row(host_id: str, address: Address, host: Body | None, replicas: Sequence[Body], *, is_gone: bool) -> HostRow:
    state = "starting"
    if is_gone:
        state = "gone"
    elif host is not None:
        ready = _condition(host, "Ready")
        if ready is not None:
            state = "ready" if ready["status"] == "True" else str(ready["reason"])
    count = sum(_is_ready(body) and body["status"].get("hostId") == host_id for body in replicas)
    return HostRow(host_id, address, state, count)


def _workload_row(
    top: Body, replicas: Sequence[Body], addresses: Mapping[HostId, Address], unresolved: Body | None
) -> WorkloadRow:
    ready = [body for body in replicas if _is_ready(body)]
    wanted = 1 if top["kind"] == "Workload" else top["spec"].get("replicas", 1)
    trouble = _trouble(replicas or [top], unresolved)
    if trouble is not None:
        state, message = trouble["reason"], trouble.get("message", "")
    elif len(ready) >= wanted:
        state, message = "Running" if wanted else "Scaled to 0", ""
    else:
        state, message = _waiting_for(replicas or [top])
    return WorkloadRow(
        name=f"{top['metadata']['namespace']}/{top['metadata']['name']}",
        ready_count=len(ready),
        wanted_count=wanted,
        state=state,
        message=message,
        is_failed=trouble is not None,
        links=links_of(ready, addresses),
    )


def _trouble(bodies: Iterable[Body], unresolved: Body | None) -> Body | None:
    """Return the first condition that says why something can't run as it is; ``unresolved`` is that of an artifact."""
    for ready in _unready(bodies):
        if ready["reason"] in _FAILED:
            return ready
        if ready["reason"] == Reason.ARTIFACT_NOT_READY and unresolved is not None:
            return unresolved
    return None


def _waiting_for(bodies: Sequence[Body]) -> tuple[str, str]:
    """Return reason and message of the first that isn't ready."""
    ready = next(_unready(bodies), None)
    if ready is None:
        return str(Reason.STARTING), ""
    return str(ready["reason"]), str(ready.get("message", ""))


def _unready(bodies: Iterable[Body]) -> Iterator[Body]:
    """Yield the Ready conditions that don't hold."""
    for body in bodies:
        condition = _condition(body, "Ready")
        if condition is not None and condition["status"] != "True":
            yield condition


def _by_top_owner(bodies: Sequence[Body], replicas: Sequence[Body]) -> dict[str, list[Body]]:
    """Return Workloads by the uid of what the person applied: the end of their chain of owners."""
    owner_of = {body["metadata"]["uid"]: _owner_uid(body) for body in bodies}
    found: dict[str, list[Body]] = {}
    for body in replicas:
        uid = body["metadata"]["uid"]
        while (owner := owner_of.get(uid)) in owner_of:
            uid = owner
        found.setdefault(uid, []).append(body)
    return found


def _owner_uid(body: Body) -> str | None:
    owners = body["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _is_top(body: Body) -> bool:
    return body["kind"] in ("WorkloadDeployment", "WorkloadReplicaSet", "Workload") and _owner_uid(body) is None


def _is_ready(workload: Body) -> bool:
    condition = _condition(workload, "Ready")
    return condition is not None and condition["status"] == "True"


def _condition(body: Body, name: str) -> Body | None:
    conditions = body.get("status", {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == name), None)
