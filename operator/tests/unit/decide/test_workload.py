"""The next step with one Workload, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from specimens import run, workload
from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import HostId
from wasmcloud_operator.decide.run import Run, RunState
from wasmcloud_operator.decide.workload import (
    AddFinalizer,
    Ask,
    Facts,
    Place,
    RemoveFinalizer,
    Start,
    Step,
    Stop,
    Wait,
    next_step,
)
from wasmcloud_operator.model.hosts import Liveness

H1 = frozenset({HostId("h1")})
GOING = {"meta": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
OWNED = {"owner": "set"}


def facts(
    one: Run | None, *, liveness: Liveness = Liveness.LIVE, draining: bool = False, now_s: float = 100.0, **more: Any
) -> Facts:
    on = more.pop("on", "h1")
    return Facts(workload(on=on, **more), one, liveness, draining, now_s)


@pytest.mark.parametrize(
    ("given", "step"),
    [
        (facts(None, finalizers=[]), AddFinalizer()),
        (facts(None, on=None), Place()),
        (facts(None, liveness=Liveness.LOST), Place(avoid=H1)),
        (facts(run(), liveness=Liveness.LOST), Place(avoid=H1)),
        (facts(run(), liveness=Liveness.UNKNOWN), Wait(is_judged=False)),
        (facts(None), Ask()),
        (facts(run(on="h2")), Ask()),
        (facts(run(state=RunState.NEW)), Start()),
        (facts(run(state=RunState.STARTING)), Wait()),
        (facts(run(state=RunState.RUNNING)), Wait()),
        (facts(run(state=RunState.COMPLETED)), Wait()),
        (facts(run(state=RunState.UNSURE)), Ask()),
        (facts(run(state=RunState.STOPPING)), Wait()),
        (facts(run(state=RunState.STOPPED)), Place()),
        (facts(run(state=RunState.FAILED, retry_at_s=130.0)), Wait(until_s=130.0)),
        (facts(run(state=RunState.FAILED, failed_on=H1)), Place(avoid=H1)),
        (facts(run(state=RunState.FAILED, reason=Reason.SECRET_NOT_FOUND)), Start()),
        (facts(run(state=RunState.RUNNING), draining=True), Place(avoid=H1)),
        (facts(run(state=RunState.RUNNING), draining=True, **OWNED), Wait()),
        (facts(run(state=RunState.RUNNING, generation=1), meta={"generation": 2}), Stop()),
        (facts(run(state=RunState.NEW, generation=1), meta={"generation": 2}), Start()),
    ],
)
def test_a_living_workload(given: Facts, step: Step) -> None:
    assert next_step(given) == step


@pytest.mark.parametrize(
    ("given", "step"),
    [
        (facts(run(), finalizers=["someone/else"], **GOING), Wait(is_judged=False)),
        (facts(None, on=None, **GOING), RemoveFinalizer()),
        (facts(run(), liveness=Liveness.LOST, **GOING), RemoveFinalizer()),
        (facts(run(), liveness=Liveness.UNKNOWN, **GOING), Wait()),
        (facts(run(state=RunState.STOPPED), **GOING), RemoveFinalizer()),
        (facts(run(state=RunState.STOPPING), **GOING), Wait()),
        (facts(run(state=RunState.STARTING), **GOING), Stop()),
        (facts(run(state=RunState.RUNNING), **GOING), Stop()),
        (facts(None, **GOING), Stop()),
        (facts(run(state=RunState.UNSURE, retry_at_s=130.0), **GOING), Wait(until_s=130.0)),
        (facts(run(state=RunState.UNSURE, retry_at_s=90.0), **GOING), Stop()),
    ],
)
def test_a_workload_that_goes(given: Facts, step: Step) -> None:
    assert next_step(given) == step
