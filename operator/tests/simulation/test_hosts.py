"""Hosts that die, fall silent, come back, drain and lie, one story a test, on virtual time."""

from __future__ import annotations

import pytest
from wasmcloud_api.names import DRAINING_LABEL
from wasmcloud_api.wire import encode
from wasmcloud_operator.model.keys import Kind

from simulation import virtual_time
from simulation.faults import only
from simulation.hosts import SimHost
from simulation.world import HOSTS_NAMESPACE, NAMESPACE, World, condition, deployment, told

READY = ("True", "Available")
OUR_KINDS = (Kind.DEPLOYMENT, Kind.REPLICA_SET, Kind.WORKLOAD)


def is_ready(world: World, name: str = "hello") -> bool:
    return condition(world.get(Kind.DEPLOYMENT, name)) == READY


def host_ready(world: World, name: str) -> tuple[str, str]:
    return condition(world.get(Kind.HOST, name, HOSTS_NAMESPACE))


def uids(world: World) -> set[str]:
    return {body["metadata"]["uid"] for body in world.workloads()}


async def two_hosts(world: World, replicas: int = 4, *, knows_list: bool = True) -> tuple[SimHost, SimHost]:
    one = world.add_host(SimHost("h1", "host-one", knows_list=knows_list))
    two = world.add_host(SimHost("h2", "host-two", knows_list=knows_list))
    await world.start()
    world.apply(deployment(replicas=replicas))
    await world.until(lambda: is_ready(world))
    return one, two


@told
async def test_the_host_object_says_what_the_heartbeat_says(world: World) -> None:
    world.add_host(SimHost("h1", "host-one", {"zone": "z1", "hostgroup": "edge"}, environment="shop"))
    await world.start()
    await world.until(lambda: host_ready(world, "host-one") == READY)
    body = world.get(Kind.HOST, "host-one", HOSTS_NAMESPACE) or {}
    assert (body["hostId"], body["environment"], body["httpPort"]) == ("h1", "shop", 8000)
    assert body["metadata"]["labels"] == {"zone": "z1", "hostgroup": "edge"}
    assert body["status"]["systemMemoryTotal"] == 8 << 30


@told
async def test_workloads_of_a_dead_host_run_elsewhere_within_a_second_as_the_same_objects(world: World) -> None:
    one, two = await two_hosts(world)
    before = uids(world)
    one.die()
    died_s = world.clock.monotonic()
    await world.until(lambda: len(two.running) == 4)
    assert world.clock.monotonic() - died_s < 1.0
    assert uids(world) == before
    await world.until(lambda: is_ready(world))
    assert host_ready(world, "host-one") == ("False", "HostLost")
    assert {body["status"]["hostId"] for body in world.workloads()} == {"h2"}


@told
async def test_a_lost_host_is_deleted_after_five_minutes(world: World) -> None:
    one, _two = await two_hosts(world)
    one.die()
    await virtual_time.sleep(290)
    assert world.get(Kind.HOST, "host-one", HOSTS_NAMESPACE)
    await virtual_time.sleep(20)
    assert world.get(Kind.HOST, "host-one", HOSTS_NAMESPACE) is None


@told
async def test_what_is_known_of_a_host_goes_with_its_object(world: World) -> None:
    one, two = await two_hosts(world)
    audit = world.engine._audit if world.engine is not None else None
    assert audit is not None
    assert audit._files.keys() == {"h1", "h2"}
    one.die()
    await world.until(lambda: len(two.running) == 4)
    assert audit._files.keys() == {"h1", "h2"}
    await virtual_time.sleep(310)
    assert audit._files.keys() == {"h2"}


@pytest.mark.parametrize("away_s", [0, 400])
@pytest.mark.parametrize("knows_list", [True, False])
def test_a_host_that_returns_is_told_to_stop_what_has_moved(knows_list: bool, away_s: float) -> None:
    async def story(world: World) -> None:
        one, two = await two_hosts(world, knows_list=knows_list)
        one.is_connected = False
        await world.until(lambda: len(two.running) == 4)
        await virtual_time.sleep(away_s)
        assert len(one.running) == 2
        world.bus.add(one)
        await world.until(lambda: not one.running)
        assert len(two.running) == 4
        await world.until(lambda: host_ready(world, "host-one") == READY)

    told(story)()


@told
async def test_a_silent_host_is_lost_after_its_time_and_not_before(world: World) -> None:
    one, two = await two_hosts(world)
    one.is_mute = True
    await virtual_time.sleep(9.5)
    assert host_ready(world, "host-one") == READY
    await world.until(lambda: len(two.running) == 4, within_s=3.0)
    assert host_ready(world, "host-one") == ("False", "HostLost")


@told
async def test_a_short_silence_disturbs_nothing(world: World) -> None:
    one, two = await two_hosts(world)
    one.is_mute = True
    await virtual_time.sleep(8)
    one.is_mute = False
    world.cluster.writes.clear()
    await virtual_time.sleep(60)
    assert only(world.cluster.writes, *OUR_KINDS) == []
    assert (one.started_count, two.started_count) == (2, 2)


