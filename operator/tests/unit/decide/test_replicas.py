"""Which Workloads of a set come and go."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from specimens import replica_set, workload
from wasmcloud_api.names import HostId
from wasmcloud_operator.decide.replicas import plan_replicas, slot_name

NOBODY: frozenset[HostId] = frozenset()
H1 = frozenset({HostId("h1")})


def names(count: int) -> list[str]:
    return [slot_name("set", slot) for slot in range(count)]


def test_names_come_from_the_set_and_the_slot() -> None:
    plan = plan_replicas(replica_set(replicas=3), [], leaving=NOBODY)
    assert list(plan.create) == names(3)
    assert plan == plan_replicas(replica_set(replicas=3), [], leaving=NOBODY)


def test_a_free_slot_is_filled_and_one_that_is_going_is_not_free() -> None:
    first, second, third = names(3)
    going = workload(second, on="h1", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    plan = plan_replicas(replica_set(replicas=2), [workload(first, on="h1"), going], leaving=NOBODY)
    assert plan.create == (third,)


def test_not_ready_ones_go_first_then_those_of_the_fullest_host() -> None:
    children = [
        workload("a", on="h1", ready=True),
        workload("b", on="h1", ready=True),
        workload("c", on="h2", ready=True),
        workload("d", on="h2"),
    ]
    gone = [w.meta.key.name for w in plan_replicas(replica_set(replicas=2), children, leaving=NOBODY).delete]
    assert gone[0] == "d"
    assert gone[1] in {"a", "b"}


def test_a_replica_on_a_draining_host_is_replaced_before_it_goes() -> None:
    old = workload("old", on="h1", ready=True)
    plan = plan_replicas(replica_set(replicas=1), [old], leaving=H1)
    assert (len(plan.create), plan.delete, plan.missing_count) == (1, (), 0)
    starting = workload("new", on="h2")
    assert plan_replicas(replica_set(replicas=1), [old, starting], leaving=H1).delete == ()
    ready = workload("new", on="h2", ready=True)
    assert plan_replicas(replica_set(replicas=1), [old, ready], leaving=H1).delete == (old,)


def test_a_replacement_that_fits_nowhere_is_given_up_and_a_missing_replica_is_not() -> None:
    old, waiting = workload("old", on="h1", ready=True), workload("waiting")
    assert plan_replicas(replica_set(replicas=1), [old, waiting], leaving=H1).delete == (waiting,)
    assert plan_replicas(replica_set(replicas=2), [old, waiting], leaving=H1).delete == ()


def test_a_replica_on_a_draining_host_that_does_not_serve_goes_at_once() -> None:
    old = workload("old", on="h1")
    assert plan_replicas(replica_set(replicas=1), [old], leaving=H1).delete == (old,)


@given(
    wanted=st.integers(0, 12),
    states=st.lists(st.tuples(st.sampled_from(["h1", "h2", "h3"]), st.booleans()), max_size=12),
)
def test_a_plan_leads_to_the_wanted_number_and_never_deletes_what_is_needed(
    wanted: int, states: list[tuple[str, bool]]
) -> None:
    children = [workload(slot_name("set", n), on=on, ready=ready) for n, (on, ready) in enumerate(states)]
    plan = plan_replicas(replica_set(replicas=wanted), children, leaving=NOBODY)
    assert len(children) + len(plan.create) - len(plan.delete) == wanted
    assert not (plan.create and plan.delete)
    ready_before = sum(child.is_ready for child in children)
    ready_after = ready_before - sum(child.is_ready for child in plan.delete)
    assert ready_after >= min(wanted, ready_before)


def test_scaling_down_leaves_an_even_spread() -> None:
    children = [workload(f"{on}-{n}", on=on, ready=True) for on, count in (("h1", 6), ("h2", 3)) for n in range(count)]
    gone = plan_replicas(replica_set(replicas=4), children, leaving=NOBODY).delete
    left = Counter(child.host_id for child in children if child not in gone)
    assert set(left.values()) == {2}
