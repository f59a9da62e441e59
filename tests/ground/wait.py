"""Waiting for a fact with a deadline: the only sleeps in the test tree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], *, within_s: float, every_s: float = 0.05) -> T:
    """Call `check` until it raises no AssertionError, and return what it returns.

    Past the deadline the last AssertionError is raised: its text says what was last seen.
    """
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(every_s)


async def eventually_async(check: Callable[[], Awaitable[T]], *, within_s: float, every_s: float = 0.02) -> T:
    """`eventually` for a test that shares its event loop with what it waits for."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            return await check()
        except AssertionError:
            if time.monotonic() > deadline_s:
                raise
            await asyncio.sleep(every_s)
