"""What statuses say, and which news can wait."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import deployment, replica_set, run, workload
from wasmcloud_api.conditions import ConditionStatus, Reason
from wasmcloud_api.crds import WorkloadDeploymentStatus, WorkloadReplicaSetStatus, WorkloadStatus
from wasmcloud_operator.decide.deployment_status import DeploymentFacts, deployment_status
from wasmcloud_operator.decide.rollout import SetState
from wasmcloud_operator.decide.run import Run, RunState
from wasmcloud_operator.decide.schedule import Unfit
from wasmcloud_operator.decide.status import is_urgent, replica_set_status, status_patch, workload_status
from wasmcloud_operator.model.conditions import Condition, merge_conditions

UNFIT = Unfit(Reason.NO_MATCHING_HOST, "0 of 1 host fits: 1 is draining")


def of(status: dict[str, Any], kind: str) -> tuple[str, str]:
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


@pytest.mark.parametrize(
    ("one", "unfit", "phase", "ready", "placed"),
    [
        (run(), None, "Running", ("True", "Available"), "True"),
        (run(state=RunState.STARTING), None, "Starting", ("False", "Starting"), "True"),
        (run(state=RunState.COMPLETED), None, "Completed", ("False", "Completed"), "True"),
        (run(state=RunState.STOPPING), None, "Stopping", ("False", "Stopping"), "True"),
        (run(state=RunState.FAILED, reason=Reason.CRASHED), None, "Failed", ("False", "Crashed"), "True"),
        (
            run(state=RunState.FAILED, reason=Reason.SECRET_NOT_FOUND),
            None,
            "Pending",
            ("False", "SecretNotFound"),
            "True",
        ),
        (
            run(state=RunState.UNSURE, reason=Reason.START_TIMED_OUT),
            None,
            "Starting",
            ("Unknown", "StartTimedOut"),
            "True",
        ),
        (None, UNFIT, "Pending", ("False", "NoMatchingHost"), "False"),
    ],
)
def test_a_workload_says_where_it_stands(
    one: Run | None, unfit: Unfit | None, phase: str, ready: tuple[str, str], placed: str
) -> None:
    status = workload_status(workload(on="h1"), one, unfit, environment="shop", now_s=1e9)
    WorkloadStatus.model_validate(status)
    assert (status["phase"], of(status, "Ready"), of(status, "Placement")[0]) == (phase, ready, placed)
    assert [c["type"] for c in status["conditions"]] == ["Config", "HostSelection", "Placement", "Sync", "Ready"]
    assert status["workloadId"] == "uid-w1"


def test_a_workload_that_goes_says_so() -> None:
    view = workload(on="h1", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    status = workload_status(view, run(), None, environment="", now_s=1e9)
    assert (status["phase"], of(status, "Ready")) == ("Stopping", ("False", "Stopping"))


def test_the_last_error_stays_visible_while_no_host_fits_and_while_it_starts_again() -> None:
    one = run(state=RunState.FAILED, reason=Reason.IMAGE_PULL_FAILED, message="failed to pull: 404")
    for state, unfit in ((RunState.FAILED, UNFIT), (RunState.STARTING, None)):
        again = Run(one.host_id, state, 0, 1, one.reason, one.message)
        status = workload_status(workload(on="h1"), again, unfit, environment="", now_s=1e9)
        assert "failed to pull: 404" in str(status["conditions"])


def test_a_set_counts_and_names_the_commonest_trouble() -> None:
    children = [workload("a", on="h1", ready=True)] + [
        workload(name, status=workload_status(workload(name), None, UNFIT, environment="", now_s=1e9))
        for name in ("b", "c")
    ]
    status = replica_set_status(replica_set(replicas=3), children, now_s=1e9)
    WorkloadReplicaSetStatus.model_validate(status)
    assert status["replicas"] == {"expected": 3, "current": 3, "ready": 1, "unavailable": 2}
    assert of(status, "Ready") == ("False", "NoMatchingHost")
    assert "1 of 3 replicas are ready; 0 of 1 host fits: 1 is draining" in str(status)


def test_a_deployment_is_complete_when_all_is_new_and_available() -> None:
    view, new, old = deployment(replicas=2), replica_set("new", 2, revision=2), replica_set("old", 0)
    done = DeploymentFacts(view, SetState(new, 2, 2, 2), [SetState(old)], [])
    status = deployment_status(done, now_s=1e9)
    WorkloadDeploymentStatus.model_validate(status)
    assert of(status, "Deploy") == of(status, "Ready") == ("True", "Available")
    assert status["currentReplicaSet"] == {"name": "new"}
    assert status["previousReplicaSet"] == {"name": "old"}
    assert (status["revision"], status["currentReplicas"], status["selector"]) == (
        2,
        2,
        "runtime.wasmcloud.dev/workload-deployment=web",
    )


def test_a_rollout_that_stands_still_is_reported_after_its_deadline_while_old_replicas_serve() -> None:
    view, new, old = deployment(replicas=2), replica_set("new", 1, revision=2), replica_set("old", 2)
    for stalled_s, reason in ((599.0, "RolloutInProgress"), (600.0, "ProgressDeadlineExceeded")):
        facts = DeploymentFacts(view, SetState(new, 1), [SetState(old, 2, 2, 2)], [], stalled_s=stalled_s)
        status = deployment_status(facts, now_s=1e9)
        assert of(status, "Deploy") == ("False", reason)
        assert of(status, "Ready") == ("True", "Available")


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    first = merge_conditions([], [Condition("Ready", ConditionStatus.FALSE, Reason.STARTING)], generation=1, now_s=0)
    same = merge_conditions(first, [Condition("Ready", ConditionStatus.FALSE, Reason.CRASHED)], generation=2, now_s=50)
    assert (same[0]["lastTransitionTime"], same[0]["reason"], same[0]["observedGeneration"]) == (
        first[0]["lastTransitionTime"],
        "Crashed",
        2,
    )
    other = merge_conditions(same, [Condition("Ready", ConditionStatus.TRUE, Reason.AVAILABLE)], generation=2, now_s=60)
    assert other[0]["lastTransitionTime"] != first[0]["lastTransitionTime"]


JSON = st.recursive(
    st.integers() | st.text(max_size=3), lambda inner: st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
)


def merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


@given(
    old=st.dictionaries(st.text("abc", max_size=2), JSON, max_size=4),
    new=st.dictionaries(st.text("abc", max_size=2), JSON, max_size=4),
)
def test_a_patch_makes_the_old_status_say_what_the_new_one_says_and_then_is_empty(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    patched = merged(old, status_patch(old, new))
    assert status_patch(patched, new) == {}


@pytest.mark.parametrize(
    ("old", "new", "urgent"),
    [
        (None, ("False", "Starting"), False),
        (None, ("True", "Available"), True),
        (("False", "Starting"), ("True", "Available"), True),
        (("True", "Available"), ("False", "Starting"), True),
        (("False", "Starting"), ("False", "ImagePullFailed"), True),
        (("False", "ScalingUp"), ("False", "RolloutInProgress"), False),
        (("True", "Available"), ("True", "Available"), False),
    ],
)
def test_only_what_is_acted_on_is_urgent(old: tuple[str, str] | None, new: tuple[str, str], urgent: bool) -> None:
    def status(pair: tuple[str, str]) -> dict[str, Any]:
        return {"conditions": [{"type": "Ready", "status": pair[0], "reason": pair[1]}]}

    assert is_urgent(status(old) if old else {}, status(new)) is urgent
