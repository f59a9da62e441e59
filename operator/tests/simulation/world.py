"""A cluster to simulate: store, bus, hosts, and an engine that may be killed and started again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from wasmcloud_operator.adapters.memory_store import MemoryStore
from wasmcloud_operator.engine.engine import Engine
from wasmcloud_operator.engine.options import Options
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.marks import PLACED_ON

from simulation import virtual_time
from simulation.bus import SimBus
from simulation.faults import ShakyCluster
from simulation.hosts import SimHost
from simulation.registry import SimRegistry
from simulation.virtual_time import SimClock

NAMESPACE = "shop"
HOSTS_NAMESPACE = "wasmcloud"


class World:
    """Everything there is in one simulation."""

    def __init__(self, seed: int = 0, *, options: Options | None = None) -> None:
        self.chance = random.Random(seed)
        self.clock = SimClock(random.Random(seed + 1))
        self.store = MemoryStore(self.clock)
        self.bus = SimBus()
        self.registry = SimRegistry()
        self.options = options or Options(host_namespace=HOSTS_NAMESPACE)
        self.cluster = ShakyCluster(self.store, self.clock, random.Random(seed + 2))
        self.engine: Engine | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Engine:
        """Start the operator."""
        self.engine = Engine(self.cluster, self.cluster, self.bus, self.registry, self.clock, self.options)
        self._task = asyncio.create_task(self.engine.run())
        await self.engine.ready()
        return self.engine

    async def kill(self) -> None:
        """End the operator wherever it is."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = self.engine = None

    def add_host(self, host: SimHost) -> SimHost:
        self.bus.add(host)
        return host

    def apply(self, body: dict[str, Any]) -> None:
        self.store.apply(body)

    def get(self, kind: Kind, name: str, namespace: str = NAMESPACE) -> dict[str, Any] | None:
        found = [o for o in self.store.objects(kind, namespace) if o["metadata"]["name"] == name]
        return dict(found[0]) if found else None

    def workloads(self) -> list[dict[str, Any]]:
        return [dict(body) for body in self.store.objects(Kind.WORKLOAD)]

    async def until(self, claim: Callable[[], object], *, within_s: float = 30.0) -> None:
        """Wait on virtual time until a claim is true."""
        deadline_s = self.clock.monotonic() + within_s
        while not claim():
            assert self.clock.monotonic() < deadline_s, f"not true within {within_s} s:\n{self.picture()}"
            await asyncio.sleep(0.01)

    def picture(self) -> str:
        """Describe everything, for people who read a failure."""
        lines = []
        for kind in Kind:
            for body in self.store.objects(kind):
                status = body.get("status", {})
                conditions = [
                    f"{c['type']}={c['status']}/{c['reason']}: {c.get('message', '')}"
                    for c in status.get("conditions", ())
                    if c["type"] in ("Ready", "Deploy", "HostSelection")
                ]
                rest = {k: v for k, v in status.items() if k in ("hostId", "phase", "replicas", "restarts")}
                rest |= {k: v for k, v in body["metadata"].get("annotations", {}).items() if k == PLACED_ON}
                lines.append(
                    f"{kind} {body['metadata']['name']} {body.get('spec', {}).get('replicas', '')} {rest} {conditions}"
                )
        lines += [f"{h.host_id} connected={h.is_connected} runs={sorted(h.running)}" for h in self.bus.hosts.values()]
        return "\n".join(lines)


def condition(body: dict[str, Any] | None, kind: str = "Ready") -> tuple[str, str]:
    """Return status and reason of a condition."""
    for found in (body or {}).get("status", {}).get("conditions", ()):
        if found["type"] == kind:
            return found["status"], found["reason"]
    return "", ""


def deployment(
    name: str = "hello", replicas: int = 1, image: str = "registry.example/hello:1", **spec: Any
) -> dict[str, Any]:
    """Return a WorkloadDeployment."""
    template = {"spec": {"components": [{"name": "app", "image": image}]}}
    template["spec"].update(spec.pop("template", {}))
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {"replicas": replicas, "template": template, **spec},
    }


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    """Return a Service whose endpoints the operator keeps."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {"ports": [{"name": "http", "port": 80}], **spec},
    }


def key(name: str) -> Key:
    return Key(NAMESPACE, name)


def ref(kind: Kind, name: str) -> Ref:
    return Ref(kind, Key(NAMESPACE, name))


def told(story: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Make a test of a story: it is told in a world of its own, on virtual time, and nothing is left running."""

    def test() -> None:
        async def tell() -> None:
            world = World()
            try:
                await story(world)
            finally:
                if world.engine is not None:
                    await world.kill()
            left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert left == []

        virtual_time.run(tell())

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test
