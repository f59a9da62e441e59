"""Watching through what happens to API servers and rights."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from ground.control_plane import ADMIN, OPERATOR, ControlPlane
from ground.wait import eventually, eventually_async
from wasmcloud_operator.adapters.kopf_watch import KopfWatch
from wasmcloud_operator.adapters.kubernetes_api import KubernetesApi
from wasmcloud_operator.engine.ports import Sight, Unavailable
from wasmcloud_operator.model.keys import Key, Kind, Ref

from contract.worlds import KubernetesWorld, assert_synced, grant, opened, revoke, told_by, workload

DISCOVERY = {
    "/api",
    "/api/v1",
    "/apis",
    "/apis/admissionregistration.k8s.io/v1",
    "/apis/apiextensions.k8s.io/v1",
    "/apis/discovery.k8s.io/v1",
    "/apis/runtime.wasmcloud.dev/v1alpha1",
}


@pytest.fixture
async def as_operator(kubernetes: KubernetesWorld) -> AsyncIterator[KubernetesApi]:
    """The API for a user who has no rights but those that a test gives."""
    async with opened(kubernetes.plane.kubeconfig(OPERATOR)) as api:
        yield api


async def assert_answered(watch: KopfWatch, *, is_answered: bool = True) -> None:
    assert watch.is_answered() is is_answered


def assert_granted(world: KubernetesWorld) -> None:
    """The API server's authorizer learns of a Role by a watch of its own."""
    for verb in ("list", "watch", "create"):
        world.plane.kubectl("auth", "can-i", verb, "workloads", "-n", world.namespace, user=OPERATOR)


async def test_roles_are_enough_and_nothing_cluster_wide_is_asked(
    kubernetes: KubernetesWorld, as_operator: KubernetesApi
) -> None:
    grant(kubernetes)
    await asyncio.to_thread(eventually, lambda: assert_granted(kubernetes), within_s=30)
    before = len(kubernetes.plane.audited())
    watch = KopfWatch(as_operator, list(Kind), [kubernetes.namespace])
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_synced(watch, kubernetes.namespace), within_s=30)
        ref = Ref(Kind.WORKLOAD, Key(kubernetes.namespace, "hello"))
        created = await as_operator.create(Kind.WORKLOAD, workload(kubernetes.namespace, "hello"))
        await told.eventually(ref, created)
    calls = kubernetes.plane.audited()[before:]
    # Which kinds there are is told to everyone who is logged in: no Role is needed.
    assert {call["requestURI"] for call in calls if "objectRef" not in call} <= DISCOVERY
    resources = [call for call in calls if "objectRef" in call]
    assert {call["objectRef"]["namespace"] for call in resources} == {kubernetes.namespace}
    assert {call["verb"] for call in resources} == {"list", "watch", "create"}
    assert {call["responseStatus"]["code"] for call in calls} <= {200, 201}


async def test_rights_that_come_later_are_enough(kubernetes: KubernetesWorld, as_operator: KubernetesApi) -> None:
    watch = KopfWatch(as_operator, [Kind.WORKLOAD], [kubernetes.namespace])
    ref = Ref(Kind.WORKLOAD, Key(kubernetes.namespace, "hello"))
    created = await kubernetes.api.create(Kind.WORKLOAD, workload(kubernetes.namespace, "hello"))
    with pytest.raises(Unavailable, match="cannot get resource"):
        await as_operator.get(ref)
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_refused(kubernetes.plane, 3), within_s=60)
        assert watch.sight(kubernetes.namespace) is Sight.REFUSED
        assert watch.is_answered()
        grant(kubernetes)
        await eventually_async(lambda: assert_synced(watch, kubernetes.namespace), within_s=60)
        await told.eventually(ref, created)
        assert watch.is_answered()


async def test_a_namespace_that_is_refused_holds_up_no_other(
    kubernetes: KubernetesWorld, as_operator: KubernetesApi, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = kubernetes.namespace, kubernetes.other_namespace
    grant(kubernetes, here)
    watch = KopfWatch(as_operator, [Kind.WORKLOAD, Kind.SERVICE], [here, there])
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_sights(watch, {here: Sight.SYNCED, there: Sight.REFUSED}), within_s=60)
        created = await as_operator.create(Kind.WORKLOAD, workload(here, "hello"))
        await told.eventually(Ref(Kind.WORKLOAD, Key(here, "hello")), created)
        grant(kubernetes, there)
        await eventually_async(lambda: assert_synced(watch, here, there), within_s=60)
    assert [record for record in caplog.records if "APIForbiddenError" in record.getMessage()] == []


async def test_rights_that_go_and_come_back_make_all_be_told_again(
    kubernetes: KubernetesWorld, as_operator: KubernetesApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "kopf")
    here, there = kubernetes.namespace, kubernetes.other_namespace
    for namespace in (here, there):
        grant(kubernetes, namespace)
    watch = KopfWatch(as_operator, [Kind.WORKLOAD], [here, there])
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_synced(watch, here, there), within_s=30)
        revoke(kubernetes, there)
        with restarted(kubernetes.plane):  # a watch that is open is not cut when the right to it goes
            await eventually_async(lambda: assert_answered(watch, is_answered=False), within_s=60)
        await eventually_async(lambda: assert_sights(watch, {here: Sight.SYNCED, there: Sight.REFUSED}), within_s=60)
        created = await kubernetes.api.create(Kind.WORKLOAD, workload(there, "hello"))
        grant(kubernetes, there)
        await eventually_async(lambda: assert_synced(watch, here, there), within_s=60)
        assert Key(there, "hello") in told.there(Kind.WORKLOAD)
        await told.eventually(Ref(Kind.WORKLOAD, Key(there, "hello")), created)


