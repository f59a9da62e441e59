"""Every option changes something."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from wasmcloud_operator.decide.schedule import Rules
from wasmcloud_operator.engine.options import Options
from wasmcloud_operator.model.keys import Kind

from simulation import virtual_time
from simulation.hosts import SimHost
from simulation.world import HOSTS_NAMESPACE, World, condition, deployment, key, ref

READY = ("True", "Available")


def told_with(story: Callable[[World], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    """Tell a story in a world with these options and return what it returns."""

    async def tell() -> Any:
        world = World(options=Options(host_namespace=HOSTS_NAMESPACE, **options))
        try:
            return await story(world)
        finally:
            if world.engine is not None:
                await world.kill()

    return virtual_time.run(tell())


async def ready_world(world: World, hosts: int = 1, **spec: Any) -> None:
    for n in range(hosts):
        world.add_host(SimHost(f"h{n}", f"host-{n}"))
    await world.start()
    world.apply(deployment(**spec))
    await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello")) == READY)


async def probes_in_a_minute(world: World) -> int:
    await ready_world(world, hosts=4)
    world.bus.requests.clear()
    await virtual_time.sleep(60)
    return world.bus.requests["heartbeat"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 4 * 120), ({"probe_interval_s": 3.0}, 4 * 20), ({"probe_budget_per_s": 2.0}, 2 * 60)],
)
def test_probes(options: dict[str, Any], expected: int) -> None:
    assert told_with(probes_in_a_minute, **options) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("timeout_s", [10.0, 3.0])
def test_silent_host_timeout(timeout_s: float) -> None:
    async def story(world: World) -> float:
        await ready_world(world)
        world.bus.hosts["h0"].is_mute = True
        began_s = world.clock.monotonic()
        await world.until(lambda: condition(world.get(Kind.HOST, "host-0", HOSTS_NAMESPACE)) == ("False", "HostLost"))
        return world.clock.monotonic() - began_s

    assert told_with(story, silent_host_timeout_s=timeout_s) == pytest.approx(timeout_s, abs=1.0)


@pytest.mark.parametrize("retention_s", [300.0, 20.0])
def test_lost_host_retention(retention_s: float) -> None:
    async def story(world: World) -> float:
        await ready_world(world)
        world.bus.hosts["h0"].die()
        began_s = world.clock.monotonic()
        await world.until(lambda: world.get(Kind.HOST, "host-0", HOSTS_NAMESPACE) is None, within_s=400)
        return world.clock.monotonic() - began_s

    assert told_with(story, lost_host_retention_s=retention_s) == pytest.approx(retention_s, abs=3.0)


@pytest.mark.parametrize(("interval_s", "expected"), [(15.0, 8), (60.0, 2)])
def test_audit_interval(interval_s: float, expected: int) -> None:
    async def story(world: World) -> int:
        await ready_world(world)
        await virtual_time.sleep(20)
        world.bus.requests.clear()
        await virtual_time.sleep(120)
        return world.bus.requests["workload.list"]

    assert abs(told_with(story, audit_interval_s=interval_s) - expected) <= 1


@pytest.mark.parametrize("interval_s", [600.0, 30.0])
def test_resync_finds_what_the_watch_missed(interval_s: float) -> None:
    async def story(world: World) -> float:
        await ready_world(world)
        world.cluster.weather.lost_event = 1.0
        world.store.remove(deployment())
        began_s = world.clock.monotonic()
        await world.until(lambda: not world.bus.hosts["h0"].running, within_s=700)
        await world.until(lambda: not world.workloads(), within_s=700)
        return world.clock.monotonic() - began_s

    assert told_with(story, resync_interval_s=interval_s) == pytest.approx(interval_s, abs=5.0)


@pytest.mark.parametrize("interval_s", [30.0, 5.0])
def test_config_interval(interval_s: float) -> None:
    async def story(world: World) -> float:
        world.store.set_config_map(key("settings"), {"A": "1"})
        resources = {"environment": {"configFrom": [{"name": "settings"}]}}
        component = {"name": "app", "image": "registry.example/hello:1", "localResources": resources}
        await ready_world(world, template={"components": [component]})
        world.store.set_config_map(key("settings"), {"A": "2"})
        began_s = world.clock.monotonic()
        await world.until(lambda: len(world.store.objects(Kind.REPLICA_SET)) == 2, within_s=100)
        return world.clock.monotonic() - began_s

    assert told_with(story, config_interval_s=interval_s) == pytest.approx(interval_s, abs=1.0)


@pytest.mark.parametrize("count", [64, 3])
def test_call_count_bounds_calls_at_a_time(count: int) -> None:
    async def story(world: World) -> int:
        world.add_host(SimHost("h0", "host-0"))
        await world.start()
        await virtual_time.sleep(1)
        world.cluster.weather.call_s = 0.05
        busy, most = Counter[str](), 0
        create = world.cluster.create

        async def counted(*arguments: Any) -> Any:
            nonlocal most
            busy["calls"] += 1
            most = max(most, busy["calls"])
            try:
                return await create(*arguments)
            finally:
                busy["calls"] -= 1

        world.cluster.create = counted  # type: ignore[method-assign]
        world.apply(deployment(replicas=100))
        await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello")) == READY)
        return most

    assert told_with(story, call_count=count) == count


def test_hosts_of_others_are_not_shared_where_that_is_off() -> None:
    async def story(world: World) -> str:
        world.add_host(SimHost("h0", "host-0"))
        await world.start()
        world.apply(deployment(template={"environment": "elsewhere"}))
        await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello"))[0] == "False")
        await asyncio.sleep(1)
        return " ".join(event.occurrence.reason for event in world.store.events())

    assert "CrossEnvironmentSchedulingDenied" in told_with(story, rules=Rules(allow_shared_hosts=False))
    assert "CrossEnvironmentSchedulingDenied" not in told_with(story)


def test_figures_count_hosts_and_workloads() -> None:
    async def story(world: World) -> tuple[int, dict[tuple[str, str], int], dict[str, int]]:
        await ready_world(world, hosts=2, replicas=3)
        world.bus.hosts["h1"].die()
        await virtual_time.sleep(2)
        assert world.engine is not None
        figures = world.engine.figures()
        return figures.queue_depth, dict(figures.hosts), dict(figures.workloads)

    assert told_with(story) == (0, {("Live", ""): 1, ("Lost", ""): 1}, {"Running": 3})


def test_watched_namespaces_are_the_ones_that_are_listed() -> None:
    async def story(world: World) -> set[tuple[Kind, str]]:
        await ready_world(world)
        listed = set[tuple[Kind, str]]()
        plain = world.cluster.list

        async def noted(kind: Kind, namespace: str) -> Any:
            listed.add((kind, namespace))
            return await plain(kind, namespace)

        world.cluster.list = noted  # type: ignore[method-assign]
        await virtual_time.sleep(11)
        return listed

    found = told_with(story, watch_namespaces=("shop", "team"), resync_interval_s=10.0)
    assert {namespace for kind, namespace in found if kind is Kind.HOST} == {HOSTS_NAMESPACE}
    assert {namespace for kind, namespace in found if kind is Kind.WORKLOAD} == {"shop", "team"}
    assert ref(Kind.WORKLOAD, "x").key.namespace == "shop"
