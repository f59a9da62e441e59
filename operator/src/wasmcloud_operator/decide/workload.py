"""What to do next with one Workload."""

from __future__ import annotations

from dataclasses import dataclass

from wasmcloud_api.names import WORKLOAD_FINALIZER, HostId

from wasmcloud_operator.decide.run import CONFIG_REASONS, Run, RunState
from wasmcloud_operator.model.hosts import Liveness
from wasmcloud_operator.model.views import WorkloadView


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a Workload is looked at. ``liveness`` and ``is_draining`` are of the host on record."""

    view: WorkloadView
    run: Run | None
    liveness: Liveness
    is_draining: bool
    now_s: float


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Put our finalizer on the object, before anything runs for it."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Nothing runs for the object any more: let it go."""


@dataclass(frozen=True, slots=True)
class Place:
    """Choose a host and put it on record; hosts in ``avoid`` only where no other fits."""

    avoid: frozenset[HostId] = frozenset()


@dataclass(frozen=True, slots=True)
class Start:
    """Ask the host on record to start it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the host on record to stop it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Find out from the host on record what became of it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until ``until_s`` on the monotonic clock, or, where that is None, until something changes."""

    until_s: float | None = None
    is_judged: bool = True
    """False while the facts don't allow to say anything about the workload: its status stays as it is."""


Step = AddFinalizer | RemoveFinalizer | Place | Start | Stop | Ask | Wait


def next_step(facts: Facts) -> Step:
    """Return the next step; the steps of a workload that is where it should be end in a Wait."""
    view, run = facts.view, facts.run
    has_finalizer = WORKLOAD_FINALIZER in view.meta.finalizers
    if view.meta.is_deleting:
        return _farewell(facts) if has_finalizer else Wait(is_judged=False)
    if not has_finalizer:
        return AddFinalizer()
    if view.host_id is None:
        return Place()
    if facts.liveness is Liveness.LOST:
        return Place(avoid=frozenset({view.host_id}))
    if facts.liveness is Liveness.UNKNOWN:
        return Wait(is_judged=False)
    if run is None or run.host_id != view.host_id:
        return Ask()
    return _by_state(facts, run)


def _by_state(facts: Facts, run: Run) -> Step:
    if run.state is RunState.STOPPED:
        return Place()
    if run.state is RunState.STOPPING:
        return Wait()
    if run.generation < facts.view.meta.generation and run.state is not RunState.NEW:
        return Stop()
    match run.state:
        case RunState.NEW:
            return Start()
        case RunState.UNSURE:
            return Ask()
        case RunState.FAILED:
            return _try_again(run, facts.now_s)
        case RunState.RUNNING if facts.is_draining and facts.view.meta.owner is None:
            return Place(avoid=frozenset({run.host_id}))
    return Wait()


def _try_again(run: Run, now_s: float) -> Step:
    if now_s < run.retry_at_s:
        return Wait(until_s=run.retry_at_s)
    if run.reason in CONFIG_REASONS:
        return Start()
    return Place(avoid=run.failed_on)


def _farewell(facts: Facts) -> Step:
    """Return the next step of an object that is being deleted. A host that is gone never blocks it."""
    run = facts.run
    if facts.view.host_id is None or facts.liveness is Liveness.LOST:
        return RemoveFinalizer()
    if run is not None and run.state is RunState.STOPPED:
        return RemoveFinalizer()
    if facts.liveness is Liveness.UNKNOWN or (run is not None and run.state is RunState.STOPPING):
        return Wait()
    if run is not None and facts.now_s < run.retry_at_s and run.state is RunState.UNSURE:
        return Wait(until_s=run.retry_at_s)
    return Stop()
