"""The part of the bridge that only Python can say: coroutines, and exceptions with an attribute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Literal, TypeVar

T = TypeVar("T")


class EngineError(Exception):
    """The engine refused or failed."""

    __module__ = "wasmcloud_engine"
    kind: str = "internal"


class StoreError(Exception):
    """A call of `wasi:keyvalue` came to nothing."""

    __module__ = "wasmcloud_engine"

    def __init__(self, message: str, kind: Literal["no-such-store", "access-denied", "other"] = "other") -> None:
        super().__init__(message)
        self.kind = kind


async def awaited(begin: Callable[[], asyncio.Future[T]]) -> T:
    """Begin the work and wait for it."""
    return await begin()


def resolve(future: asyncio.Future[T], value: T, error: BaseException | None) -> None:
    """Settle the future, on the loop's own thread, unless its caller gave up meanwhile."""
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def begin(
    coroutine: Coroutine[Any, Any, T], event_loop: asyncio.AbstractEventLoop, settle: Callable[[Future[T]], None]
) -> Future[T]:
    """Run a coroutine on its loop, from another thread. `settle` hears of its end on the loop's own thread."""
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, event_loop)
    except RuntimeError:  # the loop is closed
        coroutine.close()
        raise
    future.add_done_callback(settle)
    return future


def report(event_loop: asyncio.AbstractEventLoop, error: BaseException) -> None:
    """Hand an exception to the loop's handler, which logs it."""
    context = {"message": "a call of wasi:keyvalue broke", "exception": error}
    event_loop.call_soon_threadsafe(event_loop.call_exception_handler, context)
