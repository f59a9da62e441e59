"""`wasmcloud-host`: flags and environment to a running host."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from wasmcloud_api.logs import configure

from wasmcloud_host.settings import SettingsError, read_settings

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a host. Exit code 2 for settings that can't be used, 1 when the machine refuses (an address in use)."""
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments)
    except SettingsError as error:
        _exit(EXIT_USAGE, str(error))
    configure(settings.log_format, "wasmcloud_host")
    _skip_what_only_websockets_need()
    from wasmcloud_host import app  # noqa: PLC0415 - a wrong flag needn't wait for the engine and nats-py

    try:
        asyncio.run(app.run(settings))
    except app.StartError as error:
        _exit(EXIT_FAILED, str(error))
    _leave()


def _skip_what_only_websockets_need() -> None:
    """Hide aiohttp, which nats-py imports where it is installed: a quarter of the time to the first heartbeat."""
    sys.modules.setdefault("aiohttp", None)  # type: ignore[arg-type]  # None there makes the import fail


def _leave() -> NoReturn:
    """End the process without finalizing the interpreter.

    A thread of the engine that just handed over its last answer may still be on its way out of Python, and CPython
    3.11 ends threads that it meets then in a way that aborts the process. All that matters is closed by now.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _exit(code: int, sentence: str) -> NoReturn:
    sys.stderr.write(f"wasmcloud-host: {sentence}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
