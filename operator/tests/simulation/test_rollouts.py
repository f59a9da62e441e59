"""Rollouts under the eye of a spectator who counts replicas all the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from wasmcloud_operator.engine.ports import JsonObject, Unavailable
from wasmcloud_operator.model.keys import Kind, Ref

from simulation import virtual_time
from simulation.hosts import BAD_IMAGE, SimHost
from simulation.world import World, condition, deployment, told

READY = ("True", "Available")
OLD, NEW = "registry.example/hello:1", "registry.example/hello:2"


@dataclass
class Seen:
    """The fewest and the most replicas that ran at any time."""

    fewest: int = 1 << 30
    most: int = 0


def images(world: World) -> list[str]:
    found = [r.workload.wit_world.components[0].image for h in world.bus.hosts.values() for r in h.running.values()]
    return sorted(found)


def is_rolled_out(world: World) -> bool:
    found = world.get(Kind.DEPLOYMENT, "hello")
    return condition(found, "Deploy") == READY and condition(found) == READY


@asynccontextmanager
async def watching(world: World) -> AsyncIterator[Seen]:
    seen = Seen()

    async def count() -> None:
        while True:
            running = len(images(world))
            seen.fewest, seen.most = min(seen.fewest, running), max(seen.most, running)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(count())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@told
async def test_a_failed_write_is_not_tried_again_while_the_others_of_its_pass_are_under_way(world: World) -> None:
    world.add_host(SimHost("h1", "host-one"))
    await world.start()
    bounds = {"maxSurge": 1, "maxUnavailable": 1}
    world.apply(deployment(replicas=2, image=OLD, rollingUpdate=bounds))
    await world.until(lambda: is_rolled_out(world))
    create, patch = world.cluster.create, world.cluster.patch
    under_way, most, refused = 0, 0, [Unavailable("connection refused")]

    async def slow_create(kind: Kind, body: JsonObject) -> JsonObject:
        nonlocal under_way, most
        if kind is not Kind.REPLICA_SET:
            return await create(kind, body)
        under_way += 1
        most = max(most, under_way)
        try:
            await virtual_time.sleep(2.0)
            return await create(kind, body)
        finally:
            under_way -= 1

    async def refused_once(ref: Ref, change: JsonObject) -> JsonObject:
        if refused and ref.kind is Kind.REPLICA_SET:
            raise refused.pop()
        return await patch(ref, change)

    world.cluster.create, world.cluster.patch = slow_create, refused_once  # type: ignore[method-assign]
    world.apply(deployment(replicas=2, image=NEW, rollingUpdate=bounds))
    await world.until(lambda: is_rolled_out(world) and images(world) == [NEW, NEW])
    assert refused == []
    assert most == 1


async def rolled_out(world: World, replicas: int = 4, **spec: object) -> None:
    for n in range(3):
        world.add_host(SimHost(f"h{n}", f"host-{n}", start_s=0.2))
    world.cluster.weather.call_s = 0.005
    await world.start()
    world.apply(deployment(replicas=replicas, **spec))
    await world.until(lambda: is_rolled_out(world))


@told
async def test_a_rolling_update_keeps_to_its_bounds(world: World) -> None:
    await rolled_out(world, 4)
    async with watching(world) as seen:
        world.apply(deployment(replicas=4, image=NEW))
        await world.until(lambda: images(world) == [NEW] * 4 and is_rolled_out(world))
    assert (seen.fewest, seen.most) == (4, 5)
    status = (world.get(Kind.DEPLOYMENT, "hello") or {})["status"]
    assert status["revision"] == 2
    assert status["previousReplicaSet"] != status["currentReplicaSet"]


@told
async def test_without_surge_it_goes_down_first(world: World) -> None:
    bounds = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}
    await rolled_out(world, 4, **bounds)
    async with watching(world) as seen:
        world.apply(deployment(replicas=4, image=NEW, **bounds))
        await world.until(lambda: images(world) == [NEW] * 4 and is_rolled_out(world))
    assert (seen.fewest, seen.most) == (2, 4)


@told
async def test_recreate_stops_every_old_replica_first(world: World) -> None:
    await rolled_out(world, 3, deployPolicy="Recreate")
    world.apply(deployment(replicas=3, image=NEW, deployPolicy="Recreate"))
    mixed = False
    while images(world) != [NEW] * 3:
        mixed = mixed or set(images(world)) == {OLD, NEW}
        await virtual_time.sleep(0.01)
    assert not mixed
    await world.until(lambda: is_rolled_out(world))


@told
async def test_a_bad_image_stops_the_rollout_and_the_old_version_serves_on(world: World) -> None:
    await rolled_out(world, 4, progressDeadlineSeconds=60)
    async with watching(world) as seen:
        world.apply(deployment(replicas=4, image=BAD_IMAGE, progressDeadlineSeconds=60))
        await virtual_time.sleep(120)
    found = world.get(Kind.DEPLOYMENT, "hello")
    assert condition(found, "Deploy") == ("False", "ProgressDeadlineExceeded")
    assert "failed to pull image" in world.picture()
    assert condition(found) == READY
    assert images(world) == [OLD] * 4
    assert (seen.fewest, seen.most) == (4, 4)
    world.apply(deployment(replicas=4, progressDeadlineSeconds=60))
    await world.until(lambda: is_rolled_out(world))
    assert len(world.workloads()) == 4


@told
async def test_going_back_uses_the_old_set_and_history_is_bounded(world: World) -> None:
    await rolled_out(world, 1, revisionHistoryLimit=1)
    for image in (NEW, "registry.example/hello:3", OLD):
        world.apply(deployment(replicas=1, image=image, revisionHistoryLimit=1))
        await world.until(lambda image=image: images(world) == [image] and is_rolled_out(world))  # type: ignore[misc]
    sets = world.store.objects(Kind.REPLICA_SET)
    assert len(sets) == 2
    assert (world.get(Kind.DEPLOYMENT, "hello") or {})["status"]["revision"] == 4


@told
async def test_paused_it_scales_but_does_not_roll_out(world: World) -> None:
    await rolled_out(world, 2)
    world.apply(deployment(replicas=2, image=NEW, paused=True))
    await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello"), "Deploy") == ("False", "Paused"))
    world.apply(deployment(replicas=3, image=NEW, paused=True))
    await world.until(lambda: images(world) == [OLD] * 3)
    world.apply(deployment(replicas=3, image=NEW))
    await world.until(lambda: images(world) == [NEW] * 3 and is_rolled_out(world))


@told
async def test_min_ready_seconds_slow_a_rollout_down(world: World) -> None:
    await rolled_out(world, 2, minReadySeconds=30)
    began_s = world.clock.monotonic()
    world.apply(deployment(replicas=2, image=NEW, minReadySeconds=30))
    await world.until(lambda: images(world) == [NEW] * 2 and is_rolled_out(world), within_s=120)
    assert world.clock.monotonic() - began_s >= 59


@told
async def test_a_second_change_in_the_middle_keeps_what_is_healthy(world: World) -> None:
    await rolled_out(world, 6)
    for host in world.bus.hosts.values():
        host.start_s = 2.0
    async with watching(world) as seen:
        world.apply(deployment(replicas=6, image=NEW))
        await virtual_time.sleep(3)
        world.apply(deployment(replicas=6, image="registry.example/hello:3"))
        await world.until(lambda: images(world) == ["registry.example/hello:3"] * 6 and is_rolled_out(world))
    assert seen.fewest == 6
    assert seen.most <= 8
