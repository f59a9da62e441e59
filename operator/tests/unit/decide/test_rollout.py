"""How many replicas each set gets, move by move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import deployment, replica_set
from wasmcloud_api.crds import WorkloadDeploymentSpec
from wasmcloud_operator.decide.rollout import Bounds, SetState, bounds, next_revision, plan_rollout


def spec(replicas: int = 4, **more: Any) -> WorkloadDeploymentSpec:
    return deployment(replicas=replicas, **more).spec


def state(
    name: str, wanted: int, existing: int | None = None, available: int | None = None, revision: int = 1
) -> SetState:
    existing = wanted if existing is None else existing
    available = existing if available is None else available
    return SetState(replica_set(name, wanted, revision=revision), existing, available, available)


def sizes(plan: Any) -> dict[str, int]:
    return {change.view.meta.key.name: change.replicas for change in plan.rescale}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", 0, Bounds(1, 0)),
        (3, "25%", 0, Bounds(1, 0)),
        (10, "25%", "25%", Bounds(3, 2)),
        (1, 0, "50%", Bounds(0, 1)),
        (5, 0, 2, Bounds(0, 2)),
        (2, 1, 9, Bounds(1, 2)),
        (0, "25%", 0, Bounds(0, 1)),
    ],
)
def test_percentages_round_for_serving(replicas: int, surge: Any, unavailable: Any, expected: Bounds) -> None:
    assert bounds(spec(replicas, rollingUpdate={"maxSurge": surge, "maxUnavailable": unavailable})) == expected


def test_a_first_rollout_has_full_size_at_once() -> None:
    assert plan_rollout(spec(4), None, []).create == 4


def test_a_new_template_gets_only_the_room_of_the_surge() -> None:
    plan = plan_rollout(spec(4), None, [state("old", 4)])
    assert (plan.create, sizes(plan)) == (1, {})


def test_old_replicas_go_as_new_ones_become_available() -> None:
    plan = plan_rollout(spec(4), state("new", 1, available=1), [state("old", 4)])
    assert sizes(plan) == {"old": 3}


def test_replicas_that_are_still_stopping_take_room() -> None:
    plan = plan_rollout(spec(4), state("new", 1), [state("old", 3, existing=4, available=3)])
    assert sizes(plan) == {}


def test_without_surge_old_ones_go_first() -> None:
    policy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert sizes(plan_rollout(spec(4, **policy), state("new", 0), [state("old", 4)])) == {"old": 3}
    assert sizes(plan_rollout(spec(4, **policy), state("new", 0), [state("old", 3)])) == {"new": 1}


def test_old_replicas_that_lost_their_host_are_kept_while_the_new_version_does_not_start() -> None:
    plan = plan_rollout(spec(4), state("new", 1, available=0), [state("old", 4, available=0)])
    assert sizes(plan) == {}


def test_old_replicas_that_do_not_serve_go_before_those_that_do() -> None:
    old = [state("bad", 2, available=0, revision=1), state("good", 3, revision=2)]
    plan = plan_rollout(spec(4), state("new", 1, available=1), old)
    assert sizes(plan)["bad"] == 0
    assert sizes(plan).get("good", 3) == 3


def test_recreate_waits_until_every_old_replica_is_gone() -> None:
    policy = {"deployPolicy": "Recreate"}
    plan = plan_rollout(spec(3, **policy), None, [state("old", 3)])
    assert (plan.create, sizes(plan)) == (None, {"old": 0})
    assert plan_rollout(spec(3, **policy), None, [state("old", 0, existing=1)]).create is None
    assert plan_rollout(spec(3, **policy), None, [state("old", 0)]).create == 3


def test_paused_only_scales() -> None:
    paused = spec(6, paused=True)
    plan = plan_rollout(paused, None, [state("a", 4, revision=1), state("b", 1, revision=2)])
    assert (plan.create, sizes(plan)) == (None, {"a": 5})
    assert plan_rollout(paused, None, []).create is None


def test_scaling_down_in_the_middle_shrinks_the_new_set_to_what_is_wanted() -> None:
    assert sizes(plan_rollout(spec(2), state("new", 4), [])) == {"new": 2}


def test_a_smaller_wish_in_the_middle_takes_what_does_not_serve_down_to_the_surge() -> None:
    new, old = state("new", 2, available=0, revision=2), state("old", 2, available=0)
    assert sizes(plan_rollout(spec(2), new, [old])) == {"new": 1}
    new = state("new", 1, available=0, revision=2)
    assert sizes(plan_rollout(spec(2), new, [state("old", 4, available=0)])) == {"old": 2}


def test_history_is_bounded_and_the_oldest_goes() -> None:
    old = [state(f"s{n}", 0, revision=n) for n in range(1, 6)] + [state("busy", 1, revision=0)]
    plan = plan_rollout(spec(1, revisionHistoryLimit=2), state("new", 1, revision=6), old)
    assert [view.meta.key.name for view in plan.delete] == ["s1", "s2", "s3"]


def test_the_next_revision_is_above_all() -> None:
    assert next_revision([replica_set("a", revision=3), replica_set("b", revision=7)]) == 8
    assert next_revision([]) == 1


@dataclass
class Fleet:
    """Sets that follow their wishes at their own pace: the world that a rollout acts on."""

    wanted: list[int]
    ready: list[int]


@given(
    replicas=st.integers(0, 8),
    surge=st.sampled_from([0, 1, 3, "25%", "100%"]),
    unavailable=st.sampled_from([0, 1, "25%", "50%"]),
    pace=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=60),
)
def test_a_rollout_keeps_its_bounds_at_any_pace_and_ends(
    replicas: int, surge: Any, unavailable: Any, pace: list[tuple[int, int]]
) -> None:
    if surge == 0 and unavailable == 0:
        surge = 1
    wish = spec(replicas, rollingUpdate={"maxSurge": surge, "maxUnavailable": unavailable})
    limit = bounds(wish)
    fleet = Fleet([replicas, 0], [replicas, 0])
    for who, many in [*pace, *[(0, 9), (1, 9)] * 40]:
        old = state("old", fleet.wanted[0], existing=max(fleet.wanted[0], fleet.ready[0]), available=fleet.ready[0])
        new = state("new", fleet.wanted[1], available=min(fleet.ready[1], fleet.wanted[1]), revision=2)
        change = sizes(plan_rollout(wish, new, [old]))
        fleet.wanted = [change.get("old", fleet.wanted[0]), change.get("new", fleet.wanted[1])]
        assert sum(fleet.wanted) <= replicas + limit.surge
        serving = min(fleet.ready[0], fleet.wanted[0]) + min(fleet.ready[1], fleet.wanted[1])
        assert serving >= replicas - limit.unavailable
        if who == 0:
            fleet.ready[0] = max(fleet.wanted[0], fleet.ready[0] - many)
        else:
            fleet.ready[1] = min(fleet.wanted[1], fleet.ready[1] + many)
    assert fleet.wanted == fleet.ready == [0, replicas]
