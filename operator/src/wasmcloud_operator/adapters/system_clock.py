"""Real time and real chance."""

from __future__ import annotations

import asyncio
import random
import time


class SystemClock:
    """Implements the port Clock."""

    def now(self) -> float:
        """Wall-clock time, seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back."""
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait."""
        await asyncio.sleep(delay_s)

    def chance(self) -> float:
        """Return a number in [0, 1); spreads retries, guards nothing."""
        return random.random()  # noqa: S311
