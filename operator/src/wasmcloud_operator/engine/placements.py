"""Which workload is on which host, counted as objects come and go, so that placing never counts from scratch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wasmcloud_api.names import HostId

from wasmcloud_operator.decide.schedule import Candidate, Load, Rules, Scene
from wasmcloud_operator.engine.store import Store
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.views import View, WorkloadView


@dataclass(frozen=True, slots=True)
class _Place:
    host_id: HostId
    group: str
    memory_bytes: int
    is_peer: bool


class Placements:
    """Loads of hosts, and replicas by host. A place is reserved before its write, so two decisions never collide."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places: dict[Key, _Place] = {}
        self._loads: dict[HostId, Load] = {}
        self._peers: dict[str, Counter[HostId]] = {}
        self._on: dict[HostId, dict[Key, None]] = {}
        self._unseen: dict[HostId, frozenset[str]] = {}
        store.listen(self._on_change)

    def reserve(self, key: Key, host_id: HostId, group: str, memory_bytes: int) -> None:
        """Count a workload on a host from now on; `settle` makes it follow the object again."""
        self._set(key, _Place(host_id, group, memory_bytes, True))

    def settle(self, key: Key) -> None:
        """Count a workload where its object says it is."""
        view = self._store.workload(key)
        self._set(key, _place_of(view) if isinstance(view, WorkloadView) else None)

    def note_unseen(self, host_id: HostId, uids: frozenset[str]) -> None:
        """Count workloads that a host says it runs until their objects, which can't be seen now, are known."""
        if uids:
            self._unseen[host_id] = uids
        else:
            self._unseen.pop(host_id, None)

    def on(self, host_id: HostId) -> list[Key]:
        """Return the workloads on a host."""
        return list(self._on.get(host_id, ()))

    def loads(self) -> dict[HostId, int]:
        """Return how many workloads are on each host."""
        return {host_id: load.workload_count for host_id, load in self._all_loads().items()}

    def scene(self, hosts: Sequence[Candidate], group: str, rules: Rules, *, without: Key | None = None) -> Scene:
        """Return what placing a member of a group looks at; the workload at ``without`` itself isn't counted."""
        peers: Mapping[HostId, int] = self._peers.get(group, {})
        place = self._places.get(without) if without is not None else None
        loads = self._all_loads()
        if place is None:
            return Scene(hosts, loads, peers, rules)
        load = loads[place.host_id]
        loads = {**loads, place.host_id: Load(load.workload_count - 1, load.memory_bytes - place.memory_bytes)}
        if place.is_peer and place.group == group:
            peers = {**peers, place.host_id: peers[place.host_id] - 1}
        return Scene(hosts, loads, peers, rules)

    def _all_loads(self) -> Mapping[HostId, Load]:
        if not self._unseen:
            return self._loads
        loads = dict(self._loads)
        for host_id, uids in self._unseen.items():
            load, count = loads.get(host_id, Load()), sum(self._store.workload_of(uid) is None for uid in uids)
            loads[host_id] = Load(load.workload_count + count, load.memory_bytes)
        return loads

    def _on_change(self, ref: Ref, _before: View | None, now: View | None) -> None:
        if ref.kind is Kind.WORKLOAD:
            self._set(ref.key, _place_of(now) if isinstance(now, WorkloadView) else None)

    def _set(self, key: Key, place: _Place | None) -> None:
        before = self._places.pop(key, None)
        if before is not None:
            self._count(key, before, -1)
        if place is not None:
            self._places[key] = place
            self._count(key, place, 1)

    def _count(self, key: Key, place: _Place, by: int) -> None:
        load = self._loads.get(place.host_id, Load())
        self._loads[place.host_id] = Load(load.workload_count + by, load.memory_bytes + by * place.memory_bytes)
        on = self._on.setdefault(place.host_id, {})
        if by > 0:
            on[key] = None
        else:
            on.pop(key, None)
        if not on:
            del self._on[place.host_id], self._loads[place.host_id]
        if place.is_peer:
            peers = self._peers.setdefault(place.group, Counter())
            peers[place.host_id] += by
            if not peers[place.host_id]:
                del peers[place.host_id]
            if not peers:
                del self._peers[place.group]


def _place_of(view: WorkloadView) -> _Place | None:
    """Return where an object says that its workload is. One that is going still takes room, but is no replica."""
    if view.host_id is None:
        return None
    return _Place(view.host_id, view.group, view.memory_bytes, not view.meta.is_deleting)
