"""`wasmcloud-host`: flags and environment to a running host."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from wasmcloud_engine import Engine, EngineError

from wasmcloud_host.agent import Agent
from wasmcloud_host.identity import identity_of, take_seat
from wasmcloud_host.settings import Settings, SettingsError, read_settings
from wasmcloud_host.spec import engine_settings_of
from wasmcloud_host.telemetry import event, start_logging
from wasmcloud_host.web import WebServer

log: Final = logging.getLogger("wasmcloud_host")

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a host until SIGTERM or SIGINT; a second signal ends it at once.

    Exit code 2 for settings that can't be used, 1 when the machine refuses (an address in use, no right to write).
    """
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments)
    except SettingsError as problem:
        _exit(EXIT_USAGE, str(problem))
    start_logging(settings.log_format)
    asyncio.run(_run(settings))


def _exit(code: int, sentence: str) -> NoReturn:
    sys.stderr.write(f"wasmcloud-host: {sentence}\n")
    raise SystemExit(code)


async def _run(settings: Settings) -> None:
    ending = asyncio.Event()
    _end_on_signals(ending)
    try:
        seat = None if settings.host_id or settings.pod_uid else take_seat(settings.oci_cache_dir)
    except OSError as error:
        _exit(EXIT_FAILED, f"--oci-cache-dir {settings.oci_cache_dir} can't be used: {error.strerror}")
    identity = identity_of(settings, socket.gethostname(), seat)
    agent = Agent(settings, identity, _engine(settings))
    web = _web(settings, agent)
    event(log, "host started", id=identity.id, name=identity.name, http=settings.http_addr, group=settings.host_group)
    try:
        await agent.run(ending)
    finally:
        if web is not None:
            web.stop()
    event(log, "host ended", id=identity.id)


def _engine(settings: Settings) -> Engine:
    try:
        return Engine(engine_settings_of(settings))
    except EngineError as error:
        _exit(EXIT_USAGE, str(error))
    except OSError as error:
        _exit(EXIT_FAILED, f"--http-addr {settings.http_addr}: {error}")


def _web(settings: Settings, agent: Agent) -> WebServer | None:
    if settings.web_addr is None:
        return None
    try:
        web = WebServer(settings.web_addr, agent.pages())
    except OSError as error:
        _exit(EXIT_FAILED, f"--web-addr {settings.web_addr}: {error}")
    web.start()
    event(log, "web started", port=web.port)
    return web


def _end_on_signals(ending: asyncio.Event) -> None:
    """Drain on the first SIGTERM or SIGINT, end at once on the second."""

    def end(number: signal.Signals) -> None:
        if ending.is_set():
            os._exit(128 + number)
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)


if __name__ == "__main__":
    main()
