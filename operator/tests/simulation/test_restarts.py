"""An operator that is killed and started again disturbs nothing and doubles nothing."""

from __future__ import annotations

import asyncio

import pytest
from wasmcloud_operator.model.keys import Kind

from simulation import virtual_time
from simulation.faults import only
from simulation.hosts import SimHost
from simulation.world import World, condition, deployment, told

READY = ("True", "Available")
OUR_KINDS = (Kind.DEPLOYMENT, Kind.REPLICA_SET, Kind.WORKLOAD)


def is_ready(world: World) -> bool:
    return condition(world.get(Kind.DEPLOYMENT, "hello")) == READY


@pytest.mark.parametrize("knows_list", [True, False])
def test_a_restart_writes_nothing_and_starts_nothing(knows_list: bool) -> None:
    async def story(world: World) -> None:
        hosts = [world.add_host(SimHost(f"h{n}", f"host-{n}", knows_list=knows_list)) for n in range(3)]
        await world.start()
        world.apply(deployment(replicas=6))
        await world.until(lambda: is_ready(world))
        await virtual_time.sleep(5)
        await world.kill()
        await virtual_time.sleep(60)
        world.cluster.writes.clear()
        world.bus.requests.clear()
        await world.start()
        await virtual_time.sleep(60)
        assert only(world.cluster.writes, *OUR_KINDS) == []
        assert world.bus.requests["workload.start"] == 0
        assert [len(host.running) for host in hosts] == [2, 2, 2]

    told(story)()


@told
async def test_a_host_that_died_while_no_operator_ran_is_noticed(world: World) -> None:
    hosts = [world.add_host(SimHost(f"h{n}", f"host-{n}")) for n in range(3)]
    await world.start()
    world.apply(deployment(replicas=6))
    await world.until(lambda: is_ready(world))
    await virtual_time.sleep(2)
    await world.kill()
    hosts[0].die()
    await world.start()
    await world.until(lambda: len(hosts[1].running) + len(hosts[2].running) == 6, within_s=15)


@told
async def test_what_was_deleted_while_no_operator_ran_is_stopped(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one"))
    await world.start()
    world.apply(deployment(replicas=2))
    await world.until(lambda: is_ready(world))
    await world.kill()
    world.store.remove(deployment(replicas=2))
    await world.start()
    await world.until(lambda: not host.running and not world.workloads())


@pytest.mark.parametrize("killed_after_ms", [*range(1, 60, 3)])
def test_killed_at_any_moment_of_a_start_nothing_runs_twice(killed_after_ms: int) -> None:
    async def story(world: World) -> None:
        hosts = [world.add_host(SimHost(f"h{n}", f"host-{n}", start_s=0.02)) for n in range(2)]
        await world.start()
        await virtual_time.sleep(1)
        world.cluster.weather.call_s = 0.005
        world.apply(deployment(replicas=3))
        await virtual_time.sleep(killed_after_ms / 1000)
        await world.kill()
        await virtual_time.sleep(1)
        await world.start()
        await world.until(lambda: is_ready(world))
        assert sum(len(host.running) for host in hosts) == 3
        assert sum(host.started_count for host in hosts) <= 6
        assert len(world.workloads()) == 3

    told(story)()


@told
async def test_a_stop_leaves_no_task_behind(world: World) -> None:
    world.add_host(SimHost("h1", "host-one", start_s=5))
    before = asyncio.all_tasks()
    await world.start()
    world.apply(deployment(replicas=5))
    await virtual_time.sleep(1)
    await world.kill()
    assert asyncio.all_tasks() == before
