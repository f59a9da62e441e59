"""Counts of workloads by host follow the objects, whatever happens to them."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from specimens import metadata
from wasmcloud_api.names import API_VERSION, HostId
from wasmcloud_operator.decide.schedule import Load, Rules
from wasmcloud_operator.engine.placements import Placements
from wasmcloud_operator.engine.store import Store
from wasmcloud_operator.model.keys import Key, Kind, Ref

GROUP = "uid-of-web-1"


def put(store: Store, name: str, on: str | None, version: int, *, going: bool = False) -> None:
    owner = {"apiVersion": API_VERSION, "kind": Kind.REPLICA_SET, "name": "web-1", "uid": GROUP, "controller": True}
    meta = metadata(name, resourceVersion=str(version), ownerReferences=[owner])
    if going:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    limit = {"memoryLimitMb": 1}
    spec = {"components": [{"name": "app", "image": "a:1", "localResources": limit}]}
    store.see(Kind.WORKLOAD, {"metadata": meta, "spec": spec, "status": {"hostId": on} if on else {}}, False)


@given(
    news=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from([None, "h1", "h2", "gone"]), st.booleans()), max_size=40
    )
)
def test_counts_are_those_of_the_objects(news: list[tuple[str, str | None, bool]]) -> None:
    store = Store()
    placements = Placements(store)
    truth: dict[str, tuple[str, bool]] = {}
    for version, (name, on, going) in enumerate(news, 1):
        if on == "gone":
            view = store.get(Ref(Kind.WORKLOAD, Key("shop", name)))
            if view is not None:
                store.drop(Ref(Kind.WORKLOAD, Key("shop", name)), view.meta.uid)
            truth.pop(name, None)
            store._gone.clear()
        else:
            put(store, name, on, version, going=going)
            truth.pop(name, None)
            if on is not None:
                truth[name] = (on, going)
    scene = placements.scene([], GROUP, Rules())
    counts = Counter(on for on, _ in truth.values())
    assert {host: load.workload_count for host, load in scene.loads.items()} == dict(counts)
    assert {host: load.memory_bytes >> 20 for host, load in scene.loads.items()} == dict(counts)
    assert dict(scene.peers) == dict(Counter(on for on, going in truth.values() if not going))


def test_a_reservation_counts_until_it_is_settled() -> None:
    store = Store()
    placements = Placements(store)
    key, host = Key("shop", "a"), HostId("h1")
    placements.reserve(key, host, GROUP, 7)
    assert placements.scene([], GROUP, Rules()).loads == {host: Load(1, 7)}
    assert placements.on(host) == [key]
    placements.settle(key)
    assert placements.scene([], GROUP, Rules()).loads == {}


def test_a_workload_does_not_count_against_itself() -> None:
    store = Store()
    placements = Placements(store)
    put(store, "a", "h1", 1)
    put(store, "b", "h1", 2)
    scene = placements.scene([], GROUP, Rules(), without=Key("shop", "a"))
    assert scene.loads[HostId("h1")].workload_count == 1
    assert scene.peers[HostId("h1")] == 1
