"""One pass over a Workload: as many steps as the facts allow, then one status."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import WORKLOAD_FINALIZER, HostId

from wasmcloud_operator.decide.demand import demand_of
from wasmcloud_operator.decide.run import Run, RunState, fresh
from wasmcloud_operator.decide.schedule import Unfit, place
from wasmcloud_operator.decide.status import status_patch, workload_status
from wasmcloud_operator.decide.workload import (
    AddFinalizer,
    Ask,
    Facts,
    Place,
    RemoveFinalizer,
    Start,
    Stop,
    Wait,
    next_step,
)
from wasmcloud_operator.engine.audit import Audit
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.invalid import report_invalid
from wasmcloud_operator.engine.lifecycle import Lifecycle
from wasmcloud_operator.engine.owners import spread_of
from wasmcloud_operator.engine.routes import Routes
from wasmcloud_operator.engine.runs import Runs
from wasmcloud_operator.model.hosts import Liveness
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.views import BrokenView, WorkloadView

WAITING_RETRY_S: Final = 15.0
"""What fits nowhere is tried again this often, beside every change of a host: free memory moves unnoticed."""

UNKNOWN_RETRY_S: Final = 1.0
SETTLE_S: Final = 2.0
"""How long after the start hosts on record are given to answer before anything is placed around them."""

_STEP_COUNT: Final = 8
_DENIED_EVENT: Final = "CrossEnvironmentSchedulingDenied"


@dataclass(frozen=True, slots=True)
class _Left:
    """How a pass ended."""

    is_judged: bool = True
    unfit: Unfit | None = None


class Workloads:
    """Brings Workloads onto hosts and keeps them there."""

    def __init__(self, context: Context, runs: Runs, lifecycle: Lifecycle, audit: Audit, routes: Routes) -> None:
        self._context = context
        self._runs = runs
        self._lifecycle = lifecycle
        self._audit = audit
        self._routes = routes
        self._waiting: dict[Key, None] = {}
        self._told: dict[str, Reason] = {}
        self._began_s = context.clock.monotonic()

    def begin(self) -> None:
        """Say that all objects are known and work begins."""
        self._began_s = self._context.clock.monotonic()

    def waiting(self) -> list[Ref]:
        """Return the Workloads that no host can take yet."""
        return [Ref(Kind.WORKLOAD, key) for key in self._waiting]

    def is_settled(self) -> bool:
        """Whether the hosts on record have had their chance to answer, so that placing sees them all."""
        late = self._context.clock.monotonic() - self._began_s > SETTLE_S
        return late or not self._context.fleet.has_unknown()

    def forget(self, key: Key, uid: str) -> None:
        """Forget a Workload that is gone."""
        self._waiting.pop(key, None)
        self._told.pop(uid, None)

    async def reconcile(self, key: Key) -> None:
        """Look at one Workload. Raises ClusterError when a write fails."""
        self._waiting.pop(key, None)
        left = _Left()
        for _ in range(_STEP_COUNT):
            view = self._context.store.workload(key)
            if isinstance(view, BrokenView):
                await report_invalid(self._context, Ref(Kind.WORKLOAD, key), view)
            if not isinstance(view, WorkloadView):
                return
            step = await self._step(view)
            if step is not None:
                left = step
                break
        await self._write_status(key, left)

    async def _step(self, view: WorkloadView) -> _Left | None:
        """Do the next step; returns None when there may be another."""
        ref = Ref(Kind.WORKLOAD, view.meta.key)
        facts = self._facts(view)
        match next_step(facts):
            case AddFinalizer():
                finalizers = [*view.meta.finalizers, WORKLOAD_FINALIZER]
                await self._context.apply.patch(ref, _finalizers(view, finalizers))
                return None
            case RemoveFinalizer():
                finalizers = [name for name in view.meta.finalizers if name != WORKLOAD_FINALIZER]
                await self._context.apply.patch(ref, _finalizers(view, finalizers))
                return _Left(is_judged=False)
            case Place(avoid):
                return await self._place(view, facts, avoid)
            case Start():
                if facts.run is not None:
                    self._lifecycle.start(view, facts.run)
                return _Left()
            case Stop():
                if view.host_id is not None and not self._is_held(view, view.host_id):
                    self._lifecycle.stop(view, view.host_id)
                return _Left()
            case Ask():
                if view.host_id is not None:
                    self._audit.ask(view.host_id)
                return _Left(is_judged=facts.run is not None)
            case Wait(until_s, is_judged):
                self._clear_leftovers(view, facts.run)
                self._plan(ref, facts, until_s)
                return _Left(is_judged)

    def _plan(self, ref: Ref, facts: Facts, until_s: float | None) -> None:
        if until_s is not None:
            self._context.queue.add_after(ref, until_s - facts.now_s)
        elif facts.liveness is Liveness.UNKNOWN and facts.view.host_id is not None:
            self._context.queue.add_after(ref, UNKNOWN_RETRY_S)

    def _is_held(self, view: WorkloadView, host_id: HostId) -> bool:
        """Whether a host must not be told yet to stop a workload, because its Service may still lead there."""
        hold_s = self._routes.hold_s(view, host_id)
        if hold_s > 0:
            self._context.queue.add_after(Ref(Kind.WORKLOAD, view.meta.key), hold_s)
        return hold_s > 0

    def _clear_leftovers(self, view: WorkloadView, run: Run | None) -> None:
        """Stop what a move left on other hosts, once the workload runs on its own."""
        if run is None or run.state is not RunState.RUNNING:
            return
        for host_id in self._runs.leftovers(view.meta.uid):
            if host_id == view.host_id:
                self._runs.clear_leftover(view.meta.uid, host_id)
            elif not self._is_held(view, host_id):
                self._runs.clear_leftover(view.meta.uid, host_id)
                self._lifecycle.clear(view.meta.uid, host_id)

    def _facts(self, view: WorkloadView) -> Facts:
        host_id = view.host_id
        member = self._context.fleet.member(host_id) if host_id else None
        return Facts(
            view=view,
            run=self._runs.get(view.meta.uid),
            liveness=self._context.fleet.liveness(host_id) if host_id else Liveness.UNKNOWN,
            is_draining=member is not None and member.view is not None and member.view.is_draining,
            now_s=self._context.clock.monotonic(),
        )

    async def _place(self, view: WorkloadView, facts: Facts, avoid: frozenset[HostId]) -> _Left | None:
        """Choose a host and put it on record, before the host is asked to start anything."""
        context, key = self._context, view.meta.key
        if not self.is_settled():
            context.queue.add_after(Ref(Kind.WORKLOAD, key), 0.05)
            return _Left(is_judged=False)
        demand = demand_of(key.namespace, view.spec, spread_of(context.store, view))
        scene = context.placements.scene(context.fleet.candidates(), view.group, context.options.rules, without=key)
        chosen = place(demand, scene, avoid=avoid)
        if isinstance(chosen, Unfit):
            return self._wait_for_host(view, facts, chosen)
        run = fresh(chosen, generation=view.meta.generation, now_s=facts.now_s, before=facts.run)
        if chosen != view.host_id:
            if view.host_id is not None and facts.is_draining and facts.liveness is Liveness.LIVE:
                self._runs.leave_behind(view.meta.uid, view.host_id)
            await self._put_on_record(view, run)
            self._note_move(view, facts, chosen)
        self._runs.take(view.meta.uid, run)
        return None

    async def _put_on_record(self, view: WorkloadView, run: Run) -> None:
        context, key = self._context, view.meta.key
        placed = replace(view, status={**view.status, "hostId": run.host_id})
        context.placements.reserve(key, run.host_id, view.group, view.memory_bytes)
        try:
            status = self._status(placed, run, None)
            await context.apply.patch_status(Ref(Kind.WORKLOAD, key), status_patch(view.status, status))
        finally:
            context.placements.settle(key)

    def _note_move(self, view: WorkloadView, facts: Facts, chosen: HostId) -> None:
        """Remember what is left on the old host, and tell of the move."""
        old, uid = view.host_id, view.meta.uid
        if old is None:
            return
        if facts.liveness is Liveness.LOST:
            self._audit.abandon(old, uid)
            message = f'host "{old}" is lost; moved to host "{chosen}"'
            self._context.apply.record(Kind.WORKLOAD, view.meta, Reason.HOST_LOST, message, is_warning=True)
        elif facts.is_draining:
            message = f'host "{old}" is draining; moves to host "{chosen}"'
            self._context.apply.record(Kind.WORKLOAD, view.meta, Reason.HOST_DRAINING, message)

    def _wait_for_host(self, view: WorkloadView, facts: Facts, unfit: Unfit) -> _Left:
        """Leave a Workload until a host changes. One that runs on a host it should leave keeps running meanwhile."""
        context, key = self._context, view.meta.key
        self._waiting[key] = None
        context.queue.add_after(Ref(Kind.WORKLOAD, key), WAITING_RETRY_S)
        if context.fleet.has_unknown():
            return _Left(is_judged=False)
        if facts.is_draining and facts.liveness is Liveness.LIVE and view.is_ready:
            return _Left()
        if self._told.get(view.meta.uid) is not unfit.reason:
            self._told[view.meta.uid] = unfit.reason
            event = _DENIED_EVENT if unfit.reason is Reason.ENVIRONMENT_DENIED else unfit.reason
            context.apply.record(Kind.WORKLOAD, view.meta, event, unfit.message, is_warning=True)
        return _Left(unfit=unfit)

    async def _write_status(self, key: Key, left: _Left) -> None:
        view = self._context.store.workload(key)
        if isinstance(view, WorkloadView):
            self._routes.look_at(view)
        if not left.is_judged or not isinstance(view, WorkloadView):
            return
        run = self._runs.get(view.meta.uid)
        if left.unfit is None and run is not None:
            self._told.pop(view.meta.uid, None)
        status = self._status(view, run, left.unfit)
        await self._context.statuses.write(Ref(Kind.WORKLOAD, key), view, status)

    def _status(self, view: WorkloadView, run: Run | None, unfit: Unfit | None) -> dict[str, object]:
        member = self._context.fleet.member(view.host_id) if view.host_id else None
        environment = member.view.environment if member is not None and member.view is not None else ""
        is_running = run is not None and run.state is RunState.RUNNING and not view.meta.is_deleting
        note = self._routes.note(view) if is_running else ""
        now_s = self._context.clock.now()
        return workload_status(view, run, unfit, environment=environment, now_s=now_s, note=note)


def _finalizers(view: WorkloadView, finalizers: list[str]) -> dict[str, object]:
    """Return a patch of the finalizers that fails when someone else changed the object meanwhile."""
    return {"metadata": {"finalizers": finalizers, "resourceVersion": view.meta.resource_version}}
