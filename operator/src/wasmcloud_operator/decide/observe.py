"""What a host's own word about a workload means."""

from __future__ import annotations

from dataclasses import replace

from wasmcloud_api.conditions import Reason, WorkloadCondition
from wasmcloud_api.names import HostId
from wasmcloud_api.wire import WorkloadState, WorkloadStatus

from wasmcloud_operator.decide.run import Run, RunState, failed, start_failure, started, unsure, vanished
from wasmcloud_operator.model.conditions import find
from wasmcloud_operator.model.views import WorkloadView

ASK_AGAIN_S = 1.0
VANISHED = "the host does not know the workload any more"

_PRESENT = frozenset({WorkloadState.RUNNING, WorkloadState.COMPLETED, WorkloadState.STARTING, WorkloadState.ERROR})


def is_present(status: WorkloadStatus) -> bool:
    """Whether a host has a workload, in whatever state, until it is told to stop it."""
    return status.workload_state in _PRESENT


def observe(
    view: WorkloadView, run: Run | None, host_id: HostId, status: WorkloadStatus | None, *, now_s: float, chance: float
) -> Run | None:
    """Return the run that follows from what a host says of a workload that is on record for it.

    ``status`` is None when the host doesn't know the workload. None means: nothing new.
    """
    if run is None or run.host_id != host_id:
        return _adopt(view, host_id, status, now_s=now_s, chance=chance)
    state = WorkloadState.NOT_FOUND if status is None else status.workload_state
    message = status.message if status is not None else ""
    match run.state, state:
        case RunState.UNSURE, WorkloadState.RUNNING:
            return started(run, state=RunState.RUNNING, now_s=now_s)
        case ((RunState.UNSURE | RunState.RUNNING), WorkloadState.COMPLETED):
            return started(run, state=RunState.COMPLETED, now_s=now_s)
        case RunState.UNSURE, WorkloadState.ERROR:
            return failed(run, start_failure(message), message, now_s=now_s, chance=chance)
        case RunState.RUNNING, WorkloadState.ERROR:
            return failed(run, Reason.CRASHED, message, now_s=now_s, chance=chance)
        case ((RunState.UNSURE | RunState.RUNNING), WorkloadState.NOT_FOUND):
            return vanished(run, VANISHED, now_s=now_s, chance=chance)
        case RunState.UNSURE, _:
            return unsure(run, run.reason or Reason.UNKNOWN_STATE, message, now_s=now_s, retry_s=ASK_AGAIN_S)
    return None


def _adopt(view: WorkloadView, host_id: HostId, status: WorkloadStatus | None, *, now_s: float, chance: float) -> Run:
    """Return the run of a workload that this operator finds: what runs is taken over, never started anew."""
    found = Run(host_id, RunState.NEW, now_s, generation=_started_generation(view), restarts=view.restarts)
    if status is None or not is_present(status):
        return replace(found, generation=view.meta.generation, restarts=view.restarts + int(view.is_ready))
    match status.workload_state:
        case WorkloadState.RUNNING:
            return replace(found, state=RunState.RUNNING)
        case WorkloadState.COMPLETED:
            return replace(found, state=RunState.COMPLETED)
        case WorkloadState.ERROR:
            reason = Reason.CRASHED if view.is_ready else start_failure(status.message)
            return failed(found, reason, status.message, now_s=now_s, chance=chance)
    return unsure(found, Reason.STARTING, status.message, now_s=now_s, retry_s=ASK_AGAIN_S)


def _started_generation(view: WorkloadView) -> int:
    """Return the generation that was last given to a host; the present one when no status tells."""
    condition = find(view.conditions, WorkloadCondition.SYNC)
    is_told = condition is not None and condition.get("status") == "True"
    generation = int(condition.get("observedGeneration") or 0) if condition is not None and is_told else 0
    return generation or view.meta.generation
