"""From a Service to the hosts that serve: slices follow, and a stop waits for them. On virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from wasmcloud_api.names import DRAINING_LABEL
from wasmcloud_operator.engine.options import Options
from wasmcloud_operator.model.keys import Kind

from simulation.faults import by_object, only
from simulation.hosts import SimHost
from simulation.world import NAMESPACE, World, condition, deployment, ref, service, told

READY, LEAVING = (True, True, False), (False, True, True)
ROUTED = {"kubernetes": {"service": {"name": "web"}}}


def slices(world: World) -> list[dict[str, Any]]:
    return [dict(body) for body in world.store.objects(Kind.ENDPOINT_SLICE, NAMESPACE)]


def led_to(world: World) -> dict[tuple[str, int], tuple[bool, bool, bool]]:
    """Where the Service leads: ready, serving and terminating by address and port."""
    return {
        (endpoint["addresses"][0], body["ports"][0]["port"]): (
            endpoint["conditions"]["ready"],
            endpoint["conditions"]["serving"],
            endpoint["conditions"]["terminating"],
        )
        for body in slices(world)
        for endpoint in body["endpoints"]
    }


def is_ready(world: World) -> bool:
    return condition(world.get(Kind.DEPLOYMENT, "hello")) == ("True", "Available")


def messages(world: World) -> list[str]:
    """What the Workloads' Ready conditions say."""
    return [
        found["message"]
        for body in world.workloads()
        for found in body.get("status", {}).get("conditions", ())
        if found["type"] == "Ready"
    ]


def events(world: World, reason: str) -> int:
    return sum(event.count for event in world.store.events() if event.occurrence.reason == reason)


def add_hosts(world: World, count: int) -> list[SimHost]:
    return [
        world.add_host(SimHost(f"h{number}", f"host-{number}", address=f"10.0.0.{number}"))
        for number in range(1, count + 1)
    ]


async def routed(world: World, replicas: int = 2, hosts: int = 2, **spec: Any) -> list[SimHost]:
    """A Service that leads to as many hosts as there are."""
    found = add_hosts(world, hosts)
    await world.start()
    world.apply(service())
    world.apply(deployment(replicas=replicas, **ROUTED, **spec))
    await world.until(lambda: is_ready(world) and len(led_to(world)) == min(replicas, hosts))
    return found


@told
async def test_a_service_leads_to_every_host_with_a_ready_replica_once(world: World) -> None:
    await routed(world, replicas=5)
    assert led_to(world) == {("10.0.0.1", 8000): READY, ("10.0.0.2", 8000): READY}
    assert [body["metadata"]["name"] for body in slices(world)] == ["web-wasmcloud-ipv4-8000"]


@told
async def test_a_slice_costs_one_write_and_then_none(world: World) -> None:
    await routed(world, replicas=1, hosts=1)
    writes = world.cluster.writes
    assert len(only(writes, Kind.DEPLOYMENT, Kind.REPLICA_SET, Kind.WORKLOAD, Kind.ENDPOINT_SLICE)) <= 7
    assert by_object(writes)[ref(Kind.ENDPOINT_SLICE, "web-wasmcloud-ipv4-8000")] == ["create"]
    await world.clock.sleep(60.0)
    writes.clear()
    await world.clock.sleep(3600.0)
    assert only(writes, Kind.DEPLOYMENT, Kind.REPLICA_SET, Kind.WORKLOAD, Kind.ENDPOINT_SLICE) == []


@told
async def test_the_service_may_come_last(world: World) -> None:
    add_hosts(world, 1)
    await world.start()
    world.apply(deployment(**ROUTED))
    await world.until(lambda: is_ready(world))
    assert messages(world) == ['on host "h1"; the Service "web" does not exist']
    assert events(world, "ServiceNotFound") == 1
    world.apply(service())
    await world.until(lambda: led_to(world) == {("10.0.0.1", 8000): READY})
    await world.until(lambda: messages(world) == ['on host "h1"'])


