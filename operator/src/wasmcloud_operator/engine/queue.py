"""Work to do, by object: each object once, never twice at a time, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from wasmcloud_operator.engine.ports import Clock
from wasmcloud_operator.engine.tasks import Tasks
from wasmcloud_operator.model.keys import Ref

_SHORTEST_S: Final = 0.001
"""No timer is shorter: one that rounds to no time at all would come back for ever before its time has come."""


class Queue:
    """An ordered set of objects to look at. One that is added while it is worked on is looked at once more."""

    def __init__(self, clock: Clock, tasks: Tasks) -> None:
        self._clock = clock
        self._tasks = tasks
        self._ready: asyncio.Queue[Ref] = asyncio.Queue()
        self._queued: set[Ref] = set()
        self._busy: set[Ref] = set()
        self._again: set[Ref] = set()
        self._timers: dict[Ref, tuple[float, asyncio.Task[None]]] = {}

    def add(self, ref: Ref) -> None:
        """Look at an object as soon as a worker is free."""
        if ref in self._busy:
            self._again.add(ref)
        elif ref not in self._queued:
            self._queued.add(ref)
            self._ready.put_nowait(ref)

    def add_after(self, ref: Ref, delay_s: float) -> None:
        """Look at an object in ``delay_s`` seconds, or earlier when an earlier look is planned already."""
        delay_s = max(_SHORTEST_S, delay_s)
        due_s = self._clock.monotonic() + delay_s
        planned = self._timers.get(ref)
        if planned is not None:
            if planned[0] <= due_s:
                return
            planned[1].cancel()
        self._timers[ref] = (due_s, self._tasks.spawn(self._later(ref, delay_s), f"timer {ref}"))

    async def take(self) -> Ref:
        """Wait for an object; it is busy until `done` is called."""
        ref = await self._ready.get()
        self._queued.discard(ref)
        self._busy.add(ref)
        return ref

    def done(self, ref: Ref) -> None:
        """Say that a worker is through with an object."""
        self._busy.discard(ref)
        if ref in self._again:
            self._again.discard(ref)
            self.add(ref)

    def is_idle(self) -> bool:
        """Whether nothing is waiting or worked on, timers aside."""
        return not self._queued and not self._busy

    def add_all(self, refs: Iterable[Ref]) -> None:
        """Look at several objects."""
        for ref in refs:
            self.add(ref)

    def depth(self) -> int:
        """How many objects wait for a worker."""
        return len(self._queued)

    async def _later(self, ref: Ref, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        del self._timers[ref]
        self.add(ref)
