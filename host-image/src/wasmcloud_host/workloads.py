"""The life of the workloads on this host: started once, stopped once, never forgotten in between.

    free -> STARTING -> RUNNING -> STOPPING -> free
                     -> ERROR (kept until stop; after a failed pull or a bad egress list the id is free)

A workload that runs is COMPLETED once its service has ended well, and in ERROR once it failed for good: its components
serve on until it is told to stop.

The states and the texts of the answers are those of wasmCloud v2's hosts.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from wasmcloud_api.names import WorkloadId
from wasmcloud_api.wire import Component, LocalResources, Service, WitInterface, Workload, WorkloadState, WorkloadStatus
from wasmcloud_engine import Engine, EngineError

from wasmcloud_host.artifacts import Artifact, Artifacts, Image, PullError
from wasmcloud_host.interfaces import IMPORTS
from wasmcloud_host.plugins.keyvalue.plugin import KeyValuePlugin
from wasmcloud_host.spec import SERVICE_NAME, SpecError, buckets_of, check, spec_of
from wasmcloud_host.telemetry import event

log: Final = logging.getLogger(__name__)

STARTED: Final = "Workload started successfully"
STOPPED_MEANWHILE: Final = "Workload was stopped while starting"

STOP_PATIENCE_S: Final = 20.0
"""A stop is answered by then, even if requests in flight aren't done: the operator waits 30 s for the answer."""


def running_state(service: str | None) -> tuple[WorkloadState, str]:
    """Return the state and message of a workload that runs, by what the engine tells of its service (JSON or None)."""
    told = json.loads(service) if service is not None else {"state": "running"}
    match told["state"]:
        case "completed":
            return WorkloadState.COMPLETED, told["message"]
        case "failed":
            return WorkloadState.ERROR, told["message"]
        case "restarting":
            return WorkloadState.RUNNING, f"{STARTED}; {told['message']}; it is about to be restarted"
    return WorkloadState.RUNNING, STARTED


class _RefusedError(Exception):
    """A start that leaves nothing behind, so that the same id may be tried again."""


@dataclass(slots=True, eq=False)
class _Entry:
    """One workload. `content` is compared when the same id is started again; credentials are no part of it."""

    content: Workload
    component_count: int
    start: asyncio.Task[None]
    state: WorkloadState = WorkloadState.STARTING
    message: str = ""
    is_in_engine: bool = False
    stop: asyncio.Task[None] | None = None