async def assert_sights(watch: KopfWatch, wanted: dict[str, Sight]) -> None:
    seen = {namespace: watch.sight(namespace) for namespace in wanted}
    assert seen == wanted


async def assert_refused(plane: ControlPlane, count: int) -> None:
    calls = [call for call in plane.audited() if call["responseStatus"]["code"] == 403]
    assert len(calls) >= count, f"refused {len(calls)} times so far"


async def test_the_api_server_may_be_killed_and_come_back(
    kubernetes: KubernetesWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "kopf")
    plane = kubernetes.plane
    watch = KopfWatch(kubernetes.api, [Kind.WORKLOAD, Kind.HOST], [kubernetes.namespace])
    ref = Ref(Kind.WORKLOAD, Key(kubernetes.namespace, "hello"))
    async with told_by(watch) as told:
        await eventually_async(lambda: assert_synced(watch, kubernetes.namespace), within_s=30)
        await kubernetes.api.create(Kind.WORKLOAD, workload(kubernetes.namespace, "hello"))
        with restarted(plane):
            await eventually_async(lambda: assert_answered(watch, is_answered=False), within_s=60)
            with pytest.raises(Unavailable):
                await kubernetes.api.get(ref)
        await assert_synced(watch, kubernetes.namespace)
        patched = await kubernetes.api.patch(ref, {"spec": {"hostId": "h1"}})
        await told.eventually(ref, patched, within_s=60)
        await eventually_async(lambda: assert_answered(watch), within_s=60)


async def test_a_token_that_was_replaced_is_used(kubernetes: KubernetesWorld) -> None:
    async with opened(kubernetes.plane.kubeconfig(ADMIN)) as api:
        keys = api._client.configuration.api_key
        right = keys["BearerToken"]
        keys["BearerToken"] = "Bearer expired"
        ref = Ref(Kind.WORKLOAD, Key(kubernetes.namespace, "hello"))
        with pytest.raises(Unavailable, match="401"):
            await api.get(ref)
        watch = KopfWatch(api, [Kind.WORKLOAD], [kubernetes.namespace])
        async with told_by(watch) as told:
            keys["BearerToken"] = right
            created = await api.create(Kind.WORKLOAD, workload(kubernetes.namespace, "hello"))
            await told.eventually(ref, created)
            keys["BearerToken"] = "Bearer expired again"
            with restarted(kubernetes.plane):
                await eventually_async(lambda: assert_answered(watch, is_answered=False), within_s=60)
            keys["BearerToken"] = right
            patched = await api.patch(ref, {"spec": {"hostId": "h1"}})
            await told.eventually(ref, patched, within_s=60)


@contextlib.contextmanager
def restarted(plane: ControlPlane) -> Iterator[None]:
    """The API server is down inside of the block and serves again after it."""
    plane.api_server.kill()
    try:
        yield
    finally:
        plane.api_server.start()
        eventually(plane.assert_ready, within_s=180, every_s=0.2)


async def test_crds_may_come_after_the_operator_and_go_and_come_back(
    kubernetes: KubernetesWorld, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    plane = kubernetes.plane
    name = "artifacts.runtime.wasmcloud.dev"
    definition = json.loads(plane.kubectl("get", "crd", name, "-o", "json"))
    plane.kubectl("delete", "crd", name)
    watch = KopfWatch(kubernetes.api, list(Kind), [kubernetes.namespace])
    try:
        async with told_by(watch) as told:
            await eventually_async(lambda: assert_logged(caplog, "crds_missing"), within_s=60)
            assert watch.sight(kubernetes.namespace) is Sight.PENDING
            restore(plane, definition)
            await eventually_async(lambda: assert_synced(watch, kubernetes.namespace), within_s=60)
            body = {"metadata": {"namespace": kubernetes.namespace, "name": "a"}, "spec": {"image": "r.local/a:1"}}
            ref = Ref(Kind.ARTIFACT, Key(kubernetes.namespace, "a"))
            await told.eventually(ref, await kubernetes.api.create(Kind.ARTIFACT, body))
            plane.kubectl("delete", "crd", name)
            await told.eventually_gone(ref)
            await eventually_async(lambda: assert_logged(caplog, "watch_failed"), within_s=60)
            restore(plane, definition)
            await eventually_async(lambda: assert_answered(watch), within_s=60)
            await told.eventually(ref, await kubernetes.api.create(Kind.ARTIFACT, body), within_s=60)
    finally:
        restore(plane, definition)
    assert asyncio.all_tasks() == before


def restore(plane: ControlPlane, definition: dict[str, object]) -> None:
    """Apply a CRD again and wait until it is served."""
    kept = {"name": definition["metadata"]["name"]}  # type: ignore[index]
    body = {key: definition[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": kept}
    plane.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    plane.kubectl("wait", "crd", kept["name"], "--for=condition=Established", "--timeout=60s")


async def assert_logged(caplog: pytest.LogCaptureFixture, event: str) -> None:
    assert event in [record.getMessage() for record in caplog.records]
