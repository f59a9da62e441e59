"""What answers of a host, and their absence, make of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import run, workload
from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import HostId
from wasmcloud_api.wire import WorkloadState, WorkloadStatus
from wasmcloud_operator.decide.backoff import backoff_s
from wasmcloud_operator.decide.observe import observe
from wasmcloud_operator.decide.run import (
    LONGEST_RETRY_S,
    Run,
    RunState,
    blocked,
    failed,
    start_failure,
    started,
    vanished,
)

H1 = HostId("h1")


def said(state: WorkloadState, message: str = "") -> WorkloadStatus:
    return WorkloadStatus(workload_id="uid-w1", workload_state=state, message=message)


def seen(one: Run | None, status: WorkloadStatus | None, *, ready: bool = False) -> Run | None:
    return observe(workload(on="h1", ready=ready), one, H1, status, now_s=100.0, chance=0.5)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("failed to pull image for component 'a': 401", Reason.IMAGE_PULL_FAILED),
        ("invalid local_resources for component a: invalid allowed_hosts: ...", Reason.INVALID_EGRESS_RULE),
        ("the image is not a component", Reason.IMAGE_NOT_COMPONENT),
        ('the file is text, not WebAssembly: it starts with "hello"', Reason.IMAGE_NOT_COMPONENT),
        ("the file ends early: it is truncated after 90 bytes", Reason.IMAGE_NOT_COMPONENT),
        ("component a imports acme:x/y@1.0.0, which nothing provides: it is not WASI", Reason.INTERFACE_UNAVAILABLE),
        ("component a imports wasi:http/types@0.9.9, which this host does not have", Reason.INTERFACE_UNAVAILABLE),
        (
            "component imports instance `acme:thing/do`, but a matching implementation was not found",
            Reason.INTERFACE_UNAVAILABLE,
        ),
        ("trap: unreachable", Reason.START_FAILED),
    ],
)
def test_a_host_s_text_tells_the_reason(message: str, reason: Reason) -> None:
    assert start_failure(message) is reason


def test_failures_in_a_row_wait_ever_longer_and_remember_their_hosts() -> None:
    one = run(state=RunState.STARTING)
    delays = []
    for _ in range(10):
        one = failed(one, Reason.START_FAILED, "no", now_s=0.0, chance=1.0)
        delays.append(one.retry_at_s)
    assert delays[:4] == [1.0, 2.0, 4.0, 8.0]
    assert delays[-1] == LONGEST_RETRY_S
    assert (one.failed_on, one.failure_count) == (frozenset({H1}), 10)


def test_a_run_that_was_steady_begins_with_the_shortest_wait_and_counts_a_restart() -> None:
    one = failed(run(failure_count=8), Reason.CRASHED, "ended", now_s=61.0, chance=1.0)
    assert (one.failure_count, one.retry_at_s, one.restarts, one.reason) == (1, 62.0, 1, Reason.CRASHED)


def test_a_second_crash_soon_after_the_first_is_a_crash_loop() -> None:
    first = failed(run(), Reason.CRASHED, "ended", now_s=1.0, chance=1.0)
    again = started(first, state=RunState.RUNNING, now_s=2.0)
    assert failed(again, Reason.CRASHED, "ended", now_s=3.0, chance=1.0).reason is Reason.CRASH_LOOP_BACK_OFF


def test_what_vanished_is_tried_at_once_on_the_same_host_and_then_with_pauses() -> None:
    one = vanished(run(), "gone", now_s=5.0, chance=1.0)
    assert (one.retry_at_s, one.failed_on) == (5.0, frozenset())
    assert vanished(one, "gone", now_s=6.0, chance=1.0).retry_at_s == 8.0


def test_missing_configuration_blames_no_host() -> None:
    one = blocked(run(state=RunState.STARTING), Reason.SECRET_NOT_FOUND, "no", now_s=1.0, retry_s=5.0)
    assert (one.state, one.retry_at_s, one.failed_on, one.failure_count) == (RunState.FAILED, 6.0, frozenset(), 0)


@pytest.mark.parametrize(
    ("one", "status", "state", "reason"),
    [
        (None, said(WorkloadState.RUNNING), RunState.RUNNING, None),
        (None, said(WorkloadState.COMPLETED), RunState.COMPLETED, None),
        (None, said(WorkloadState.STARTING), RunState.UNSURE, Reason.STARTING),
        (None, said(WorkloadState.ERROR, "failed to pull"), RunState.FAILED, Reason.IMAGE_PULL_FAILED),
        (None, None, RunState.NEW, None),
        (run(on="h2"), said(WorkloadState.RUNNING), RunState.RUNNING, None),
        (run(), said(WorkloadState.ERROR, "ended"), RunState.FAILED, Reason.CRASHED),
        (run(), said(WorkloadState.COMPLETED), RunState.COMPLETED, None),
        (run(), None, RunState.FAILED, Reason.CRASHED),
        (run(), said(WorkloadState.NOT_FOUND), RunState.FAILED, Reason.CRASHED),
        (run(state=RunState.UNSURE), said(WorkloadState.RUNNING), RunState.RUNNING, None),
        (run(state=RunState.UNSURE), None, RunState.FAILED, Reason.CRASHED),
        (run(state=RunState.UNSURE), said(WorkloadState.STARTING), RunState.UNSURE, Reason.UNKNOWN_STATE),
    ],
)
def test_what_a_host_says_of_a_workload(
    one: Run | None, status: WorkloadStatus | None, state: RunState, reason: Reason | None
) -> None:
    found = seen(one, status)
    assert found is not None
    assert (found.state, found.reason, found.host_id) == (state, reason, H1)


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (run(), said(WorkloadState.RUNNING)),
        (run(), said(WorkloadState.STARTING)),
        (run(state=RunState.COMPLETED), None),
        (run(state=RunState.NEW), None),
        (run(state=RunState.FAILED), said(WorkloadState.ERROR)),
    ],
)
def test_what_is_no_news_changes_nothing(one: Run, status: WorkloadStatus | None) -> None:
    assert seen(one, status) is None


def test_a_new_operator_counts_a_workload_that_ran_and_is_gone_as_restarted() -> None:
    found = seen(None, None, ready=True)
    assert found is not None
    assert found.restarts == 1


@given(attempt=st.integers(0, 1000), chance=st.floats(0, 1, exclude_max=True))
def test_back_off_is_bounded_and_jittered(attempt: int, chance: float) -> None:
    delay = backoff_s(attempt, chance=chance, base_s=1.0, cap_s=60.0)
    assert min(60.0, 2.0 ** min(attempt, 20)) / 2 <= delay <= 60.0
