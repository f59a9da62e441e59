"""EndpointSlices as the operator writes them, judged by a real API server and its garbage collector."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ground.control_plane import OPERATOR
from ground.wait import eventually_async
from wasmcloud_operator.adapters.kopf_watch import KopfWatch
from wasmcloud_operator.adapters.kubernetes_api import KubernetesApi
from wasmcloud_operator.decide.routes import Address, Unroutable, address_of, plan_slices
from wasmcloud_operator.engine.ports import Rejected, Unavailable
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.metadata import Metadata, parse_metadata
from wasmcloud_operator.model.views import SliceView, parse

from contract.worlds import KubernetesWorld, assert_synced, grant, opened, told_by

FOUR, SIX = Address("ipv4", 8080, "10.1.2.3"), Address("ipv6", 9000, "fd00::1")
ENDPOINTS = {FOUR: True, SIX: False}


@pytest.fixture
async def as_operator(kubernetes: KubernetesWorld) -> AsyncIterator[KubernetesApi]:
    """The API for a user with the rights that the chart gives in a watched namespace, and no others."""
    grant(kubernetes)
    async with opened(kubernetes.plane.kubeconfig(OPERATOR)) as api:
        yield api


def create_service(world: KubernetesWorld) -> Metadata:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": world.namespace},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }
    stored = world.plane.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(body))
    return parse_metadata(json.loads(stored))


async def create_slices(api: KubernetesApi, service: Metadata) -> list[SliceView]:
    for body in plan_slices(service, ENDPOINTS, []).create:
        await api.create(Kind.ENDPOINT_SLICE, body)
    return await read_slices(api, service.key.namespace)


async def read_slices(api: KubernetesApi, namespace: str) -> list[SliceView]:
    views = [parse(Kind.ENDPOINT_SLICE, body) for body in await api.list(Kind.ENDPOINT_SLICE, namespace)]
    return [view for view in views if isinstance(view, SliceView)]


async def test_slices_are_taken_as_they_are_and_never_written_twice(
    kubernetes: KubernetesWorld, as_operator: KubernetesApi
) -> None:
    service = create_service(kubernetes)
    found = await create_slices(as_operator, service)
    assert [view.meta.key.name for view in found] == ["web-wasmcloud-ipv4-8080", "web-wasmcloud-ipv6-9000"]
    assert plan_slices(service, ENDPOINTS, found).is_empty


MEDDLINGS: list[dict[str, Any]] = [
    {"endpoints": []},
    {"endpoints": None},
    {"ports": [{"name": "other", "port": 1}]},
    {"ports": None},
    {"metadata": {"labels": None}},
    {"metadata": {"ownerReferences": None}},
]


@pytest.mark.parametrize("meddling", MEDDLINGS)
async def test_a_patch_puts_right_what_somebody_changed(
    kubernetes: KubernetesWorld, as_operator: KubernetesApi, meddling: dict[str, Any]
) -> None:
    service = create_service(kubernetes)
    found = await create_slices(as_operator, service)
    for view in found:
        await kubernetes.api.patch(Ref(Kind.ENDPOINT_SLICE, view.meta.key), meddling)
    plan = plan_slices(service, ENDPOINTS, await read_slices(as_operator, kubernetes.namespace))
    assert len(plan.patch) == len(found)
    for view, change in plan.patch:
        await as_operator.patch(Ref(Kind.ENDPOINT_SLICE, view.meta.key), change)
    assert plan_slices(service, ENDPOINTS, await read_slices(as_operator, kubernetes.namespace)).is_empty


async def test_a_service_made_anew_with_an_address_is_kube_proxy_s_again(
    kubernetes: KubernetesWorld, as_operator: KubernetesApi
) -> None:
    service = create_service(kubernetes)
    for body in plan_slices(service, ENDPOINTS, [], is_headless=True).create:
        await as_operator.create(Kind.ENDPOINT_SLICE, body)
    plan = plan_slices(service, ENDPOINTS, await read_slices(as_operator, kubernetes.namespace))
    for view, change in plan.patch:
        await as_operator.patch(Ref(Kind.ENDPOINT_SLICE, view.meta.key), change)
    found = await read_slices(as_operator, kubernetes.namespace)
    assert ["service.kubernetes.io/headless" in view.meta.labels for view in found] == [False, False]
    assert plan_slices(service, ENDPOINTS, found).is_empty


async def test_slices_go_with_their_service(kubernetes: KubernetesWorld, as_operator: KubernetesApi) -> None:
    await create_slices(as_operator, create_service(kubernetes))
    kubernetes.plane.kubectl("delete", "service", "web", "-n", kubernetes.namespace)

    async def check() -> None:
        assert await read_slices(as_operator, kubernetes.namespace) == []

    await eventually_async(check, within_s=60)


async def test_the_operator_reads_services_and_changes_none(
    kubernetes: KubernetesWorld, as_operator: KubernetesApi
) -> None:
    service = create_service(kubernetes)
    ref = Ref(Kind.SERVICE, service.key)
    assert await as_operator.get(ref) is not None
    assert [body["metadata"]["name"] for body in await as_operator.list(Kind.SERVICE, kubernetes.namespace)] == ["web"]
    with pytest.raises(Unavailable, match="cannot patch resource"):
        await as_operator.patch(ref, {"metadata": {"labels": {"a": "b"}}})


async def test_services_and_slices_are_watched(kubernetes: KubernetesWorld, as_operator: KubernetesApi) -> None:
    service = create_service(kubernetes)
    watch = KopfWatch(as_operator, [Kind.SERVICE, Kind.ENDPOINT_SLICE], [kubernetes.namespace])
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_synced(watch, kubernetes.namespace), within_s=30)
        assert told.there(Kind.SERVICE) == {service.key}
        (view, _) = await create_slices(as_operator, service)
        ref = Ref(Kind.ENDPOINT_SLICE, view.meta.key)
        await told.eventually(ref, dict(view.body) | {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"})
        await as_operator.delete(ref, uid=view.meta.uid)
        await told.eventually_gone(ref)


ADDRESSES = [
    "10.1.2.3",
    "192.0.2.1",
    "127.0.0.1",
    "0.0.0.0",
    "169.254.1.1",
    "node-1",
    "",
    "fd00::1",
    "2001:DB8:0:0::1",
    "::1",
    "::",
    "fe80::1",
    "fd00::1%eth0",
    "::ffff:10.1.2.3",
]


@pytest.mark.parametrize("hostname", ADDRESSES)
async def test_what_we_take_for_an_address_the_api_server_takes_too(
    kubernetes: KubernetesWorld, as_operator: KubernetesApi, hostname: str
) -> None:
    """And what we refuse, it would refuse for the whole slice: one bad host must not hide the good ones."""
    service = create_service(kubernetes)
    found = address_of(hostname, 80)
    if isinstance(found, Unroutable):
        family = "ipv6" if ":" in hostname else "ipv4"
        (body,) = plan_slices(service, {Address(family, 80, hostname): True}, []).create
        with pytest.raises(Rejected):
            await as_operator.create(Kind.ENDPOINT_SLICE, body)
    else:
        (body,) = plan_slices(service, {found: True}, []).create
        await as_operator.create(Kind.ENDPOINT_SLICE, body)


async def test_a_long_slice_is_taken_in_pages(kubernetes: KubernetesWorld, as_operator: KubernetesApi) -> None:
    service = create_service(kubernetes)
    wanted = {Address("ipv4", 80, f"10.0.{number // 200}.{number % 200 + 1}"): True for number in range(450)}
    for body in plan_slices(service, wanted, []).create:
        await as_operator.create(Kind.ENDPOINT_SLICE, body)
    found = await read_slices(as_operator, kubernetes.namespace)
    assert sorted(len(view.endpoints) for view in found) == [50, 100, 100, 100, 100]
    assert plan_slices(service, wanted, found).is_empty
    assert Key(kubernetes.namespace, "web-wasmcloud-ipv4-80-5") in {view.meta.key for view in found}
