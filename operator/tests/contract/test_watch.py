"""What the engine may rely on when it watches, whoever tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from ground.control_plane import ADMIN
from ground.wait import eventually_async
from wasmcloud_operator.adapters.kopf_watch import JointWatch, KopfWatch
from wasmcloud_operator.engine.ports import Sight
from wasmcloud_operator.model.keys import Key, Kind, Ref

from contract.worlds import KubernetesWorld, Told, World, assert_synced, deployment, opened, told_by, workload

FINALIZER = "runtime.wasmcloud.dev/workload-finalizer"


@pytest.fixture
async def told(world: World) -> AsyncIterator[Told]:
    """What a running watch told."""
    async with told_by(world.watch()) as told:
        yield told


async def test_what_is_there_is_told_before_the_watch_is_synced(world: World) -> None:
    for number in range(20):
        await world.cluster.create(Kind.WORKLOAD, workload(world.namespace, f"early-{number}"))
    await world.cluster.create(Kind.DEPLOYMENT, deployment(world.namespace, "early"))
    watch = world.watch()
    assert watch.sight(world.namespace) is Sight.PENDING
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_synced(watch, world.namespace), within_s=30)
        assert {key.name for key in told.there(Kind.WORKLOAD)} == {f"early-{number}" for number in range(20)}
        assert {key.name for key in told.there(Kind.DEPLOYMENT)} == {"early"}


async def test_an_empty_cluster_is_synced_too(world: World) -> None:
    watch = world.watch()
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_synced(watch, world.namespace), within_s=30)
        assert not any(told.there(kind) for kind in Kind)


async def test_changes_are_told_until_the_object_is_gone(world: World, told: Told) -> None:
    ref = Ref(Kind.WORKLOAD, Key(world.namespace, "hello"))
    created = await world.cluster.create(Kind.WORKLOAD, workload(world.namespace, "hello", finalizers=[FINALIZER]))
    await told.eventually(ref, created)
    patched = await world.cluster.patch(ref, {"spec": {"hostId": "h1"}})
    await told.eventually(ref, patched)
    with_status = await world.cluster.patch_status(ref, {"hostId": "h1"})
    await told.eventually(ref, with_status)
    await world.cluster.delete(ref, uid=created["metadata"]["uid"])
    await told.eventually_going(ref)
    await world.cluster.patch(ref, {"metadata": {"finalizers": []}})
    await told.eventually_gone(ref)


async def test_a_namesake_is_another_object(world: World, told: Told) -> None:
    ref = Ref(Kind.WORKLOAD, Key(world.namespace, "hello"))
    first = await world.cluster.create(Kind.WORKLOAD, workload(world.namespace, "hello"))
    await world.cluster.delete(ref, uid=first["metadata"]["uid"])
    second = await world.cluster.create(Kind.WORKLOAD, workload(world.namespace, "hello"))
    await told.eventually(ref, second)


async def test_every_kind_is_watched(world: World, told: Told) -> None:
    here = world.namespace
    bodies = {
        Kind.HOST: {"metadata": {"namespace": here, "name": "a"}, "hostId": "h"},
        Kind.WORKLOAD: workload(here, "a"),
        Kind.REPLICA_SET: deployment(here, "a") | {"kind": "WorkloadReplicaSet"},
        Kind.DEPLOYMENT: deployment(here, "a"),
        Kind.ARTIFACT: {"metadata": {"namespace": here, "name": "a"}, "spec": {"image": "registry.local/a:1"}},
        Kind.SERVICE: {"metadata": {"namespace": here, "name": "a"}, "spec": {"ports": [{"port": 80}]}},
        Kind.ENDPOINT_SLICE: {
            "metadata": {"namespace": here, "name": "a"},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"]}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        },
    }
    assert set(bodies) == set(Kind)
    for kind, body in bodies.items():
        await told.eventually(Ref(kind, Key(here, "a")), await world.cluster.create(kind, body))


async def test_a_stopped_watch_leaves_nothing_behind(world: World) -> None:
    before = asyncio.all_tasks()
    watch = world.watch()
    async with told_by(watch):
        await eventually_async(lambda: assert_synced(watch, world.namespace), within_s=30)
    assert asyncio.all_tasks() == before


async def test_closing_amid_calls_leaves_no_connection(kubernetes: KubernetesWorld) -> None:
    """Calls are cut at each stage: while connecting, while TLS is agreed on, while the answer comes."""
    port = urlsplit(kubernetes.plane.url).port
    left: set[int] = {one.fd for one in connections_to(port)}
    for milliseconds in range(0, 80, 2):
        async with (
            opened(kubernetes.plane.kubeconfig(ADMIN)) as api,
            told_by(KopfWatch(api, list(Kind), [kubernetes.namespace])),
        ):
            await asyncio.sleep(milliseconds / 1000)
        assert {one.fd for one in connections_to(port)} <= left, f"after {milliseconds} ms"


def connections_to(port: int | None) -> list[Any]:
    found = psutil.Process().net_connections(kind="tcp")
    return [one for one in found if one.raddr and one.raddr.port == port]


async def test_hosts_and_tenants_are_watched_in_their_own_namespaces(kubernetes: KubernetesWorld) -> None:
    async with opened(kubernetes.plane.kubeconfig(ADMIN)) as api:
        watch = JointWatch(
            [
                KopfWatch(api, [Kind.HOST], [kubernetes.namespace]),
                KopfWatch(api, [Kind.WORKLOAD], [kubernetes.other_namespace]),
            ]
        )
        for namespace in (kubernetes.namespace, kubernetes.other_namespace):
            await api.create(Kind.HOST, {"metadata": {"namespace": namespace, "name": "a"}, "hostId": "h"})
            await api.create(Kind.WORKLOAD, workload(namespace, "a"))
        async with told_by(watch) as told:
            places = (kubernetes.namespace, kubernetes.other_namespace)
            await eventually_async(lambda: assert_synced(watch, *places), within_s=30)
            assert told.there(Kind.HOST) == {Key(kubernetes.namespace, "a")}
            assert told.there(Kind.WORKLOAD) == {Key(kubernetes.other_namespace, "a")}


async def test_no_namespaces_means_all_of_them(kubernetes: KubernetesWorld) -> None:
    watch = KopfWatch(kubernetes.api, [Kind.WORKLOAD], [])
    places = (kubernetes.namespace, kubernetes.other_namespace)
    for namespace in places:
        await kubernetes.api.create(Kind.WORKLOAD, workload(namespace, "everywhere"))
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_synced(watch, ""), within_s=30)
        assert {Key(namespace, "everywhere") for namespace in places} <= told.there(Kind.WORKLOAD)