@told
async def test_nats_away_for_minutes_and_restarted_empty_disturbs_nothing(world: World) -> None:
    one, two = await two_hosts(world)
    world.bus.down()
    await virtual_time.sleep(180)
    world.cluster.writes.clear()
    one.is_connected = two.is_connected = False
    world.bus.up()
    await virtual_time.sleep(2)
    world.bus.add(one)
    await virtual_time.sleep(4)
    world.bus.add(two)
    await virtual_time.sleep(60)
    assert only(world.cluster.writes, *OUR_KINDS) == []
    assert (one.started_count, two.started_count) == (2, 2)
    assert host_ready(world, "host-one") == host_ready(world, "host-two") == READY


@told
async def test_a_host_that_dies_while_nats_is_away_is_lost_once_its_time_is_over(world: World) -> None:
    one, two = await two_hosts(world)
    world.bus.down()
    await virtual_time.sleep(30)
    one.die()
    two.is_connected = False
    world.bus.up()
    world.bus.add(two)
    await virtual_time.sleep(5)
    assert len(two.running) == 2
    await world.until(lambda: len(two.running) == 4, within_s=10.0)


@told
async def test_a_host_that_restarts_in_between_gets_its_workloads_again(world: World) -> None:
    one, two = await two_hosts(world)
    one.die()
    world.bus.add(one)
    await world.until(lambda: len(one.running) == 2, within_s=2.0)
    await world.until(lambda: is_ready(world))
    assert len(two.running) == 2


@told
async def test_a_draining_host_is_emptied_without_a_gap(world: World) -> None:
    one, two = await two_hosts(world)
    three = world.add_host(SimHost("h3", "host-three", start_s=3.0))
    one.labels[DRAINING_LABEL] = "true"
    world.bus.publish(one)
    while one.running:
        total = len(one.running) + len(two.running) + len(three.running)
        assert total >= 4
        await virtual_time.sleep(0.05)
    await world.until(lambda: len(world.workloads()) == 4)
    assert is_ready(world)
    assert host_ready(world, "host-one") == ("False", "HostDraining")


@told
async def test_a_workload_of_its_own_leaves_a_draining_host_after_it_runs_elsewhere(world: World) -> None:
    one = world.add_host(SimHost("h1", "host-one"))
    await world.start()
    body = deployment()["spec"]["template"]
    world.apply(
        {
            "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
            "kind": "Workload",
            "metadata": {"namespace": NAMESPACE, "name": "solo"},
            "spec": body["spec"],
        }
    )
    await world.until(lambda: condition(world.get(Kind.WORKLOAD, "solo")) == READY)
    one.labels[DRAINING_LABEL] = "true"
    world.bus.publish(one)
    await virtual_time.sleep(5)
    assert one.running
    assert condition(world.get(Kind.WORKLOAD, "solo")) == READY
    two = world.add_host(SimHost("h2", "host-two", start_s=5.0))
    while not two.running:
        assert one.running
        await virtual_time.sleep(0.05)
    await world.until(lambda: not one.running)


@told
async def test_a_forged_heartbeat_is_dropped(world: World) -> None:
    one, _two = await two_hosts(world)
    forged = SimHost("h1", "host-one", {"zone": "elsewhere"})
    world.bus.publish_raw("h9", encode(forged.heartbeat()))
    world.bus.publish_raw("h1", b"\xff not json")
    await virtual_time.sleep(5)
    names = {body["metadata"]["name"] for body in world.store.objects(Kind.HOST)}
    assert names == {"host-one", "host-two"}
    assert one.running


@told
async def test_a_name_that_a_live_host_has_is_refused_to_another_until_it_is_free(world: World) -> None:
    one, _two = await two_hosts(world)
    twin = world.add_host(SimHost("h9", "host-one"))
    await virtual_time.sleep(5)
    assert (world.get(Kind.HOST, "host-one", HOSTS_NAMESPACE) or {})["hostId"] == "h1"
    assert not twin.started_count
    one.die()
    await virtual_time.sleep(20)
    assert (world.get(Kind.HOST, "host-one", HOSTS_NAMESPACE) or {})["hostId"] == "h9"
    assert host_ready(world, "host-one") == READY


@told
async def test_a_host_known_under_a_new_name_has_one_object(world: World) -> None:
    one, _two = await two_hosts(world)
    one.name = "renamed"
    world.bus.publish(one)
    await world.until(lambda: host_ready(world, "renamed") == READY)
    await world.until(lambda: world.get(Kind.HOST, "host-one", HOSTS_NAMESPACE) is None)
    assert one.running


@told
async def test_a_stray_workload_that_nobody_knows_is_stopped(world: World) -> None:
    one, two = await two_hosts(world)
    uid = next(iter(one.running))
    one.running["stray"] = one.running[uid]
    await world.until(lambda: "stray" not in one.running, within_s=60)
    assert len(one.running) + len(two.running) == 4
