"""Artifacts on virtual time: tags are followed, registries fail, deployments roll."""

from __future__ import annotations

from typing import Any

from wasmcloud_operator.decide.references import Credentials
from wasmcloud_operator.engine.ports import AccessDenied, RegistryUnavailable
from wasmcloud_operator.model.keys import Kind

from simulation import virtual_time
from simulation.faults import only
from simulation.hosts import SimHost
from simulation.world import NAMESPACE, World, condition, deployment, key, told

IMAGE = "registry.example/shop:1"
ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")
READY = ("True", "Available")


def artifact(name: str = "app", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "Artifact",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {"image": IMAGE, "interval": "1m", **spec},
    }


def state(world: World, kind: str = "Ready") -> tuple[str, str]:
    return condition(world.get(Kind.ARTIFACT, "app"), kind)


def running(world: World) -> list[str]:
    """The images of the ready replicas."""
    return [w["spec"]["components"][0]["image"] for w in world.workloads() if condition(w) == READY]


@told
async def test_a_new_digest_rolls_out_at_once(world: World) -> None:
    world.add_host(SimHost("h1", "host-one"))
    await world.start()
    world.registry.digests[IMAGE] = ONE
    world.apply(artifact())
    world.apply(deployment(image="artifact://app"))
    await world.until(lambda: running(world) == [f"registry.example/shop@{ONE}"])
    asked_count = len(world.registry.asked)
    await virtual_time.sleep(30)
    assert len(world.registry.asked) == asked_count == 1
    world.registry.digests[IMAGE] = TWO
    await world.until(lambda: len(world.registry.asked) == 2, within_s=31)
    await world.until(lambda: running(world) == [f"registry.example/shop@{TWO}"], within_s=5)
    assert condition(world.get(Kind.DEPLOYMENT, "hello"), "Artifact") == READY


@told
async def test_the_interval_is_kept_and_an_equal_answer_writes_nothing(world: World) -> None:
    world.registry.digests[IMAGE] = ONE
    await world.start()
    world.apply(artifact(interval="30s"))
    await world.until(lambda: state(world) == READY)
    world.cluster.writes.clear()
    await virtual_time.sleep(301)
    assert len(world.registry.asked) == 11
    assert only(world.cluster.writes, Kind.ARTIFACT) == []


@told
async def test_a_registry_that_fails_is_asked_less_and_less_and_its_last_digest_serves(world: World) -> None:
    world.add_host(SimHost("h1", "host-one"))
    world.registry.digests[IMAGE] = ONE
    await world.start()
    world.apply(artifact())
    await world.until(lambda: state(world) == READY)
    world.registry.failure = RegistryUnavailable("the registry answered 503")
    await world.until(lambda: state(world, "Sync") == ("False", "RegistryUnavailable"), within_s=70)
    assert state(world) == READY
    world.apply(deployment(image="artifact://app"))
    await world.until(lambda: running(world) == [f"registry.example/shop@{ONE}"])
    world.registry.asked.clear()
    await virtual_time.sleep(600)
    assert 10 <= len(world.registry.asked) <= 30
    world.registry.failure = None
    await world.until(lambda: state(world, "Sync") == READY, within_s=70)


@told
async def test_a_deployment_waits_for_a_repaired_pull_secret(world: World) -> None:
    world.add_host(SimHost("h1", "host-one"))
    world.registry.failure = AccessDenied("the registry answered 401")
    await world.start()
    world.apply(artifact(imagePullSecret={"name": "login"}))
    world.apply(deployment(image="artifact://app"))
    await world.until(lambda: state(world) == ("False", "SecretNotFound"))
    assert world.registry.asked == []
    waiting = condition(world.get(Kind.DEPLOYMENT, "hello"), "Artifact")
    assert waiting == ("False", "ArtifactNotReady")
    world.store.set_secret(key("login"), {".dockerconfigjson": b"[]"})
    await world.until(lambda: state(world) == ("False", "PullSecretInvalid"))
    entry = b'{"auths": {"registry.example": {"username": "me", "password": "pw"}}}'
    world.store.set_secret(key("login"), {".dockerconfigjson": entry})
    await world.until(lambda: state(world) == ("False", "RegistryAccessDenied"))
    assert world.registry.asked[-1] == (IMAGE, Credentials("me", "pw"))
    world.registry.failure = None
    world.registry.digests[IMAGE] = ONE
    await world.until(lambda: running(world) == [f"registry.example/shop@{ONE}"])


@told
async def test_a_changed_image_is_asked_for_at_once_and_a_deleted_artifact_never_more(world: World) -> None:
    other = "registry.example/other:1"
    world.registry.digests |= {IMAGE: ONE, other: TWO}
    await world.start()
    world.apply(artifact(interval="1h"))
    await world.until(lambda: state(world) == READY)
    world.apply(artifact(interval="1h", image=other))
    await world.until(lambda: (world.get(Kind.ARTIFACT, "app") or {})["status"].get("digest") == TWO, within_s=2)
    world.store.remove(artifact())
    world.registry.asked.clear()
    await virtual_time.sleep(7200)
    assert world.registry.asked == []


@told
async def test_a_slow_registry_holds_nothing_else_up(world: World) -> None:
    world.add_host(SimHost("h1", "host-one"))
    world.registry.delay_s = 30.0
    await world.start()
    for number in range(200):
        world.apply(artifact(f"slow-{number}"))
    world.apply(deployment())
    await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello")) == READY, within_s=5)
    assert len(world.registry.asked) <= 8


@told
async def test_a_restart_keeps_what_was_resolved(world: World) -> None:
    world.add_host(SimHost("h1", "host-one"))
    world.registry.digests[IMAGE] = ONE
    await world.start()
    world.apply(artifact())
    world.apply(deployment(image="artifact://app"))
    await world.until(lambda: running(world) == [f"registry.example/shop@{ONE}"])
    await world.kill()
    world.registry.failure = RegistryUnavailable("the host is unknown")
    await world.start()
    await world.until(lambda: state(world, "Sync") == ("False", "RegistryUnavailable"))
    assert state(world) == READY
    assert running(world) == [f"registry.example/shop@{ONE}"]
