"""The life of workloads, one story a test, on virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from wasmcloud_api.wire import WorkloadState
from wasmcloud_operator.model.keys import Key, Kind

from simulation import virtual_time
from simulation.faults import by_object, only
from simulation.hosts import BAD_IMAGE, SimHost
from simulation.world import HOSTS_NAMESPACE, NAMESPACE, World, condition, deployment, key, told

OUR_KINDS = (Kind.DEPLOYMENT, Kind.REPLICA_SET, Kind.WORKLOAD)
READY = ("True", "Available")


def is_ready(world: World, name: str = "hello") -> bool:
    return condition(world.get(Kind.DEPLOYMENT, name)) == READY


def workload(name: str = "solo", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "Workload",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {"components": [{"name": "app", "image": "registry.example/hello:1"}], **spec},
    }


@pytest.mark.parametrize(("start_s", "has_events"), [(0.3, True), (8.0, False)])
def test_a_new_deployment_stays_in_its_budget_of_writes(start_s: float, has_events: bool) -> None:
    """Six writes, Events included, for a usual start; for one that takes long, an Event may come on top."""

    async def story(world: World) -> None:
        host = world.add_host(SimHost("h1", "host-one", start_s=start_s))
        await world.start()
        await world.until(lambda: condition(world.get(Kind.HOST, "host-one", HOSTS_NAMESPACE)) == READY)
        world.cluster.weather.call_s = 0.005
        world.apply(deployment())
        await world.until(lambda: is_ready(world))
        await virtual_time.sleep(20)
        writes = only(world.cluster.writes, *OUR_KINDS)
        to_objects = [(verb, ref) for verb, ref in writes if verb != "record"]
        assert len(writes if has_events else to_objects) <= 6, writes
        assert max(len(verbs) for verbs in by_object(to_objects).values()) <= 2, writes
        assert len(host.running) == 1

    told(story)()


@told
async def test_a_steady_hour_writes_nothing_but_host_statuses(world: World) -> None:
    world.options = replace(world.options, probe_interval_s=5.0)
    for n in range(3):
        world.add_host(SimHost(f"h{n}", f"host-{n}"))
    await world.start()
    world.apply(deployment(replicas=6))
    await world.until(lambda: is_ready(world))
    await virtual_time.sleep(60)
    world.cluster.writes.clear()
    await virtual_time.sleep(3600)
    assert only(world.cluster.writes, *OUR_KINDS) == []
    assert {verb for verb, _ in world.cluster.writes} == {"patch_status"}
    assert len(world.cluster.writes) <= 3 * 61


@told
async def test_a_hundred_replicas_on_ten_hosts_are_ten_each(world: World) -> None:
    hosts = [world.add_host(SimHost(f"h{n}", f"host-{n}")) for n in range(10)]
    await world.start()
    world.apply(deployment(replicas=100))
    await world.until(lambda: is_ready(world))
    assert [len(host.running) for host in hosts] == [10] * 10


@told
async def test_scaling_follows_the_wish_up_and_down(world: World) -> None:
    hosts = [world.add_host(SimHost(f"h{n}", f"host-{n}")) for n in range(2)]
    await world.start()
    world.apply(deployment(replicas=2))
    await world.until(lambda: is_ready(world))
    world.apply(deployment(replicas=7))
    await world.until(lambda: sum(len(host.running) for host in hosts) == 7)
    world.apply(deployment(replicas=2))
    await world.until(lambda: [len(host.running) for host in hosts] == [1, 1])
    world.apply(deployment(replicas=0))
    await world.until(lambda: not world.workloads())
    await world.until(lambda: is_ready(world))
    assert [len(host.running) for host in hosts] == [0, 0]


@told
async def test_a_deleted_deployment_leaves_nothing_on_hosts_or_in_the_api(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one"))
    await world.start()
    world.apply(deployment(replicas=3))
    await world.until(lambda: is_ready(world))
    world.store.remove(deployment())
    await world.until(lambda: not any(world.store.objects(kind) for kind in OUR_KINDS))
    assert not host.running


@told
async def test_a_deployment_deleted_during_a_slow_start_leaves_nothing(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one", start_s=20))
    await world.start()
    world.apply(deployment())
    await world.until(lambda: host.started_count)
    world.store.remove(deployment())
    await virtual_time.sleep(90)
    assert not host.running
    assert not world.workloads()


@told
async def test_a_mistake_of_the_operator_s_own_leaves_no_workload_starting_for_ever(world: World) -> None:
    world.add_host(SimHost("h1", "host-one"))
    await world.start()
    mistakes, read = [RuntimeError("a mistake")], world.cluster.config_map

    async def read_with_a_mistake(key: Key) -> Mapping[str, str] | None:
        if mistakes:
            raise mistakes.pop()
        return await read(key)

    world.cluster.config_map = read_with_a_mistake  # type: ignore[method-assign]
    world.store.set_config_map(key("settings"), {"A": "b"})
    world.apply(workload(components=[named_settings()]))
    await world.until(lambda: condition(world.get(Kind.WORKLOAD, "solo")) == READY)
    assert mistakes == []


def named_settings() -> dict[str, Any]:
    environment = {"configFrom": [{"name": "settings"}]}
    return {"name": "app", "image": "registry.example/hello:1", "localResources": {"environment": environment}}


@told
async def test_a_workload_of_its_own_is_placed_and_a_changed_one_is_started_anew(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one"))
    await world.start()
    world.apply(workload())
    await world.until(lambda: condition(world.get(Kind.WORKLOAD, "solo")) == READY)
    changed = workload(components=[{"name": "app", "image": "registry.example/hello:2"}])
    world.apply(changed)
    await world.until(lambda: [_image(host, uid) for uid in host.running] == ["registry.example/hello:2"])
    await world.until(lambda: condition(world.get(Kind.WORKLOAD, "solo")) == READY)


def _image(host: SimHost, uid: str) -> str:
    return host.running[uid].workload.wit_world.components[0].image


@told
async def test_without_hosts_it_waits_with_a_reason_and_the_first_heartbeat_places_it(world: World) -> None:
    await world.start()
    world.apply(deployment())
    await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello")) == ("False", "NoHosts"))
    await virtual_time.sleep(5)
    host = world.add_host(SimHost("h1", "host-one"))
    joined_s = world.clock.monotonic()
    await world.until(lambda: host.started_count)
    assert world.clock.monotonic() - joined_s < 0.1
    await world.until(lambda: is_ready(world))


@told
async def test_what_fits_no_host_says_how_many_hosts_fail_and_why(world: World) -> None:
    for n in range(3):
        world.add_host(SimHost(f"h{n}", f"host-{n}", environment="other"))
    for n in range(3, 5):
        world.add_host(SimHost(f"h{n}", f"host-{n}", environment=NAMESPACE))
    await world.start()
    world.apply(workload(environment=NAMESPACE, hostSelector={"gpu": "true"}))
    await world.until(lambda: condition(world.get(Kind.WORKLOAD, "solo")) == ("False", "NoMatchingHost"))
    found = world.get(Kind.WORKLOAD, "solo")
    messages = [c["message"] for c in (found or {})["status"]["conditions"] if c["type"] == "HostSelection"]
    assert messages == ['0 of 5 hosts fit: 3 are in another environment (want "shop"), 2 lack label gpu=true']
    world.bus.hosts["h4"].labels["gpu"] = "true"
    world.bus.publish(world.bus.hosts["h4"])
    await world.until(lambda: world.bus.hosts["h4"].running, within_s=1.0)


@told
async def test_a_missing_config_map_is_named_and_waited_for(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one"))
    await world.start()
    resources = {"environment": {"config": {"A": "inline"}, "configFrom": [{"name": "settings"}]}}
    component = {"name": "app", "image": "registry.example/hello:1", "localResources": resources}
    world.apply(deployment(template={"components": [component]}))
    await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello")) == ("False", "ConfigMapNotFound"))
    assert 'ConfigMap "settings" does not exist' in world.picture()
    assert not host.started_count
    world.store.set_config_map(key("settings"), {"A": "from the map"})
    await world.until(lambda: is_ready(world))
    [running] = host.running.values()
    assert running.workload.wit_world.components[0].local_resources.environment == {"A": "from the map"}


@told
async def test_a_secret_that_is_withheld_goes_to_no_host(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one"))
    world.store.set_secret(key("keys"), {"KEY": b"a-hosts-key"}, withheld="its label keeps it from workloads")
    await world.start()
    resources = {"environment": {"secretFrom": [{"name": "keys"}]}}
    component = {"name": "app", "image": "registry.example/hello:1", "localResources": resources}
    world.apply(deployment(template={"components": [component]}))
    await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello")) == ("False", "ConfigUnreadable"))
    assert "its label keeps it from workloads" in world.picture()
    assert not host.started_count


@told
async def test_a_changed_secret_rolls_out_and_shows_nowhere(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one"))
    world.store.set_secret(key("login"), {"PASSWORD": b"first-secret"})
    await world.start()
    resources = {"environment": {"secretFrom": [{"name": "login"}]}}
    component = {"name": "app", "image": "registry.example/hello:1", "localResources": resources}
    world.apply(deployment(template={"components": [component]}))
    await world.until(lambda: is_ready(world))
    [before] = host.running
    world.store.set_secret(key("login"), {"PASSWORD": b"second-secret"})
    await world.until(lambda: host.running and before not in host.running, within_s=60)
    [running] = host.running.values()
    assert running.workload.wit_world.components[0].local_resources.environment == {"PASSWORD": "second-secret"}
    everything = str([world.store.objects(kind) for kind in Kind]) + str(world.store.events())
    assert "first-secret" not in everything
    assert "second-secret" not in everything


@told
async def test_a_pull_that_fails_is_tried_elsewhere_with_ever_longer_pauses(world: World) -> None:
    hosts = [world.add_host(SimHost(f"h{n}", f"host-{n}")) for n in range(2)]
    await world.start()
    world.apply(deployment(image=BAD_IMAGE))
    await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello")) == ("False", "ImagePullFailed"))
    await world.until(lambda: all(host.started_count for host in hosts))
    await virtual_time.sleep(600)
    assert 10 <= sum(host.started_count for host in hosts) <= 30
    assert "failed to pull image for component 'app': no such tag" in world.picture()


@told
async def test_a_crashed_workload_is_started_again_and_counted(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one"))
    await world.start()
    world.apply(deployment())
    await world.until(lambda: is_ready(world))
    for running in host.running.values():
        running.state, running.message = WorkloadState.ERROR, "the service ended with code 1"
    await world.until(lambda: condition(world.workloads()[0]) == ("False", "Crashed"))
    await world.until(lambda: is_ready(world))
    assert world.workloads()[0]["status"]["restarts"] == 1


@told
async def test_an_artifact_is_waited_for_and_a_new_digest_rolls_out(world: World) -> None:
    host = world.add_host(SimHost("h1", "host-one"))
    await world.start()
    artifacts = [{"name": "app", "artifactFrom": {"name": "shop-app"}}]
    world.apply(deployment(image="artifact://app", artifacts=artifacts))
    await world.until(
        lambda: condition(world.get(Kind.DEPLOYMENT, "hello"), "Artifact") == ("False", "ArtifactNotFound")
    )
    artifact = {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "Artifact",
        "metadata": {"namespace": NAMESPACE, "name": "shop-app"},
        "spec": {"image": "registry.example/shop:1", "interval": "10s"},
    }
    world.apply(artifact)
    await world.until(
        lambda: condition(world.get(Kind.DEPLOYMENT, "hello"), "Artifact") == ("False", "ArtifactNotReady")
    )
    for digit in "ab":
        digest = "sha256:" + digit * 64
        world.registry.digests["registry.example/shop:1"] = digest
        wanted = f"registry.example/shop@{digest}"
        await world.until(lambda wanted=wanted: [_image(host, uid) for uid in host.running] == [wanted])  # type: ignore[misc]
    await world.until(lambda: is_ready(world))
