"""A namespace whose admin refuses the operator: the others go on, and nothing in it is judged by half of the facts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from wasmcloud_api.names import MAX_WORKLOADS_LABEL
from wasmcloud_operator.model.keys import Key, Kind, Ref

from simulation import virtual_time
from simulation.hosts import SimHost
from simulation.world import HOSTS_NAMESPACE, NAMESPACE, World, condition, deployment, service, told

OTHER = "lab"
READY = ("True", "Available")


def elsewhere(replicas: int = 1) -> dict[str, Any]:
    """A deployment in the namespace that is not refused."""
    body = deployment(replicas=replicas)
    return body | {"metadata": {"namespace": OTHER, "name": "hello"}}


def is_ready(world: World, namespace: str, replicas: int) -> bool:
    found = [w for w in world.workloads() if w["metadata"]["namespace"] == namespace and condition(w) == READY]
    return len(found) == replicas


async def begun(world: World, replicas: int = 2) -> list[SimHost]:
    """Two hosts, which run workloads of both namespaces."""
    world.options = replace(world.options, watch_namespaces=(NAMESPACE, OTHER))
    hosts = [world.add_host(SimHost(f"h{n}", f"host-{n}")) for n in range(2)]
    await world.start()
    world.apply(deployment(replicas=replicas))
    world.apply(elsewhere())
    await world.until(lambda: is_ready(world, NAMESPACE, replicas) and is_ready(world, OTHER, 1))
    return hosts


def logged(story: Callable[[World], Coroutine[Any, Any, None]], caplog: pytest.LogCaptureFixture) -> list[str]:
    """Tell a story and return the events that were logged."""
    caplog.set_level("INFO", "wasmcloud_operator")
    told(story)()
    return [record.getMessage() for record in caplog.records]


def test_the_others_go_on_and_nothing_is_stopped_in_it(caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World) -> None:
        hosts = await begun(world)
        await world.kill()
        world.cluster.refuse(NAMESPACE)
        world.apply(deployment(replicas=4))
        world.apply(elsewhere(3))
        await world.start()
        await world.until(lambda: is_ready(world, OTHER, 3), within_s=5)
        await virtual_time.sleep(1800)
        assert [host.stopped for host in hosts] == [[], []]
        assert is_ready(world, NAMESPACE, 2)
        assert world.engine is not None
        assert world.engine.figures().refused == {HOSTS_NAMESPACE: False, NAMESPACE: True, OTHER: False}
        world.cluster.allow(NAMESPACE)
        await world.until(lambda: is_ready(world, NAMESPACE, 4), within_s=5)
        assert [host.stopped for host in hosts] == [[], []]
        assert sum(host.started_count for host in hosts) == 4 + 3
        assert world.engine.figures().refused == {HOSTS_NAMESPACE: False, NAMESPACE: False, OTHER: False}

    events = logged(story, caplog)
    assert events.count("namespace_refused") == 1
    assert events.count("namespace_back") == 1
    assert "pass_failed" not in events, "nothing is tried where everything is refused"
    assert "resync_failed" not in events


@told
async def test_what_is_not_seen_takes_its_place(world: World) -> None:
    world.options = replace(world.options, watch_namespaces=(NAMESPACE, OTHER))
    host = world.add_host(SimHost("h1", "host-one", {MAX_WORKLOADS_LABEL: "3"}))
    await world.start()
    world.apply(deployment(replicas=2))
    await world.until(lambda: is_ready(world, NAMESPACE, 2))
    await world.kill()
    world.cluster.refuse(NAMESPACE)
    await world.start()
    await virtual_time.sleep(5)
    world.apply(elsewhere(2))
    await world.until(lambda: is_ready(world, OTHER, 1))
    await virtual_time.sleep(60)
    assert len(host.running) == 3
    world.cluster.allow(NAMESPACE)
    await virtual_time.sleep(60)
    assert len(host.running) == 3
    world.apply(deployment(replicas=1))
    await world.until(lambda: is_ready(world, OTHER, 2))


@told
async def test_what_nobody_wants_in_the_others_is_stopped_all_the_same(world: World) -> None:
    hosts = await begun(world)
    world.cluster.refuse(NAMESPACE)
    await virtual_time.sleep(1)
    cut = next(host for host in hosts if any(one.workload.namespace == OTHER for one in host.running.values()))
    cut.is_connected = False
    world.store.remove(elsewhere())
    await world.until(lambda: all(w["metadata"]["namespace"] == NAMESPACE for w in world.workloads()))
    assert sum(len(host.running) for host in hosts) == 3
    world.add_host(cut)
    await virtual_time.sleep(60)
    assert sum(len(host.running) for host in hosts) == 2


@told
async def test_what_went_unseen_is_stopped_when_the_namespace_is_back(world: World) -> None:
    hosts = await begun(world)
    world.cluster.refuse(NAMESPACE)
    await virtual_time.sleep(1)
    world.store.remove(deployment())
    for body in [w for w in world.workloads() if w["metadata"]["namespace"] == NAMESPACE]:
        await world.store.patch(Ref(Kind.WORKLOAD, Key(NAMESPACE, body["metadata"]["name"])), no_finalizers())
    await virtual_time.sleep(120)
    assert sum(len(host.running) for host in hosts) == 3
    world.cluster.allow(NAMESPACE)
    await world.until(lambda: sum(len(host.running) for host in hosts) == 1, within_s=30)
    assert is_ready(world, OTHER, 1)


def no_finalizers() -> dict[str, Any]:
    return {"metadata": {"finalizers": []}}


@told
async def test_a_host_that_dies_meanwhile_is_made_up_for_afterwards(world: World) -> None:
    hosts = await begun(world)
    world.cluster.refuse(NAMESPACE)
    await virtual_time.sleep(1)
    hosts[0].die()
    await world.until(lambda: any(w.workload.namespace == OTHER for w in hosts[1].running.values()))
    await virtual_time.sleep(60)
    assert len(hosts[1].running) == 2
    world.cluster.allow(NAMESPACE)
    await world.until(lambda: len(hosts[1].running) == 3, within_s=5)


@told
async def test_routes_stay_as_they_are_until_the_services_are_seen(world: World) -> None:
    world.apply(service())
    world.options = replace(world.options, watch_namespaces=(NAMESPACE, OTHER))
    world.add_host(SimHost("h1", "host-one", address="10.0.0.1"))
    await world.start()
    world.apply(deployment(kubernetes={"service": {"name": "web"}}))
    await world.until(lambda: any(s["endpoints"] for s in world.store.objects(Kind.ENDPOINT_SLICE, NAMESPACE)))
    before = world.store.objects(Kind.ENDPOINT_SLICE, NAMESPACE)
    await world.kill()
    world.cluster.refuse(NAMESPACE)
    await world.start()
    await virtual_time.sleep(60)
    world.cluster.allow(NAMESPACE)
    await virtual_time.sleep(60)
    assert world.store.objects(Kind.ENDPOINT_SLICE, NAMESPACE) == before