@told
async def test_a_service_with_a_selector_is_left_to_kubernetes(world: World) -> None:
    await routed(world)
    world.apply(service(selector={"app": "x"}))
    await world.until(lambda: slices(world) == [])
    await world.until(lambda: all("has a selector" in message for message in messages(world)))
    assert events(world, "ServiceHasSelector") == 2
    assert is_ready(world)


@told
async def test_a_headless_service_is_no_work_for_kube_proxy(world: World) -> None:
    add_hosts(world, 1)
    await world.start()
    world.apply(service(clusterIP="None", ports=[]))
    world.apply(deployment(**ROUTED))
    await world.until(lambda: led_to(world) == {("10.0.0.1", 8000): READY})
    assert ["service.kubernetes.io/headless" in body["metadata"]["labels"] for body in slices(world)] == [True]


@told
async def test_a_service_that_is_made_anew_leads_there_again(world: World) -> None:
    await routed(world)
    world.store.remove(service())
    await world.until(lambda: slices(world) == [])
    world.apply(service())
    await world.until(lambda: len(led_to(world)) == 2)


@told
async def test_a_host_without_an_ip_is_named(world: World) -> None:
    world.add_host(SimHost("h1", "host-one", address="node-1.example"))
    await world.start()
    world.apply(service())
    world.apply(deployment(**ROUTED))
    await world.until(lambda: is_ready(world))
    (message,) = messages(world)
    assert 'the Service "web" can\'t lead to host "h1": its address "node-1.example" is no IP' in message
    assert events(world, "HostNotRoutable") == 1
    assert slices(world) == []


@told
async def test_a_lost_host_is_off_the_service_at_once(world: World) -> None:
    one, _ = await routed(world)
    one.die()
    died_s = world.clock.monotonic()
    await world.until(lambda: led_to(world) == {("10.0.0.2", 8000): READY})
    assert world.clock.monotonic() - died_s < 1.0


@told
async def test_a_host_that_moves_to_another_address_is_followed(world: World) -> None:
    one, _ = await routed(world)
    one.address, one.http_port = "fd00::1", 9000
    await world.until(lambda: led_to(world) == {("10.0.0.2", 8000): READY, ("fd00::1", 9000): READY})
    assert {body["addressType"] for body in slices(world)} == {"IPv4", "IPv6"}


@pytest.mark.parametrize("delay_s", [0.0, 2.0, 5.0])
def test_a_stop_waits_until_the_slices_say_so_and_then_for_those_who_follow_them(delay_s: float) -> None:
    @told
    async def story(world: World) -> None:
        world.options = Options(host_namespace=world.options.host_namespace, route_delay_s=delay_s)
        hosts = await routed(world)
        world.cluster.weather.call_s = 0.5
        world.apply(deployment(replicas=0, **ROUTED))
        await world.until(lambda: set(led_to(world).values()) == {LEAVING})
        told_s = world.clock.monotonic()
        await world.until(lambda: not any(host.running for host in hosts))
        assert delay_s <= world.clock.monotonic() - told_s < delay_s + 1.5
        await world.until(lambda: slices(world) == [])

    story()


@told
async def test_no_stop_waits_where_no_service_leads(world: World) -> None:
    (host,) = add_hosts(world, 1)
    await world.start()
    world.apply(deployment(**ROUTED))
    await world.until(lambda: is_ready(world))
    world.store.remove(deployment())
    removed_s = world.clock.monotonic()
    await world.until(lambda: not host.running and not world.workloads())
    assert world.clock.monotonic() - removed_s < 0.1


@told
async def test_no_stop_waits_on_a_host_that_goes_on_serving(world: World) -> None:
    (host,) = await routed(world, replicas=2, hosts=1)
    world.apply(deployment(replicas=1, **ROUTED))
    asked_s = world.clock.monotonic()
    await world.until(lambda: len(host.running) == 1)
    assert world.clock.monotonic() - asked_s < 0.1
    assert led_to(world) == {("10.0.0.1", 8000): READY}


