"""Ctrl-C and its kin: the first ends the run in order, the second at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run the work to its end or to Ctrl-C (also SIGTERM, and SIGHUP when the terminal closes).

    Each of them cancels the work. It cleans up when it is cancelled for the first time, and hurries at the second.
    """
    asyncio.run(_until_interrupted(work))


async def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
            loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():  # it is we who were cancelled, not the work
            raise
