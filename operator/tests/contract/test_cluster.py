"""What the engine may rely on when it reads and writes objects, whoever answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ground.wait import eventually_async
from wasmcloud_operator.engine.ports import (
    AlreadyExists,
    Conflict,
    JsonObject,
    NotFound,
    Occurrence,
    Rejected,
    Withheld,
)
from wasmcloud_operator.model.keys import Key, Kind, Ref

from contract.worlds import SeenEvent, World, deployment, workload


async def create_deployment(world: World, name: str = "hello", **spec: Any) -> tuple[Ref, JsonObject]:
    body = deployment(world.namespace, name, **spec)
    return Ref(Kind.DEPLOYMENT, Key(world.namespace, name)), await world.cluster.create(Kind.DEPLOYMENT, body)


async def create_workload(world: World, name: str = "hello", **metadata: Any) -> tuple[Ref, JsonObject]:
    body = workload(world.namespace, name, **metadata)
    return Ref(Kind.WORKLOAD, Key(world.namespace, name)), await world.cluster.create(Kind.WORKLOAD, body)


def owner(kind: Kind, stored: JsonObject) -> dict[str, Any]:
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": str(kind),
        "name": stored["metadata"]["name"],
        "uid": stored["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


async def assert_gone(world: World, ref: Ref) -> None:
    assert await world.cluster.get(ref) is None, f"{ref} is still there"


async def test_create_returns_the_object_as_stored_with_defaults(world: World) -> None:
    _, stored = await create_deployment(world)
    assert stored["metadata"]["uid"]
    assert stored["metadata"]["resourceVersion"]
    assert stored["metadata"]["generation"] == 1
    assert stored["metadata"]["creationTimestamp"].endswith("Z")
    assert stored["apiVersion"] == "runtime.wasmcloud.dev/v1alpha1"
    assert stored["kind"] == "WorkloadDeployment"
    assert stored["spec"] == {
        "replicas": 1,
        "deployPolicy": "RollingUpdate",
        "progressDeadlineSeconds": 600,
        "restartOnConfigChange": True,
        "revisionHistoryLimit": 10,
        "template": {"spec": {"components": [{"name": "main", "image": "registry.local/hello:1"}]}},
    }


async def test_defaults_are_set_inside_lists_and_given_objects(world: World) -> None:
    _, stored = await create_deployment(
        world, rollingUpdate={}, topologySpreadConstraints=[{"topologyKey": "zone"}], replicas=0
    )
    assert stored["spec"]["replicas"] == 0
    assert stored["spec"]["rollingUpdate"] == {"maxSurge": "25%"}
    assert stored["spec"]["topologySpreadConstraints"] == [
        {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    ]


async def test_get_returns_what_create_returned(world: World) -> None:
    ref, stored = await create_deployment(world)
    assert await world.cluster.get(ref) == stored


async def test_get_of_nothing_is_none(world: World) -> None:
    assert await world.cluster.get(Ref(Kind.HOST, Key(world.namespace, "nobody"))) is None


async def test_unknown_fields_are_dropped(world: World) -> None:
    _, stored = await create_deployment(world, colour="blue")
    assert "colour" not in stored["spec"]


async def test_status_is_not_taken_at_creation(world: World) -> None:
    body = workload(world.namespace, "hello") | {"status": {"hostId": "forged"}}
    stored = await world.cluster.create(Kind.WORKLOAD, body)
    assert "status" not in stored


async def test_a_name_is_taken_once(world: World) -> None:
    await create_deployment(world)
    with pytest.raises(AlreadyExists):
        await create_deployment(world)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"deployPolicy": "Sideways"}, "deployPolicy"),
        ({"replicas": -1}, "replicas"),
        ({"replicas": "three"}, "replicas"),
        ({"template": {}}, "spec"),
        ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}, "must not both be 0"),
    ],
)
async def test_what_breaks_the_schema_is_rejected_and_named(world: World, spec: dict[str, Any], said: str) -> None:
    with pytest.raises(Rejected, match=said):
        await create_deployment(world, **spec)


async def test_a_patch_that_breaks_the_schema_is_rejected(world: World) -> None:
    ref, _ = await create_deployment(world)
    with pytest.raises(Rejected, match="deployPolicy"):
        await world.cluster.patch(ref, {"spec": {"deployPolicy": "Sideways"}})


async def test_a_host_has_no_spec_and_its_root_can_be_patched(world: World) -> None:
    body = {"metadata": {"namespace": world.namespace, "name": "kind-crow"}, "hostId": "h1", "httpPort": 8000}
    stored = await world.cluster.create(Kind.HOST, body)
    assert (stored["hostId"], stored["httpPort"]) == ("h1", 8000)
    ref = Ref(Kind.HOST, Key(world.namespace, "kind-crow"))
    patched = await world.cluster.patch(ref, {"httpPort": 8001})
    assert (patched["httpPort"], patched["metadata"]["generation"]) == (8001, 2)


async def test_a_changed_spec_makes_a_generation(world: World) -> None:
    ref, stored = await create_deployment(world)
    patched = await world.cluster.patch(ref, {"spec": {"replicas": 3}})
    assert patched["spec"]["replicas"] == 3
    assert patched["metadata"]["generation"] == 2
    assert patched["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]


async def test_labels_and_status_make_no_generation(world: World) -> None:
    ref, _ = await create_workload(world)
    await world.cluster.patch(ref, {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}})
    patched = await world.cluster.patch_status(ref, {"hostId": "h1"})
    assert patched["metadata"]["generation"] == 1
    assert patched["metadata"]["labels"] == {"a": "b"}
    assert patched["status"] == {"hostId": "h1"}


async def test_null_removes_a_field(world: World) -> None:
    ref, _ = await create_workload(world, annotations={"keep": "1", "drop": "2"})
    patched = await world.cluster.patch(ref, {"metadata": {"annotations": {"drop": None}}})
    assert patched["metadata"]["annotations"] == {"keep": "1"}


async def test_what_changes_nothing_writes_nothing(world: World) -> None:
    ref, _ = await create_workload(world)
    first = await world.cluster.patch_status(ref, {"hostId": "h1", "phase": "Running"})
    again = await world.cluster.patch_status(ref, {"hostId": "h1"})
    same = await world.cluster.patch(ref, {"spec": {"components": first["spec"]["components"]}})
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert same["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_spec_and_status_are_written_apart(world: World) -> None:
    ref, _ = await create_workload(world)
    patched = await world.cluster.patch(ref, {"status": {"hostId": "forged"}, "spec": {"hostId": "wish"}})
    assert patched["spec"]["hostId"] == "wish"
    assert "status" not in patched


async def test_lists_in_a_status_are_replaced_whole(world: World) -> None:
    ref, _ = await create_workload(world)
    ready = {"type": "Ready", "status": "True", "reason": "Available", "message": "", "observedGeneration": 1}
    ready |= {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    await world.cluster.patch_status(ref, {"conditions": [ready | {"type": "Sync"}, ready]})
    patched = await world.cluster.patch_status(ref, {"conditions": [ready]})
    assert [one["type"] for one in patched["status"]["conditions"]] == ["Ready"]


async def test_writes_to_what_is_not_there(world: World) -> None:
    ref = Ref(Kind.WORKLOAD, Key(world.namespace, "nobody"))
    with pytest.raises(NotFound):
        await world.cluster.patch(ref, {"spec": {"hostId": "h"}})
    with pytest.raises(NotFound):
        await world.cluster.patch_status(ref, {"hostId": "h"})
    await world.cluster.delete(ref, uid="00000000-0000-4000-8000-000000000000")


async def test_a_patch_for_an_older_object_of_that_name_finds_nothing(world: World) -> None:
    ref, _ = await create_workload(world)
    with pytest.raises(NotFound):
        await world.cluster.patch(
            ref, {"metadata": {"uid": "00000000-0000-4000-8000-000000000000", "labels": {"a": "b"}}}
        )


async def test_a_patch_for_an_older_version_is_a_conflict(world: World) -> None:
    ref, stored = await create_workload(world)
    await world.cluster.patch(ref, {"spec": {"hostId": "h1"}})
    old = {"metadata": {"resourceVersion": stored["metadata"]["resourceVersion"]}, "spec": {"hostId": "h2"}}
    with pytest.raises(Conflict):
        await world.cluster.patch(ref, old)


async def test_delete(world: World) -> None:
    ref, stored = await create_workload(world)
    await world.cluster.delete(ref, uid=stored["metadata"]["uid"])
    await assert_gone(world, ref)
    await world.cluster.delete(ref, uid=stored["metadata"]["uid"])


async def test_delete_spares_a_namesake(world: World) -> None:
    ref, stored = await create_workload(world)
    await world.cluster.delete(ref, uid=stored["metadata"]["uid"])
    _, second = await create_workload(world)
    await world.cluster.delete(ref, uid=stored["metadata"]["uid"])
    found = await world.cluster.get(ref)
    assert found is not None
    assert found["metadata"]["uid"] == second["metadata"]["uid"] != stored["metadata"]["uid"]


async def test_a_finalizer_keeps_the_object_until_it_is_taken_off(world: World) -> None:
    finalizer = "runtime.wasmcloud.dev/workload-finalizer"
    ref, stored = await create_workload(world, finalizers=[finalizer])
    await world.cluster.delete(ref, uid=stored["metadata"]["uid"])
    going = await world.cluster.get(ref)
    assert going is not None
    assert going["metadata"]["deletionTimestamp"]
    assert going["metadata"]["generation"] == 2
    with pytest.raises(Rejected):
        await world.cluster.patch(ref, {"metadata": {"finalizers": [finalizer, "example.com/late"]}})
    await world.cluster.patch(ref, {"metadata": {"finalizers": []}})
    await assert_gone(world, ref)


async def test_what_only_the_deleted_owned_goes_with_it(world: World) -> None:
    _, deployed = await create_deployment(world)
    replica_set = await world.cluster.create(
        Kind.REPLICA_SET,
        workload(world.namespace, "hello-1", ownerReferences=[owner(Kind.DEPLOYMENT, deployed)])
        | {"spec": {"template": deployed["spec"]["template"]}},
    )
    child, _ = await create_workload(world, "hello-1-0", ownerReferences=[owner(Kind.REPLICA_SET, replica_set)])
    bystander, _ = await create_workload(world, "bystander")
    await world.cluster.delete(Ref(Kind.DEPLOYMENT, Key(world.namespace, "hello")), uid=deployed["metadata"]["uid"])
    await eventually_async(lambda: assert_gone(world, child), within_s=60)
    assert await world.cluster.get(bystander) is not None


async def test_a_child_of_a_deleted_owner_goes(world: World) -> None:
    _, deployed = await create_deployment(world)
    await world.cluster.delete(Ref(Kind.DEPLOYMENT, Key(world.namespace, "hello")), uid=deployed["metadata"]["uid"])
    child, _ = await create_workload(world, "late", ownerReferences=[owner(Kind.DEPLOYMENT, deployed)])
    await eventually_async(lambda: assert_gone(world, child), within_s=60)


async def test_list_is_complete_beyond_a_page_and_keeps_to_its_namespace(world: World) -> None:
    names = [f"artifact-{number:03}" for number in range(520)]

    async def create(namespace: str, name: str) -> None:
        body = {"metadata": {"namespace": namespace, "name": name}, "spec": {"image": "registry.local/a:1"}}
        await world.cluster.create(Kind.ARTIFACT, body)

    await asyncio.gather(*(create(world.namespace, name) for name in names), create(world.other_namespace, "else"))
    found = await world.cluster.list(Kind.ARTIFACT, world.namespace)
    assert sorted(one["metadata"]["name"] for one in found) == names
    everywhere = await world.cluster.list(Kind.ARTIFACT, "")
    assert {world.namespace, world.other_namespace} <= {one["metadata"]["namespace"] for one in everywhere}
    assert await world.cluster.list(Kind.DEPLOYMENT, world.namespace) == []


async def test_config_maps_and_secrets(world: World) -> None:
    key = Key(world.namespace, "settings")
    assert await world.cluster.config_map(key) is None
    assert await world.cluster.secret(key) is None
    world.put_config_map(key, {"colour": "blue"})
    world.put_secret(key, {"token": b"s3cret"})
    assert await world.cluster.config_map(key) == {"colour": "blue"}
    assert await world.cluster.secret(key) == {"token": b"s3cret"}


async def test_secrets_that_workloads_may_not_have(world: World) -> None:
    withheld, release = Key(world.namespace, "keys"), Key(world.namespace, "sh.helm.release.v1.ours.v1")
    world.put_secret(withheld, {"token": b"s3cret"}, labels={"wasmcloud.dev/withheld": "true"})
    world.put_secret(release, {"release": b"s3cret"}, kind="helm.sh/release.v1")
    with pytest.raises(Withheld, match=r"its label wasmcloud\.dev/withheld keeps it from workloads"):
        await world.cluster.secret(withheld)
    with pytest.raises(Withheld, match="it is a release of Helm"):
        await world.cluster.secret(release)
    world.put_secret(withheld, {"token": b"s3cret"}, labels={"wasmcloud.dev/withheld": "false"})
    assert await world.cluster.secret(withheld) == {"token": b"s3cret"}


async def test_equal_events_become_one_with_a_count(world: World) -> None:
    ref, stored = await create_workload(world)
    uid = stored["metadata"]["uid"]

    async def assert_events(*expected: SeenEvent) -> None:
        assert sorted(world.events(), key=lambda event: event.reason) == list(expected)

    failed = SeenEvent("Failed", "pull failed", "Workload", "hello", 1, is_warning=True)
    await world.cluster.record(Occurrence(ref, uid, "Failed", "pull failed", is_warning=True))
    await eventually_async(lambda: assert_events(failed), within_s=20)
    for number in range(3):
        await world.cluster.record(Occurrence(ref, uid, "Failed", f"pull failed again, {number}", is_warning=True))
    await world.cluster.record(Occurrence(ref, uid, "Started", "on host h1", is_warning=False))
    again = SeenEvent("Failed", "pull failed again, 2", "Workload", "hello", 4, is_warning=True)
    started = SeenEvent("Started", "on host h1", "Workload", "hello", 1, is_warning=False)
    await eventually_async(lambda: assert_events(again, started), within_s=20)
