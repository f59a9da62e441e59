"""The port Lease against a real API server."""

from __future__ import annotations

import dataclasses
import json

import pytest
from wasmcloud_operator.adapters.kubernetes_lease import KubernetesLease
from wasmcloud_operator.decide.leadership import LeaseRecord
from wasmcloud_operator.engine.ports import AlreadyExists, Conflict, NotFound, Unavailable
from wasmcloud_operator.model.keys import Key

from contract.worlds import KubernetesWorld

NEW = LeaseRecord("one", 15, acquired_s=1_790_000_000.25, renewed_s=1_790_000_002.5, transition_count=0)


@pytest.fixture
def lease(kubernetes: KubernetesWorld) -> KubernetesLease:
    return KubernetesLease(kubernetes.api, Key(kubernetes.namespace, "wasmcloud-operator"))


async def test_it_is_created_read_and_renewed(lease: KubernetesLease) -> None:
    assert await lease.read() is None
    created = await lease.write(NEW)
    assert dataclasses.replace(created, version="") == NEW
    assert await lease.read() == created
    renewed = await lease.write(dataclasses.replace(created, renewed_s=1_790_000_004.0))
    assert renewed.version != created.version
    assert await lease.read() == renewed


async def test_who_is_late_is_refused(lease: KubernetesLease) -> None:
    created = await lease.write(NEW)
    with pytest.raises(AlreadyExists):
        await lease.write(dataclasses.replace(NEW, holder="two"))
    await lease.write(dataclasses.replace(created, holder="two", transition_count=1))
    with pytest.raises(Conflict):
        await lease.write(dataclasses.replace(created, renewed_s=1_790_000_009.0))
    found = await lease.read()
    assert found is not None
    assert (found.holder, found.transition_count) == ("two", 1)


async def test_one_that_was_deleted_can_not_be_renewed(kubernetes: KubernetesWorld, lease: KubernetesLease) -> None:
    created = await lease.write(NEW)
    kubernetes.plane.kubectl("delete", "lease", "-n", kubernetes.namespace, "wasmcloud-operator")
    with pytest.raises(NotFound):
        await lease.write(created)
    assert await lease.read() is None


async def test_one_without_a_holder_is_free(lease: KubernetesLease) -> None:
    created = await lease.write(NEW)
    await lease.write(dataclasses.replace(created, holder="", duration_s=1))
    found = await lease.read()
    assert found is not None
    assert (found.holder, found.duration_s) == ("", 1)


async def test_an_empty_one_of_somebody_else_can_be_read(kubernetes: KubernetesWorld, lease: KubernetesLease) -> None:
    metadata = {"namespace": kubernetes.namespace, "name": "wasmcloud-operator"}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}
    kubernetes.plane.kubectl("create", "-f", "-", stdin=json.dumps(body))
    found = await lease.read()
    assert found is not None
    assert (found.holder, found.duration_s, found.transition_count) == ("", 15, 0)
    assert (await lease.write(dataclasses.replace(NEW, version=found.version))).holder == "one"


async def test_without_its_namespace_there_is_none(kubernetes: KubernetesWorld) -> None:
    lease = KubernetesLease(kubernetes.api, Key("no-such-namespace", "wasmcloud-operator"))
    assert await lease.read() is None
    with pytest.raises((NotFound, Unavailable)):
        await lease.write(NEW)
