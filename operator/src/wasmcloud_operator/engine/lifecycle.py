"""Starts and stops workloads on hosts, beside the passes over their objects: a pass never waits for a host."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import HostId
from wasmcloud_api.wire import WireError, WorkloadState, WorkloadStatus

from wasmcloud_operator.decide.render import start_request
from wasmcloud_operator.decide.run import Run, RunState, blocked, failed, start_failure, started, unsure
from wasmcloud_operator.engine.configuration import ConfigError, Configuration
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.ports import BusError, NoReply
from wasmcloud_operator.engine.runs import Runs
from wasmcloud_operator.model.keys import Kind, Ref
from wasmcloud_operator.model.metadata import Metadata
from wasmcloud_operator.model.views import WorkloadView

log = logging.getLogger(__name__)

CONFIG_RETRY_S: Final = 5.0
"""A workload whose configuration is missing looks for it this often."""

ASK_AGAIN_S: Final = 1.0
"""After a request that went unanswered the host is asked this much later what became of it."""

_ENDED: Final = {
    WorkloadState.RUNNING: RunState.RUNNING,
    WorkloadState.COMPLETED: RunState.COMPLETED,
}


class Lifecycle:
    """Sends starts and stops; each outcome is a new run, and the Workload is looked at again."""

    def __init__(self, context: Context, runs: Runs, configuration: Configuration) -> None:
        self._context = context
        self._runs = runs
        self._configuration = configuration

    def start(self, view: WorkloadView, run: Run) -> None:
        """Begin to start a workload on the host of its run."""
        starting = replace(run, state=RunState.STARTING, since_s=self._now_s(), generation=view.meta.generation)
        self._begin(view.meta, starting, lambda: self._start(view, starting))

    def stop(self, view: WorkloadView, host_id: HostId) -> None:
        """Begin to stop a workload. A start that is under way is given up; the host settles which came first."""
        known = self._runs.get(view.meta.uid) or Run(host_id, RunState.STOPPING, 0.0, view.meta.generation)
        stopping = replace(known, host_id=host_id, state=RunState.STOPPING, since_s=self._now_s())
        self._begin(view.meta, stopping, lambda: self._stop(view.meta, stopping))

    def clear(self, uid: str, host_id: HostId) -> None:
        """Stop a workload on a host that has no business with it any more."""
        self._context.tasks.spawn(self._clear(uid, host_id), f"clear {uid}")

    def _begin(self, meta: Metadata, run: Run, work: Callable[[], Awaitable[None]]) -> None:
        self._runs.take(meta.uid, run)
        self._runs.follow(meta.uid, self._context.tasks.spawn(self._ended(meta, run, work), f"{run.state} {meta.key}"))

    async def _ended(self, meta: Metadata, run: Run, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; after a mistake of ours the host is asked what became of the workload."""
        try:
            await work()
        except Exception as error:
            log.exception("request_crashed", extra={"fields": {"object": str(meta.key), "state": run.state.value}})
            problem = f"the operator failed: {type(error).__name__}"
            self._conclude(meta, self._unsure(run, Reason.UNKNOWN_STATE, problem))

    async def _start(self, view: WorkloadView, run: Run) -> None:
        meta, now_s, chance = view.meta, self._now_s, self._context.clock.chance
        try:
            settings = await self._configuration.settings(meta.key.namespace, view.spec)
            status = await self._context.commands.start(run.host_id, start_request(view, settings))
        except ConfigError as problem:
            outcome = blocked(run, problem.reason, str(problem), now_s=now_s(), retry_s=CONFIG_RETRY_S)
        except BusError as error:
            reason = Reason.START_TIMED_OUT if isinstance(error, NoReply) else Reason.UNKNOWN_STATE
            outcome = self._unsure(run, reason, str(error))
        except WireError as error:
            outcome = self._unsure(run, Reason.UNKNOWN_STATE, str(error))
        else:
            if status.workload_state in _ENDED:
                outcome = started(run, state=_ENDED[status.workload_state], now_s=now_s())
                self._tell_started(view, run)
            elif status.workload_state in {WorkloadState.STARTING, WorkloadState.UNSPECIFIED}:
                outcome = self._unsure(run, Reason.UNKNOWN_STATE, status.message)
            else:
                outcome = failed(run, start_failure(status.message), status.message, now_s=now_s(), chance=chance())
                await self._clear(meta.uid, run.host_id)
        if outcome.state is RunState.FAILED and outcome.reason is not None:
            self._context.apply.record(Kind.WORKLOAD, meta, outcome.reason, outcome.message, is_warning=True)
        self._conclude(meta, outcome)

    async def _stop(self, meta: Metadata, run: Run) -> None:
        try:
            status = await self._context.commands.stop(run.host_id, meta.uid)
        except (BusError, WireError) as error:
            outcome = self._unsure(run, Reason.UNKNOWN_STATE, str(error))
        else:
            if _is_stopped(status):
                outcome = replace(run, state=RunState.STOPPED, since_s=self._now_s())
            else:
                outcome = self._unsure(run, Reason.STOPPING, status.message)
        self._conclude(meta, outcome)

    async def _clear(self, uid: str, host_id: HostId) -> None:
        """Ask a host to stop a workload. A host that doesn't answer is asked again when its workloads are listed."""
        try:
            await self._context.commands.stop(host_id, uid)
        except (BusError, WireError) as error:
            log.info("clear_failed", extra={"fields": {"host_id": host_id, "uid": uid, "because": str(error)}})

    def _unsure(self, run: Run, reason: Reason, message: str) -> Run:
        return unsure(run, reason, message, now_s=self._now_s(), retry_s=ASK_AGAIN_S)

    def _conclude(self, meta: Metadata, outcome: Run) -> None:
        self._runs.take(meta.uid, outcome)
        self._context.queue.add(Ref(Kind.WORKLOAD, meta.key))

    def _tell_started(self, view: WorkloadView, run: Run) -> None:
        message = f'started on host "{run.host_id}"'
        self._context.apply.record(Kind.WORKLOAD, view.meta, "Started", message)
        self._context.measure.observe("start_seconds", self._context.clock.now() - view.meta.created_s)

    def _now_s(self) -> float:
        return self._context.clock.monotonic()


def _is_stopped(status: WorkloadStatus) -> bool:
    """Whether a stop was carried out. STOPPING is how a host says done."""
    return status.workload_state in {WorkloadState.STOPPING, WorkloadState.NOT_FOUND, WorkloadState.COMPLETED}