@told
async def test_a_rollout_never_stops_what_the_service_leads_to(world: World) -> None:
    hosts = await routed(world, replicas=3, hosts=3)
    by_address = {(host.address, 8000): host for host in hosts}
    world.apply(deployment(replicas=3, image="registry.example/hello:2", **ROUTED))
    await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello"), "Deploy")[0] == "False")
    while not (is_ready(world) and condition(world.get(Kind.DEPLOYMENT, "hello"), "Deploy")[0] == "True"):
        open_to = {address for address, state in led_to(world).items() if state == READY}
        assert open_to
        assert all(by_address[address].running for address in open_to), world.picture()
        await world.clock.sleep(0.001)
    await world.until(lambda: sum(len(host.running) for host in hosts) == 3)
    assert set(led_to(world).values()) == {READY}


@told
async def test_a_draining_host_is_led_to_no_more_and_stopped_last(world: World) -> None:
    one, two = await routed(world, replicas=1)
    full, empty = (one, two) if one.running else (two, one)
    full.labels[DRAINING_LABEL] = "true"
    await world.until(lambda: led_to(world).get((full.address, 8000)) == LEAVING)
    assert full.running
    await world.until(lambda: led_to(world).get((empty.address, 8000)) == READY)
    opened_s = world.clock.monotonic()
    await world.until(lambda: not full.running)
    assert world.clock.monotonic() - opened_s >= world.options.route_delay_s - 0.1
    await world.until(lambda: led_to(world) == {(empty.address, 8000): READY})


@told
async def test_a_lone_workload_moves_off_a_draining_host_without_a_gap(world: World) -> None:
    one, two = add_hosts(world, 2)
    await world.start()
    world.apply(service())
    spec = deployment(**ROUTED)["spec"]["template"]["spec"] | ROUTED
    world.apply(
        {
            "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
            "kind": "Workload",
            "metadata": {"namespace": NAMESPACE, "name": "lone"},
            "spec": spec,
        }
    )
    await world.until(lambda: len(led_to(world)) == 1)
    full, empty = (one, two) if one.running else (two, one)
    full.labels[DRAINING_LABEL] = "true"
    await world.until(lambda: led_to(world).get((empty.address, 8000)) == READY)
    opened_s = world.clock.monotonic()
    assert led_to(world)[full.address, 8000] == LEAVING
    assert full.running
    await world.until(lambda: not full.running)
    assert world.clock.monotonic() - opened_s >= world.options.route_delay_s - 0.1
    await world.until(lambda: led_to(world) == {(empty.address, 8000): READY})


@told
async def test_a_changed_lone_workload_is_off_the_service_before_it_is_stopped(world: World) -> None:
    (host,) = add_hosts(world, 1)
    await world.start()
    world.apply(service())
    body = {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "Workload",
        "metadata": {"namespace": NAMESPACE, "name": "lone"},
    }
    for tag in ("1", "2"):
        image = {"components": [{"name": "app", "image": f"registry.example/hello:{tag}"}]}
        world.apply({**body, "spec": image | ROUTED})
        if tag == "1":
            await world.until(lambda: led_to(world) == {("10.0.0.1", 8000): READY})
    await world.until(lambda: led_to(world) == {("10.0.0.1", 8000): LEAVING})
    assert len(host.running) == 1
    await world.until(lambda: host.started_count == 2 and led_to(world) == {("10.0.0.1", 8000): READY})


