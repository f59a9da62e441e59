"""What the memory store has beyond the port: kubectl's apply and delete, for the command line."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from wasmcloud_operator.adapters.memory_store import MemoryStore
from wasmcloud_operator.adapters.system_clock import SystemClock
from wasmcloud_operator.engine.ports import JsonObject, Rejected, Sight
from wasmcloud_operator.model.keys import Key, Kind, Ref

KEY = Key("default", "hello")
HELLO = Ref(Kind.DEPLOYMENT, KEY)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock())


def manifest(metadata: dict[str, Any] | None = None, **spec: Any) -> JsonObject:
    template = {"spec": {"components": [{"name": "main", "image": "file://hello.wasm"}]}}
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": {"namespace": "default", "name": "hello"} | (metadata or {}),
        "spec": {"template": template} | spec,
    }


def secret(**fields: Any) -> JsonObject:
    return {"kind": "Secret", "metadata": {"namespace": "default", "name": "hello"}} | fields


async def test_apply_creates_then_changes(store: MemoryStore) -> None:
    store.apply(manifest(replicas=1))
    store.apply(manifest(replicas=2))
    stored = await store.get(HELLO)
    assert stored is not None
    assert stored["spec"]["replicas"] == 2
    assert stored["metadata"]["generation"] == 2


async def test_apply_of_the_same_writes_nothing(store: MemoryStore) -> None:
    store.apply(manifest())
    before = await store.get(HELLO)
    store.apply(manifest())
    assert await store.get(HELLO) is before


async def test_apply_spares_what_others_wrote(store: MemoryStore) -> None:
    store.apply(manifest({"labels": {"mine": "1"}}))
    await store.patch(HELLO, {"metadata": {"annotations": {"theirs": "1"}}, "spec": {"replicas": 5}})
    store.apply(manifest({"labels": {"mine": "2"}}))
    stored = await store.get(HELLO)
    assert stored is not None
    assert stored["spec"]["replicas"] == 5
    assert stored["metadata"]["annotations"] == {"theirs": "1"}
    assert stored["metadata"]["labels"] == {"mine": "2"}


async def test_apply_removes_what_it_no_longer_names(store: MemoryStore) -> None:
    store.apply(manifest({"labels": {"a": "1", "b": "1"}}, paused=True))
    store.apply(manifest({"labels": {"b": "1"}}))
    stored = await store.get(HELLO)
    assert stored is not None
    assert stored["metadata"]["labels"] == {"b": "1"}
    assert "paused" not in stored["spec"]


async def test_what_apply_refuses_leaves_the_old_object(store: MemoryStore) -> None:
    store.apply(manifest(replicas=2))
    with pytest.raises(Rejected, match="deployPolicy"):
        store.apply(manifest(deployPolicy="Sideways"))
    store.apply(manifest(replicas=3))
    stored = await store.get(HELLO)
    assert stored is not None
    assert stored["spec"]["replicas"] == 3


async def test_config_maps_and_secrets_are_applied_and_removed(store: MemoryStore) -> None:
    config = {"kind": "ConfigMap", "metadata": {"namespace": "default", "name": "hello"}, "data": {"a": "1"}}
    store.apply(config)
    store.apply(secret(data={"a": "c2VjcmV0"}, stringData={"b": "plain"}))
    assert await store.config_map(KEY) == {"a": "1"}
    assert await store.secret(KEY) == {"a": b"secret", "b": b"plain"}
    store.remove(config)
    store.remove(secret())
    store.remove(secret())
    assert await store.config_map(KEY) is None
    assert await store.secret(KEY) is None


def test_a_secret_that_is_no_base64_is_refused(store: MemoryStore) -> None:
    with pytest.raises(Rejected, match="base64"):
        store.apply(secret(data={"a": "not base64!"}))


def test_another_kind_is_refused(store: MemoryStore) -> None:
    with pytest.raises(Rejected, match='kind "Pod"'):
        store.apply({"kind": "Pod", "metadata": {"namespace": "default", "name": "hello"}})


async def test_remove_deletes_and_apply_makes_a_new_object(store: MemoryStore) -> None:
    store.apply(manifest())
    first = await store.get(HELLO)
    store.remove(manifest())
    store.remove(manifest())
    assert await store.get(HELLO) is None
    store.apply(manifest())
    second = await store.get(HELLO)
    assert first is not None
    assert second is not None
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


async def test_every_watch_is_told_everything_in_order(store: MemoryStore) -> None:
    told: list[list[tuple[str, bool]]] = [[], []]
    store.apply(manifest())
    watches = [
        asyncio.create_task(store.run(lambda _, body, is_gone, log=log: log.append((body["kind"], is_gone))))
        for log in told
    ]
    await asyncio.wait(watches, timeout=0)
    store.apply(manifest(replicas=2))
    store.remove(manifest())
    await asyncio.wait(watches, timeout=0)
    for watch in watches:
        watch.cancel()
    await asyncio.wait(watches)
    kind = "WorkloadDeployment"
    assert told == [[(kind, False), (kind, False), (kind, True)]] * 2
    assert store.sight("") is Sight.PENDING
