"""The host as a whole: start, heartbeat, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from wasmcloud_api.wire import HostHeartbeat, encode
from wasmcloud_engine import Engine, EngineError

from wasmcloud_host.artifacts import Artifacts
from wasmcloud_host.control import Control
from wasmcloud_host.heartbeat import Load, Profile, announced_port, heartbeat_of, labels_of
from wasmcloud_host.identity import Identity
from wasmcloud_host.interfaces import imports_of
from wasmcloud_host.machine import Machine, this_platform
from wasmcloud_host.nats_connection import NatsConnection, data_access
from wasmcloud_host.plugins.keyvalue.plugin import KeyValuePlugin
from wasmcloud_host.scheduler import Scheduler
from wasmcloud_host.settings import Settings
from wasmcloud_host.telemetry import event
from wasmcloud_host.web import Page
from wasmcloud_host.workloads import Workloads

log: Final = logging.getLogger(__name__)

FINISH_S: Final = 5.0
"""Requests in flight get what is left of the drain time, but so long at least (never longer than the drain time)."""

LEAVE_S: Final = 5.0
"""A cancellation that a library swallowed must not keep the process from ending."""

LOOP_PATIENCE_S: Final = 2.0
"""An event loop that takes longer to do nothing is stuck."""


class Agent:
    """One host. Build it, then `run`."""

    def __init__(self, settings: Settings, identity: Identity, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        artifacts = Artifacts(engine, settings.oci_cache_dir, settings.allow_file_images)
        self._data_nats = _data_nats(settings, identity)
        imports = imports_of(settings)
        self._workloads = Workloads(engine, artifacts, KeyValuePlugin(self._data_nats), settings.max_workloads, imports)
        self._machine = Machine()
        self._profile = Profile(
            identity=identity,
            hostname=settings.host_name or socket.gethostname(),
            environment=settings.environment,
            labels=labels_of(settings),
            started_at=datetime.now(UTC),
            platform=this_platform(),
            http_port=announced_port(settings, engine.http_port),
            imports=imports,
        )
        self._scheduler = Scheduler(settings, identity.id)
        self._control = Control(self._workloads, self._heartbeat)
        self._has_joined = False

    async def run(self, ending: asyncio.Event) -> None:
        """Serve until `ending` is set, then drain and stop."""
        serving = [
            asyncio.create_task(self._scheduler.run(self._control.answer, self._join)),
            asyncio.create_task(self._beat()),
        ]
        if self._data_nats is not None:
            serving.append(asyncio.create_task(self._data_nats.run()))
        told_to_end = asyncio.create_task(ending.wait())
        done, _ = await asyncio.wait([*serving, told_to_end], return_when=asyncio.FIRST_COMPLETED)
        if told_to_end in done:
            await self._drain()
        for task in (*serving, told_to_end):
            task.cancel()
        ended, _ = await asyncio.wait(serving, timeout=LEAVE_S)
        for task in ended:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def pages(self) -> Mapping[str, Callable[[], Page]]:
        """Return what the web server shows, to be asked for on its threads. Call this on the event loop."""
        loop = asyncio.get_running_loop()
        return {
            "/healthz": partial(_on_loop, loop, lambda: Page(b"ok\n")),
            "/readyz": partial(_on_loop, loop, self._readiness),
            "/metrics": self._metrics,
        }

    def _heartbeat(self) -> HostHeartbeat:
        workloads = self._workloads
        load = Load(workloads.count, workloads.component_count, workloads.is_draining)
        return heartbeat_of(self._profile, self._machine.figures(), load)

    async def _say_heartbeat(self) -> None:
        await self._scheduler.say_heartbeat(encode(self._heartbeat()))

    async def _join(self) -> None:
        self._has_joined = True
        await self._say_heartbeat()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_interval)
            await self._say_heartbeat()

    async def _drain(self) -> None:
        """Serve on until the operator has moved the workloads or the time is over; then let requests finish."""
        loop, limit_s = asyncio.get_running_loop(), self._settings.drain_timeout
        deadline = loop.time() + limit_s
        self._workloads.drain()
        event(log, "draining", workloads=self._workloads.count, limit_s=limit_s)
        await self._say_heartbeat()
        try:
            async with asyncio.timeout_at(deadline):
                await self._workloads.until_empty()
        except TimeoutError:
            event(log, "drain_time_over", level=logging.WARNING, workloads=self._workloads.count)
        try:
            await self._engine.shutdown(max(deadline - loop.time(), min(FINISH_S, limit_s)))
        except EngineError as error:
            event(log, "engine_not_ended", level=logging.ERROR, reason=error)
        if self._data_nats is not None:
            await self._data_nats.leave()
        await self._scheduler.leave()

    def _readiness(self) -> Page:
        """Losing NATS later is no reason to take a host away from those it serves."""
        if not self._has_joined:
            return Page(b"waiting for NATS\n", is_well=False)
        if self._workloads.is_draining:
            return Page(b"draining\n", is_well=False)
        return Page(b"ok\n")

    def _metrics(self) -> Page:
        from wasmcloud_host import metrics  # noqa: PLC0415 - costs a tenth of a second that no start needs

        agent = metrics.AgentCounts(
            is_connected=self._scheduler.is_connected,
            is_data_connected=None if self._data_nats is None else self._data_nats.is_connected,
            unknown_field_count=self._control.unknown_field_count,
        )
        return Page(metrics.exposition(self._engine.status(), agent), content_type=metrics.CONTENT_TYPE)


def _data_nats(settings: Settings, identity: Identity) -> NatsConnection | None:
    access = data_access(settings)
    return None if access is None else NatsConnection(access, f"wasmcloud-host {identity.id} data", "data")


def _on_loop(loop: asyncio.AbstractEventLoop, make: Callable[[], Page]) -> Page:
    async def made() -> Page:
        return make()

    try:
        return asyncio.run_coroutine_threadsafe(made(), loop).result(LOOP_PATIENCE_S)
    except TimeoutError:
        return Page(f"the event loop did not answer in {LOOP_PATIENCE_S:g} s\n".encode(), is_well=False)
