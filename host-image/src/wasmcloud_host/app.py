"""The composition root: builds the parts of a host, wires them, and sees to their end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from typing import Final

from wasmcloud_engine import Engine, EngineError

from wasmcloud_host.agent import Agent
from wasmcloud_host.identity import Seat, identity_of, take_seat
from wasmcloud_host.settings import Settings
from wasmcloud_host.spec import engine_settings_of
from wasmcloud_host.telemetry import event
from wasmcloud_host.web import WebServer

log: Final = logging.getLogger(__name__)


class StartError(Exception):
    """The machine refuses what the settings ask for; one sentence."""


async def run(settings: Settings) -> None:
    """Run a host until SIGTERM or SIGINT; a second signal ends the process at once. Raises StartError."""
    ending = asyncio.Event()
    _end_on_signals(ending)
    seat = _seat(settings)  # its lock is held for as long as the host runs
    identity = identity_of(settings, socket.gethostname(), seat)
    agent = Agent(settings, identity, _engine(settings))
    web = _web(settings, agent)
    event(log, "host_started", id=identity.id, name=identity.name, http=settings.http_addr, group=settings.host_group)
    try:
        await agent.run(ending)
    finally:
        if web is not None:
            web.stop()
    event(log, "host_ended", id=identity.id)


def _seat(settings: Settings) -> Seat | None:
    if settings.host_id or settings.pod_uid:
        return None
    try:
        return take_seat(settings.oci_cache_dir)
    except OSError as error:
        raise StartError(f"--oci-cache-dir {settings.oci_cache_dir} can't be used: {error.strerror}") from error


def _engine(settings: Settings) -> Engine:
    try:
        return Engine(engine_settings_of(settings))
    except EngineError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"--http-addr {settings.http_addr}: {error}") from error


def _web(settings: Settings, agent: Agent) -> WebServer | None:
    if settings.web_addr is None:
        return None
    try:
        web = WebServer(settings.web_addr, agent.pages())
    except OSError as error:
        raise StartError(f"--web-addr {settings.web_addr}: {error}") from error
    web.start()
    event(log, "web_started", port=web.port)
    return web


def _end_on_signals(ending: asyncio.Event) -> None:
    """Drain on the first SIGTERM or SIGINT, end at once on the second."""

    def end(number: signal.Signals) -> None:
        if ending.is_set():
            os._exit(128 + number)
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
