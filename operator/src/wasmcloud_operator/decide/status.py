"""What the statuses of Workloads and replica sets say, and when a new one is worth a write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wasmcloud_api.conditions import Reason, ReplicaSetCondition, WorkloadCondition
from wasmcloud_api.crds import WorkloadPhase
from wasmcloud_api.names import HostId

from wasmcloud_operator.decide.run import CONFIG_REASONS, Run, RunState
from wasmcloud_operator.decide.schedule import Unfit
from wasmcloud_operator.model.conditions import Condition, fails, find, holds, merge_conditions, unclear
from wasmcloud_operator.model.views import ReplicaSetView, WorkloadView

Json = Mapping[str, Any]

PROGRESS: Final = frozenset(
    {
        Reason.RECONCILE.value,
        Reason.STARTING.value,
        Reason.ROLLOUT_IN_PROGRESS.value,
        Reason.SCALING_UP.value,
        Reason.SCALING_DOWN.value,
        Reason.STOPPING.value,
    }
)
"""Reasons that say no more than "wait": nobody is in a hurry to read them."""

_REASONS: Final = {reason.value: reason for reason in Reason}
_STOPPING: Final = "the host was asked to stop the workload"


def workload_status(
    view: WorkloadView, run: Run | None, unfit: Unfit | None, *, environment: str, now_s: float, note: str = ""
) -> dict[str, Any]:
    """Return the whole status of a Workload. ``environment`` is its host's; ``now_s`` seconds since the epoch.

    ``note`` is what else there is to say of one that runs.
    """
    conditions = _unplaced(unfit, run, view.host_id) if unfit is not None else _placed(run, view.host_id, note)
    if view.meta.is_deleting:
        conditions = [*conditions[:3], *_stopping()]
    status: dict[str, Any] = {
        "workloadId": view.meta.uid,
        "phase": _phase(view, run, unfit).value,
        "restarts": max(view.restarts, run.restarts if run else 0),
        "conditions": merge_conditions(view.conditions, conditions, generation=view.meta.generation, now_s=now_s),
    }
    if view.host_id is not None:
        status |= {"hostId": view.host_id, "environment": environment}
    return status


def _unplaced(unfit: Unfit, run: Run | None, host_id: HostId | None) -> list[Condition]:
    """Return the conditions of a Workload that no host can take. The last error of a start stays visible."""
    why = unfit.message
    if run is not None and run.reason is not None:
        why = f"{why}; the last start failed: {run.message}"
    elif host_id is not None:
        why = f'{why}; its host "{host_id}" is lost'
    return [
        unclear(WorkloadCondition.CONFIG, Reason.RECONCILE, "ConfigMaps and Secrets are read when a host is chosen"),
        fails(WorkloadCondition.HOST_SELECTION, unfit.reason, unfit.message),
        fails(WorkloadCondition.PLACEMENT, unfit.reason, "no host was chosen"),
        fails(WorkloadCondition.SYNC, unfit.reason, "no host has the workload"),
        fails(WorkloadCondition.READY, unfit.reason, why),
    ]


def _placed(run: Run | None, host_id: HostId | None, note: str) -> list[Condition]:
    where = f'on host "{host_id}"'
    placed = [holds(WorkloadCondition.HOST_SELECTION), holds(WorkloadCondition.PLACEMENT, where)]
    sync, ready = WorkloadCondition.SYNC, WorkloadCondition.READY
    config = holds(WorkloadCondition.CONFIG)
    if run is None or run.state in {RunState.NEW, RunState.STARTING, RunState.STOPPED}:
        text = f"starting {where}"
        if run is not None and run.reason is not None:
            text = f"{text}; the last start failed: {run.message}"
        return [config, *placed, fails(sync, Reason.STARTING, text), fails(ready, Reason.STARTING, text)]
    if run.state is RunState.RUNNING:
        return [config, *placed, holds(sync), holds(ready, f"{where}; {note}" if note else where)]
    if run.state is RunState.COMPLETED:
        return [config, *placed, holds(sync), fails(ready, Reason.COMPLETED, f"the service ended well {where}")]
    if run.state is RunState.STOPPING:
        return [config, *placed, *_stopping()]
    reason = run.reason or Reason.UNKNOWN_STATE
    if reason in CONFIG_REASONS:
        config = fails(WorkloadCondition.CONFIG, reason, run.message)
    if run.state is RunState.UNSURE:
        text = f"status unknown: {run.message or 'the host is being asked'}"
        return [config, *placed, unclear(sync, reason, text), unclear(ready, reason, text)]
    return [config, *placed, fails(sync, reason, run.message), fails(ready, reason, run.message)]


def _stopping() -> list[Condition]:
    return [
        fails(WorkloadCondition.SYNC, Reason.STOPPING, _STOPPING),
        fails(WorkloadCondition.READY, Reason.STOPPING, _STOPPING),
    ]


def _phase(view: WorkloadView, run: Run | None, unfit: Unfit | None) -> WorkloadPhase:
    if view.meta.is_deleting:
        return WorkloadPhase.STOPPING
    if unfit is not None or run is None:
        return WorkloadPhase.PENDING
    phases = {
        RunState.NEW: WorkloadPhase.STARTING,
        RunState.STARTING: WorkloadPhase.STARTING,
        RunState.UNSURE: WorkloadPhase.STARTING,
        RunState.RUNNING: WorkloadPhase.RUNNING,
        RunState.COMPLETED: WorkloadPhase.COMPLETED,
        RunState.STOPPING: WorkloadPhase.STOPPING,
        RunState.STOPPED: WorkloadPhase.PENDING,
        RunState.FAILED: WorkloadPhase.PENDING if run.reason in CONFIG_REASONS else WorkloadPhase.FAILED,
    }
    return phases[run.state]


def replica_set_status(view: ReplicaSetView, children: Sequence[WorkloadView], *, now_s: float) -> dict[str, Any]:
    """Return the whole status of a replica set."""
    living = [child for child in children if not child.meta.is_deleting]
    wanted, current = view.spec.replicas, len(living)
    ready = sum(child.is_ready for child in living)
    up, down = ReplicaSetCondition.SCALE_UP, ReplicaSetCondition.SCALE_DOWN
    text = f"{current} of {wanted} replicas exist"
    conditions = [
        holds(up) if current >= wanted else fails(up, Reason.SCALING_UP, text),
        holds(down) if len(children) <= wanted else fails(down, Reason.SCALING_DOWN, text),
        readiness(ReplicaSetCondition.READY, wanted, ready, living),
    ]
    return {
        "replicas": {"expected": wanted, "current": current, "ready": ready, "unavailable": max(0, wanted - ready)},
        "observedGeneration": view.meta.generation,
        "conditions": merge_conditions(view.conditions, conditions, generation=view.meta.generation, now_s=now_s),
    }


def readiness(
    kind: str, wanted: int, ready: int, children: Sequence[WorkloadView], *, needed: int | None = None
) -> Condition:
    """Return the condition that ``needed`` replicas are ready, else with the commonest reason why others are not.

    All that are wanted are needed where it isn't said.
    """
    text = f"{ready} of {wanted} replicas are ready"
    if ready >= (wanted if needed is None else needed):
        return holds(kind, text)
    told = [_trouble(child) for child in children if not child.is_ready and not child.meta.is_deleting]
    real = [trouble for trouble in told if trouble[0] not in PROGRESS]
    if not real:
        return fails(kind, Reason.SCALING_UP, text)
    (reason, message), _ = min(Counter(real).items(), key=lambda item: (-item[1], item[0]))
    return fails(kind, _REASONS[reason], f"{text}; {message}" if message else text)


def _trouble(child: WorkloadView) -> tuple[str, str]:
    condition = find(child.conditions, WorkloadCondition.READY)
    reason = str(condition.get("reason")) if condition else Reason.STARTING.value
    known = reason if reason in _REASONS else Reason.REPLICAS_UNAVAILABLE.value
    return known, str(condition.get("message") or "") if condition else ""


def status_patch(old: Json, new: Json) -> dict[str, Any]:
    """Return the merge patch that makes the old status say what the new one says; empty when it already does.

    Fields that the new status doesn't speak of are left alone.
    """
    patch: dict[str, Any] = {}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = status_patch(before, value)
            if inner:
                patch[key] = inner
        elif before != value and not (value is None and before is None):
            patch[key] = value
    return patch


def is_urgent(old: Json, new: Json) -> bool:
    """Whether a new status tells people or programs something they act on: not mere progress, nor mere words."""
    if any(old.get(key) != new.get(key) for key in ("currentReplicas", "hostId", "digest") if key in old):
        return True
    before = {c.get("type"): c for c in old.get("conditions") or ()}
    for condition in new.get("conditions") or ():
        known = before.get(condition["type"], {})
        was, now = (known.get("status"), known.get("reason")), (condition["status"], condition["reason"])
        if was == now:
            continue
        is_problem = now[0] == "False" and now[1] not in PROGRESS
        is_verdict = condition["type"] in {"Ready", "Deploy"} and "True" in {was[0], now[0]}
        if is_problem or is_verdict:
            return True
    return False
