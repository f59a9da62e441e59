"""An event loop whose time is free: when everything waits, the clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

EPOCH_S = 1_790_000_000.0
"""Wall-clock time at the start of every simulation."""

T = TypeVar("T")


class _Jump(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Never waits: what would be waited for has passed by the time it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("deadlock: every task waits, and no timer is set")
            self.passed_s += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which starts at 0."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.passed_s


class SimClock:
    """Implements the port Clock on a virtual loop; chance is reproducible."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.step_s = 0.0

    def now(self) -> float:
        return EPOCH_S + self.monotonic() + self.step_s

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    def chance(self) -> float:
        return self._chance.random()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own, in no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


async def sleep(delay_s: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(delay_s)
