"""The queue: each object once, never twice at a time, nothing lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from simulation import virtual_time
from simulation.virtual_time import SimClock
from wasmcloud_operator.engine.queue import Queue
from wasmcloud_operator.engine.tasks import Tasks
from wasmcloud_operator.model.keys import Key, Kind, Ref

A, B = (Ref(Kind.WORKLOAD, Key("n", name)) for name in "ab")


def told(story: Callable[[Queue], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    async def tell() -> None:
        tasks = Tasks()
        try:
            await story(Queue(SimClock(random.Random(0)), tasks))
        finally:
            await tasks.close()

    def test() -> None:
        virtual_time.run(tell())

    test.__name__ = story.__name__
    return test


@told
async def test_an_object_is_taken_once_however_often_it_was_added(queue: Queue) -> None:
    for ref in (A, B, A, A):
        queue.add(ref)
    assert [await queue.take(), await queue.take()] == [A, B]
    assert queue.depth() == 0


@told
async def test_an_object_added_while_busy_comes_again_when_done(queue: Queue) -> None:
    queue.add(A)
    await queue.take()
    queue.add(A)
    queue.add(A)
    assert queue.depth() == 0
    queue.done(A)
    assert await queue.take() == A
    queue.done(A)
    assert queue.is_idle()


@told
async def test_the_earliest_timer_wins_and_comes_once(queue: Queue) -> None:
    queue.add_after(A, 10)
    queue.add_after(A, 3)
    queue.add_after(A, 7)
    assert await queue.take() == A
    assert asyncio.get_running_loop().time() == 3
    queue.done(A)
    await asyncio.sleep(20)
    assert queue.is_idle()


@told
async def test_a_timer_for_no_time_at_all_lets_time_pass(queue: Queue) -> None:
    queue.add_after(A, -1.0)
    await queue.take()
    assert asyncio.get_running_loop().time() > 0


@told
async def test_workers_share_the_work_and_never_an_object(queue: Queue) -> None:
    busy, seen = set[Ref](), list[Ref]()

    async def worker() -> None:
        while True:
            ref = await queue.take()
            assert ref not in busy
            busy.add(ref)
            await asyncio.sleep(0.01)
            busy.discard(ref)
            seen.append(ref)
            queue.done(ref)

    workers = [asyncio.create_task(worker()) for _ in range(4)]
    for _ in range(100):
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(0.003)
    await asyncio.sleep(1)
    assert queue.is_idle()
    assert min(seen.count(A), seen.count(B)) >= 20
    for one in workers:
        one.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
