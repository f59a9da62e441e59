"""Which Workloads of a replica set to make and which to delete."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wasmcloud_api.names import HostId

from wasmcloud_operator.model.template import child_name
from wasmcloud_operator.model.views import ReplicaSetView, WorkloadView


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """What changes: names of Workloads to create, and Workloads to delete."""

    create: tuple[str, ...] = ()
    delete: tuple[WorkloadView, ...] = ()
    missing_count: int = 0
    """How many of the new ones are missing; the rest replaces what is on draining hosts, where another host fits."""


def plan_replicas(
    replica_set: ReplicaSetView,
    children: Sequence[WorkloadView],
    *,
    leaving: frozenset[HostId],
    loads: Mapping[HostId, int] | None = None,
) -> ReplicaPlan:
    """Return the plan for a replica set; ``leaving`` are hosts that drain, ``loads`` the workloads on each host.

    A replica on a draining host is replaced first and deleted once enough others are ready. A replacement that waits
    for a host is given up for one that is made when there is a host for it.
    """
    wanted = replica_set.spec.replicas
    living = [child for child in children if not child.meta.is_deleting]
    moving = [child for child in living if child.host_id in leaving]
    staying = [child for child in living if child.host_id not in leaving]
    idle = [child for child in staying if child.host_id is None][: max(0, len(living) - wanted)] if moving else []
    missing = wanted - len(staying) + len(idle)
    if missing > 0:
        create = _free_names(replica_set.meta.key.name, (child.meta.key.name for child in children), missing)
        replaced = _replaced(moving, wanted, staying)
        return ReplicaPlan(create, (*replaced, *idle), max(0, wanted - len(living)))
    surplus = _first_to_go(staying, len(staying) - wanted, loads or {})
    return ReplicaPlan((), (*surplus, *_replaced(moving, wanted, staying)))


def slot_name(replica_set: str, slot: int) -> str:
    """Return the name of the Workload in a slot, counted from 0: the same after any crash."""
    digest = hashlib.sha256(f"{replica_set}/{slot}".encode()).hexdigest()
    return child_name(replica_set, digest[:5])


def _free_names(replica_set: str, taken: Iterable[str], count: int) -> tuple[str, ...]:
    used, names, slot = set(taken), list[str](), 0
    while len(names) < count:
        name = slot_name(replica_set, slot)
        if name not in used:
            used.add(name)
            names.append(name)
        slot += 1
    return tuple(names)


def _replaced(moving: Sequence[WorkloadView], wanted: int, staying: Sequence[WorkloadView]) -> list[WorkloadView]:
    """Return the replicas on draining hosts that are needed no more: all but as many ready ones as are not replaced."""
    ready = sorted((child for child in moving if child.is_ready), key=lambda child: child.meta.key)
    needed = max(0, wanted - sum(child.is_ready for child in staying))
    return [*ready[needed:], *(child for child in moving if not child.is_ready)]


def _first_to_go(staying: Sequence[WorkloadView], count: int, loads: Mapping[HostId, int]) -> list[WorkloadView]:
    """Return the replicas that a smaller set loses: those not ready first, then always one from the fullest host."""
    if count == len(staying):
        return list(staying)
    left = list(staying)
    own = Counter(child.host_id for child in left)
    gone: list[WorkloadView] = []
    for _ in range(count):
        worst = min(left, key=lambda child: _keeping(child, own, loads))
        left.remove(worst)
        own[worst.host_id] -= 1
        gone.append(worst)
    return gone


def _keeping(
    child: WorkloadView, own: Counter[HostId | None], loads: Mapping[HostId, int]
) -> tuple[bool, int, int, float, str]:
    """Return what a replica is kept by: the smallest goes first, and the youngest among equals."""
    load = loads.get(child.host_id, 0) if child.host_id is not None else 0
    return (child.is_ready, -own[child.host_id], -load, -child.meta.created_s, child.meta.key.name)