class Workloads:
    """All workloads of this host, by id. Its methods may run at the same time for the same id."""

    def __init__(
        self,
        engine: Engine,
        artifacts: Artifacts,
        keyvalue: KeyValuePlugin,
        max_count: int | None = None,
        imports: Sequence[WitInterface] = IMPORTS,
    ) -> None:
        self._engine = engine
        self._artifacts = artifacts
        self._keyvalue = keyvalue
        self._max_count = max_count
        self._imports = imports
        self._entries: dict[WorkloadId, _Entry] = {}
        self._is_draining = False
        self._changed = asyncio.Event()

    def drain(self) -> None:
        """Take no new workloads from now on."""
        self._is_draining = True

    @property
    def is_draining(self) -> bool:
        """Whether new workloads are refused because this host is about to end."""
        return self._is_draining

    @property
    def count(self) -> int:
        """Workloads that start, run or stop; failed ones use nothing, nor do services that have ended.

        A change of this figure in a heartbeat is what makes the operator look at the host's workloads soon.
        """
        return sum(not self._has_ended(key, entry) for key, entry in self._live())

    @property
    def component_count(self) -> int:
        """Components of those workloads."""
        return sum(entry.component_count for _, entry in self._live())

    def _live(self) -> Iterator[tuple[WorkloadId, _Entry]]:
        return ((key, entry) for key, entry in self._entries.items() if entry.state is not WorkloadState.ERROR)

    def _has_ended(self, workload_id: WorkloadId, entry: _Entry) -> bool:
        ended = {WorkloadState.COMPLETED, WorkloadState.ERROR}
        return self._status_of(workload_id, entry).workload_state in ended

    async def start(self, workload_id: WorkloadId, workload: Workload) -> WorkloadStatus:
        """Start a workload and say how that ended. The same id and content again gets the same answer."""
        content = _content_of(workload)
        entry = self._entries.get(workload_id)
        if entry is None:
            if refusal := self._refusal():
                return _status(workload_id, WorkloadState.ERROR, refusal)
            entry = self._begin(workload_id, workload, content)
        elif entry.content != content:
            return _status(workload_id, WorkloadState.ERROR, f"Workload id {workload_id} is taken by other content")
        elif entry.stop is not None and entry.start.done():
            return _status(workload_id, WorkloadState.STOPPING, "Workload is being stopped")
        await asyncio.wait([entry.start])
        if entry.start.cancelled():
            return _status(workload_id, WorkloadState.STOPPING, STOPPED_MEANWHILE)
        return self._status_of(workload_id, entry)

    def status(self, workload_id: WorkloadId) -> WorkloadStatus:
        """Return what is known of a workload."""
        entry = self._entries.get(workload_id)
        return _not_found(workload_id) if entry is None else self._status_of(workload_id, entry)

    def statuses(self) -> tuple[WorkloadStatus, ...]:
        """All workloads, failed ones too, in the order in which they came."""
        return tuple(self._status_of(key, entry) for key, entry in self._entries.items())

    def _status_of(self, workload_id: WorkloadId, entry: _Entry) -> WorkloadStatus:
        state, message = entry.state, entry.message
        if state is WorkloadState.RUNNING and entry.content.service is not None:
            state, message = running_state(self._engine.service(workload_id))
        return _status(workload_id, state, message)

    async def stop(self, workload_id: WorkloadId) -> WorkloadStatus:
        """Stop a workload, running or not, and free its id.

        Returns when it is gone, or after `STOP_PATIENCE_S` when it goes on to finish what it serves.
        """
        entry = self._entries.get(workload_id)
        if entry is None:
            return _not_found(workload_id)
        if entry.stop is None:
            entry.state, entry.message = WorkloadState.STOPPING, "Workload is being stopped"
            entry.stop = asyncio.create_task(self._end(workload_id, entry))
        await asyncio.wait([entry.stop], timeout=STOP_PATIENCE_S)
        return _status(workload_id, entry.state, entry.message)

    async def until_empty(self) -> None:
        """Return when nothing starts, runs or stops any more."""
        while any(self._live()):
            self._changed.clear()
            await self._changed.wait()

    def _refusal(self) -> str | None:
        if self._is_draining:
            return "this host is draining and takes no new workloads"
        if self._max_count is not None and self.count >= self._max_count:
            return f"this host is full: it takes {self._max_count} workloads (--max-workloads)"
        return None

    def _begin(self, workload_id: WorkloadId, workload: Workload, content: Workload) -> _Entry:
        task = asyncio.create_task(self._start(workload_id, workload))
        entry = _Entry(content, len(workload.wit_world.components), task)
        self._entries[workload_id] = entry
        return entry

    async def _start(self, workload_id: WorkloadId, workload: Workload) -> None:
        entry = self._entries[workload_id]
        fields = {"ns": workload.namespace, "obj": workload.name, "id": workload_id}
        state, message = WorkloadState.RUNNING, STARTED
        try:
            await self._bring_up(workload_id, workload, entry)
        except _RefusedError as error:
            state, message = WorkloadState.ERROR, str(error)
            if entry.stop is None:
                self._entries.pop(workload_id)
        except (SpecError, EngineError) as error:
            state, message = WorkloadState.ERROR, str(error)
        except Exception as error:
            log.exception("workload_start_broke", extra={"fields": fields})
            state, message = WorkloadState.ERROR, f"the host failed: {error!r}"
        if state is WorkloadState.ERROR:
            self._keyvalue.release(workload_id)
        if entry.stop is not None:
            state, message = WorkloadState.STOPPING, STOPPED_MEANWHILE
        entry.state, entry.message = state, message
        self._changed.set()
        is_running = state is WorkloadState.RUNNING
        name = "workload_started" if is_running else "workload_not_started"
        event(log, name, level=logging.INFO if is_running else logging.WARNING, **fields, message=message)

    async def _bring_up(self, workload_id: WorkloadId, workload: Workload, entry: _Entry) -> None:
        check(workload, self._imports)
        entries = buckets_of(workload)
        try:
            self._keyvalue.check(entries)
        except ValueError as error:
            raise SpecError(str(error)) from error
        components = workload.wit_world.components
        named = [(f"component {each.name}", each.local_resources) for each in components]
        if workload.service is not None:
            named.append((SERVICE_NAME, workload.service.local_resources))
        if problems := [problem for each in named if (problem := self._egress_problem(*each))]:
            raise _RefusedError("; ".join(problems))
        artifacts, service_artifact = await asyncio.gather(
            self._fetch(components), self._fetch_service(workload.service)
        )
        entry.is_in_engine = True
        try:
            spec = spec_of(workload_id, workload, artifacts, service_artifact)
            await self._engine.start(spec, keyvalue=self._keyvalue.bind(workload_id, workload.namespace, entries))
        except EngineError as error:
            if error.kind == "egress":
                raise _RefusedError(str(error)) from error
            raise

    def _egress_problem(self, what: str, resources: LocalResources) -> str | None:
        problem = self._engine.check_egress(
            list(resources.allowed_hosts),
            list(resources.allowed_ip_name_lookups),
            list(resources.allowed_host_loopback_ports),
        )
        return f"invalid local_resources for {what}: {problem}" if problem else None

    async def _fetch(self, components: Sequence[Component]) -> Sequence[Artifact]:
        return await asyncio.gather(*(self._fetch_one(component) for component in components))

    async def _fetch_one(self, component: Component) -> Artifact:
        try:
            return await self._artifacts.fetch(Image.of(component), component.image_pull_policy)
        except PullError as error:
            raise _RefusedError(f"failed to pull image for component '{component.name}': {error}") from error

    async def _fetch_service(self, service: Service | None) -> Artifact | None:
        if service is None:
            return None
        try:
            return await self._artifacts.fetch(Image.of(service), service.image_pull_policy)
        except PullError as error:
            raise _RefusedError(f"failed to pull image for service: {error}") from error

    async def _end(self, workload_id: WorkloadId, entry: _Entry) -> None:
        if not entry.is_in_engine:
            entry.start.cancel()
        try:
            await self._engine.stop(workload_id)  # ends a start that is under way, too
            await asyncio.wait([entry.start])
            await self._engine.stop(workload_id)  # one that the first call came too early for
        except EngineError as error:
            entry.state, entry.message, entry.stop = WorkloadState.ERROR, f"could not be stopped: {error}", None
            return
        entry.state, entry.message = WorkloadState.STOPPING, "Workload stopped"
        self._keyvalue.release(workload_id)
        self._entries.pop(workload_id, None)
        self._changed.set()
        event(log, "workload_stopped", ns=entry.content.namespace, obj=entry.content.name, id=workload_id)


def _content_of(workload: Workload) -> Workload:
    """Return the workload without its pull secrets, which may change while it runs."""
    world = workload.wit_world
    components = tuple(each.model_copy(update={"image_pull_secret": None}) for each in world.components)
    service = workload.service and workload.service.model_copy(update={"image_pull_secret": None})
    return workload.model_copy(
        update={"wit_world": world.model_copy(update={"components": components}), "service": service}
    )


def _status(workload_id: WorkloadId, state: WorkloadState, message: str) -> WorkloadStatus:
    return WorkloadStatus(workload_id=workload_id, workload_state=state, message=message)


def _not_found(workload_id: WorkloadId) -> WorkloadStatus:
    return _status(workload_id, WorkloadState.NOT_FOUND, f"Workload not found: {workload_id}")
