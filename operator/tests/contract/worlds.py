"""The ports' two implementations, each as a world that a test can look at from outside."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ground.control_plane import OPERATOR, ControlPlane
from ground.wait import eventually_async
from wasmcloud_operator.adapters.kopf_watch import KopfWatch
from wasmcloud_operator.adapters.kubernetes_api import PLURALS, KubernetesApi, connect
from wasmcloud_operator.adapters.memory_store import MemoryStore
from wasmcloud_operator.adapters.system_clock import SystemClock
from wasmcloud_operator.engine.ports import Cluster, JsonObject, Sight, Watch
from wasmcloud_operator.model.keys import BUILT_IN, Key, Kind, Ref

_namespaces = (f"contract-{number}" for number in itertools.count())


@dataclass(frozen=True)
class SeenEvent:
    reason: str
    message: str
    kind: str
    name: str
    count: int
    is_warning: bool


class World(Protocol):
    """A cluster to test: the ports, and what a person could do and see beside them."""

    cluster: Cluster
    namespace: str
    other_namespace: str

    def watch(self) -> Watch: ...

    def put_config_map(self, key: Key, data: dict[str, str]) -> None: ...

    def put_secret(
        self, key: Key, data: dict[str, bytes], *, labels: dict[str, str] | None = None, kind: str = "Opaque"
    ) -> None: ...

    def events(self) -> list[SeenEvent]: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.cluster = self.store = MemoryStore(SystemClock())
        self.namespace, self.other_namespace = "one", "two"

    def watch(self) -> Watch:
        return self.store

    def put_config_map(self, key: Key, data: dict[str, str]) -> None:
        self.store.set_config_map(key, data)

    def put_secret(
        self, key: Key, data: dict[str, bytes], *, labels: dict[str, str] | None = None, kind: str = "Opaque"
    ) -> None:
        self.store.apply(secret(key, data, labels, kind))

    def events(self) -> list[SeenEvent]:
        return [
            SeenEvent(o.reason, o.message, o.regarding.kind, o.regarding.key.name, event.count, o.is_warning)
            for event in self.store.events()
            for o in [event.occurrence]
        ]


class KubernetesWorld:
    def __init__(self, plane: ControlPlane, api: KubernetesApi) -> None:
        self.plane = plane
        self.cluster = self.api = api
        self.namespace, self.other_namespace = next(_namespaces), next(_namespaces)
        for name in (self.namespace, self.other_namespace):
            plane.kubectl("create", "namespace", name)

    def watch(self) -> Watch:
        return KopfWatch(self.api, list(Kind), [self.namespace])

    def put_config_map(self, key: Key, data: dict[str, str]) -> None:
        literals = [f"--from-literal={name}={value}" for name, value in data.items()]
        self.plane.kubectl("create", "configmap", "-n", key.namespace, key.name, *literals)

    def put_secret(
        self, key: Key, data: dict[str, bytes], *, labels: dict[str, str] | None = None, kind: str = "Opaque"
    ) -> None:
        self.plane.kubectl("apply", "-f", "-", stdin=json.dumps(secret(key, data, labels, kind)))

    def events(self) -> list[SeenEvent]:
        found = json.loads(self.plane.kubectl("get", "events", "-n", self.namespace, "-o", "json"))["items"]
        return [
            SeenEvent(
                event["reason"],
                event["message"],
                event["involvedObject"]["kind"],
                event["involvedObject"]["name"],
                event["count"],
                event["type"] == "Warning",
            )
            for event in found
        ]


def secret(key: Key, data: dict[str, bytes], labels: dict[str, str] | None, kind: str) -> dict[str, Any]:
    metadata = {"namespace": key.namespace, "name": key.name, "labels": labels or {}}
    values = {name: value.decode() for name, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "stringData": values}


def grant(world: KubernetesWorld, namespace: str = "") -> None:
    """A Role in a namespace, the world's first, with all that the operator needs there, bound to it."""
    name, namespace = "ours", namespace or world.namespace
    ours = [
        f"{plural}{part}"
        for kind, plural in PLURALS.items()
        if kind not in BUILT_IN
        for part in ("", "/status", "/finalizers")
    ]
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    rules = [
        {"apiGroups": ["runtime.wasmcloud.dev"], "resources": ours, "verbs": verbs},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    metadata = {"name": name, "namespace": namespace}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    world.plane.kubectl("apply", "-f", "-", stdin=json.dumps(role))
    user = f"--user={OPERATOR.name}"
    world.plane.kubectl("create", "rolebinding", name, "-n", namespace, f"--role={name}", user)


def revoke(world: KubernetesWorld, namespace: str) -> None:
    """Take the Role away again."""
    world.plane.kubectl("delete", "role,rolebinding", "ours", "-n", namespace)


@contextlib.asynccontextmanager
async def opened(kubeconfig: Path) -> AsyncIterator[KubernetesApi]:
    api = KubernetesApi(await connect(kubeconfig))
    events = asyncio.create_task(api.run())
    try:
        yield api
    finally:
        events.cancel()
        await asyncio.wait([events])
        await api.close()


class Told:
    """What a watch told: every object that is there, by its newest body."""

    def __init__(self) -> None:
        self._bodies: dict[Ref, JsonObject] = {}

    def see(self, kind: Kind, body: JsonObject, is_gone: bool) -> None:
        metadata = body["metadata"]
        ref = Ref(kind, Key(metadata["namespace"], metadata["name"]))
        known = self._bodies.get(ref)
        if is_gone and known is not None and known["metadata"]["uid"] == metadata["uid"]:
            del self._bodies[ref]
        elif not is_gone and (known is None or version(known) <= version(body)):
            self._bodies[ref] = body

    def there(self, kind: Kind) -> set[Key]:
        return {ref.key for ref in self._bodies if ref.kind is kind}

    async def eventually(self, ref: Ref, body: JsonObject, within_s: float = 30) -> None:
        """The watch tells exactly what the write returned."""

        async def check() -> None:
            assert self._bodies.get(ref) == body

        await eventually_async(check, within_s=within_s)

    async def eventually_going(self, ref: Ref) -> None:
        async def check() -> None:
            assert "deletionTimestamp" in self._bodies[ref]["metadata"]

        await eventually_async(check, within_s=30)

    async def eventually_gone(self, ref: Ref) -> None:
        async def check() -> None:
            assert ref not in self._bodies

        await eventually_async(check, within_s=30)


def version(body: JsonObject) -> int:
    return int(body["metadata"]["resourceVersion"])


@contextlib.asynccontextmanager
async def told_by(watch: Watch) -> AsyncIterator[Told]:
    """Run a watch and collect what it tells."""
    told = Told()
    running = asyncio.create_task(watch.run(told.see))
    try:
        yield told
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled(), "the watch ended by itself"


async def assert_synced(watch: Watch, *namespaces: str) -> None:
    seen = {namespace: watch.sight(namespace) for namespace in namespaces}
    assert set(seen.values()) == {Sight.SYNCED}, f"not all is synced: {seen}"


def deployment(namespace: str, name: str, **spec: Any) -> JsonObject:
    """The smallest deployment there is."""
    template = {"spec": {"components": [{"name": "main", "image": "registry.local/hello:1"}]}}
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"template": template} | spec,
    }


def workload(namespace: str, name: str, **metadata: Any) -> JsonObject:
    return {
        "metadata": {"namespace": namespace, "name": name} | metadata,
        "spec": {"components": [{"name": "main", "image": "registry.local/hello:1"}]},
    }