@pytest.mark.parametrize("how", ["emptied", "unlabelled", "deleted", "relabelled"])
def test_a_slice_that_somebody_changed_is_put_right(how: str) -> None:
    @told
    async def story(world: World) -> None:
        await routed(world)
        (before,) = slices(world)
        changed = ref(Kind.ENDPOINT_SLICE, before["metadata"]["name"])
        if how == "deleted":
            await world.store.delete(changed, uid=before["metadata"]["uid"])
        else:
            labels = before["metadata"]["labels"]
            patch = {
                "emptied": {"endpoints": []},
                "unlabelled": {"metadata": {"labels": dict.fromkeys(labels)}},
                "relabelled": {"metadata": {"labels": {"kubernetes.io/service-name": "other"}}},
            }[how]
            await world.store.patch(changed, patch)
        world.cluster.writes.clear()
        await world.until(lambda: len(only(world.cluster.writes, Kind.ENDPOINT_SLICE)) == 1)
        (after,) = slices(world)
        assert [after[key] for key in ("endpoints", "ports")] == [before[key] for key in ("endpoints", "ports")]
        assert after["metadata"]["labels"] == before["metadata"]["labels"]
        await world.clock.sleep(60.0)
        assert len(only(world.cluster.writes, Kind.ENDPOINT_SLICE)) == 1

    story()


@told
async def test_slices_of_others_are_left_alone(world: World) -> None:
    await routed(world)
    theirs = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": NAMESPACE, "name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [],
    }
    world.apply(theirs)
    await world.clock.sleep(1200.0)
    assert world.get(Kind.ENDPOINT_SLICE, "web-x") is not None
    assert len(slices(world)) == 2


@told
async def test_a_restart_of_the_operator_writes_no_slice(world: World) -> None:
    await routed(world, replicas=5)
    await world.kill()
    await world.clock.sleep(30.0)
    world.cluster.writes.clear()
    await world.start()
    await world.clock.sleep(120.0)
    assert only(world.cluster.writes, Kind.ENDPOINT_SLICE) == []
    assert led_to(world) == {("10.0.0.1", 8000): READY, ("10.0.0.2", 8000): READY}


@told
async def test_what_changed_while_no_operator_ran_is_put_right(world: World) -> None:
    one, two = await routed(world)
    await world.kill()
    one.die()
    await world.start()
    await world.until(lambda: led_to(world) == {("10.0.0.2", 8000): READY}, within_s=60.0)
    await world.until(lambda: len(two.running) == 2)


@told
async def test_a_stop_goes_on_when_slices_can_t_be_written(world: World) -> None:
    one, two = await routed(world)
    world.cluster.weather.forbidden = frozenset({Kind.ENDPOINT_SLICE})
    world.store.remove(deployment())
    await world.clock.sleep(10.0)
    assert one.running
    assert two.running
    await world.until(lambda: not one.running and not two.running, within_s=40.0)
    await world.until(lambda: world.workloads() == [])


@told
async def test_a_thousand_replicas_on_two_hundred_hosts_fill_two_slices(world: World) -> None:
    for number in range(200):
        world.add_host(SimHost(f"h{number}", f"host-{number}", address=f"10.0.1.{number + 1}"))
    await world.start()
    world.apply(service())
    world.apply(deployment(replicas=1000, **ROUTED))
    await world.until(lambda: is_ready(world) and len(led_to(world)) == 200, within_s=120.0)
    assert sorted(len(body["endpoints"]) for body in slices(world)) == [100, 100]


@told
async def test_a_restart_without_nats_leaves_the_slices_as_they_are(world: World) -> None:
    """No host can be heard, and one's Host object is gone too: nothing says that they serve no more."""
    await routed(world)
    await world.kill()
    world.bus.down()
    (host,) = [body for body in world.store.objects(Kind.HOST) if body["hostId"] == "h1"]
    world.store.remove(dict(host))
    world.cluster.writes.clear()
    await world.start()
    await world.clock.sleep(120.0)
    assert only(world.cluster.writes, Kind.ENDPOINT_SLICE) == []
    assert led_to(world) == {("10.0.0.1", 8000): READY, ("10.0.0.2", 8000): READY}
    world.bus.up()
    for one in world.bus.hosts.values():
        world.bus.add(one)
    await world.clock.sleep(120.0)
    assert only(world.cluster.writes, Kind.ENDPOINT_SLICE) == []
