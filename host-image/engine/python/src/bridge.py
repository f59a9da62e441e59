"""The part of the bridge that only Python can say: coroutines, and an exception with an attribute."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


class EngineError(Exception):
    """The engine refused or failed."""

    __module__ = "wasmcloud_engine"
    kind: str = "internal"


async def wait(future: asyncio.Future[T]) -> T:
    """Make a coroutine of a future, because tasks take nothing else."""
    return await future


def resolve(future: asyncio.Future[T], value: T, error: BaseException | None) -> None:
    """Settle the future, on the loop's own thread, unless its caller gave up meanwhile."""
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
