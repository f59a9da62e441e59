"""The store: newest news win, whatever order they come in."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from specimens import metadata, owned_by
from wasmcloud_operator.engine.store import Store
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.views import BrokenView, View, WorkloadView

KEY = Key("shop", "w")
REF = Ref(Kind.WORKLOAD, KEY)


def body(version: int, *, uid: str = "one", generation: int = 1, image: str = "a:1", **more: Any) -> dict[str, Any]:
    meta = metadata("w", uid=uid, resourceVersion=str(version), generation=generation, **more)
    return {
        "metadata": meta,
        "spec": {"components": [{"name": "app", "image": image}]},
        "status": {"restarts": version},
    }


def known(store: Store) -> int | None:
    view = store.workload(KEY)
    return view.restarts if isinstance(view, WorkloadView) else None


def test_older_news_change_nothing() -> None:
    store = Store()
    store.see(Kind.WORKLOAD, body(5), False)
    store.see(Kind.WORKLOAD, body(4), False)
    assert known(store) == 5
    store.see(Kind.WORKLOAD, body(10), False)
    assert known(store) == 10


def test_news_of_a_deleted_object_do_not_bring_it_back() -> None:
    store = Store()
    store.see(Kind.WORKLOAD, body(5), False)
    store.see(Kind.WORKLOAD, body(6), True)
    store.see(Kind.WORKLOAD, body(7), False)
    assert store.get(REF) is None


def test_the_deletion_of_a_predecessor_leaves_its_successor() -> None:
    store = Store()
    store.see(Kind.WORKLOAD, body(8, uid="two"), False)
    store.see(Kind.WORKLOAD, body(5, uid="one"), True)
    assert known(store) == 8
    assert store.workload_of("two") is not None


def test_a_successor_replaces_a_predecessor_whose_deletion_was_missed() -> None:
    store, told = Store(), list[tuple[str | None, str | None]]()

    def note(_ref: Ref, before: View | None, now: View | None) -> None:
        told.append((before.meta.uid if before else None, now.meta.uid if now else None))

    store.listen(note)
    store.see(Kind.WORKLOAD, body(5, uid="one"), False)
    store.see(Kind.WORKLOAD, body(8, uid="two"), False)
    assert told == [(None, "one"), ("one", None), (None, "two")]
    assert store.workload_of("one") is None


def test_a_spec_of_the_same_generation_is_not_parsed_again() -> None:
    store = Store()
    store.see(Kind.WORKLOAD, body(5), False)
    first = store.workload(KEY)
    store.see(Kind.WORKLOAD, body(6), False)
    second = store.workload(KEY)
    assert isinstance(first, WorkloadView)
    assert isinstance(second, WorkloadView)
    assert second.spec is first.spec
    store.see(Kind.WORKLOAD, body(7, generation=2, image="b:1"), False)
    third = store.workload(KEY)
    assert isinstance(third, WorkloadView)
    assert third.spec.components[0].image == "b:1"


def test_an_object_that_breaks_a_rule_is_kept_with_the_rule_and_without_its_values() -> None:
    store = Store()
    broken = body(5)
    broken["spec"]["components"][0]["poolSize"] = "s3cr3t"
    store.see(Kind.WORKLOAD, broken, False)
    view = store.workload(KEY)
    assert isinstance(view, BrokenView)
    assert "poolSize" in view.problem
    assert "s3cr3t" not in view.problem


def test_an_accepted_deletion_shows_at_once() -> None:
    store = Store()
    store.see(Kind.WORKLOAD, body(5), False)
    store.mark_deleting(REF, "another")
    assert not store.workload(KEY).meta.is_deleting  # type: ignore[union-attr]
    store.mark_deleting(REF, "one")
    assert store.workload(KEY).meta.is_deleting  # type: ignore[union-attr]


def test_children_are_found_by_their_controller() -> None:
    store = Store()
    for name in ("b", "a"):
        child = body(1, uid=name) | {"metadata": metadata(name, ownerReferences=owned_by(Kind.REPLICA_SET, "set"))}
        store.see(Kind.WORKLOAD, child, False)
    assert [view.meta.key.name for view in store.workloads_of("uid-set")] == ["a", "b"]
    store.drop(Ref(Kind.WORKLOAD, Key("shop", "a")), "uid-a")
    assert [view.meta.key.name for view in store.workloads_of("uid-set")] == ["b"]


NEWS = st.tuples(st.integers(1, 30), st.booleans())


@given(news=st.lists(NEWS, max_size=20), order=st.randoms(use_true_random=False))
def test_whatever_the_order_of_news_without_deletions_the_newest_is_known(
    news: list[tuple[int, bool]], order: Any
) -> None:
    store = Store()
    versions = [version for version, _ in news]
    order.shuffle(versions)
    for version in versions:
        store.see(Kind.WORKLOAD, body(version), False)
    assert known(store) == (max(versions) if versions else None)
