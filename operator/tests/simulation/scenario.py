"""A seeded generator of clusters, manifests and faults: an hour of bad luck in a second."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable
from typing import Any

from wasmcloud_api.crds import WorkloadDeploymentSpec
from wasmcloud_api.names import DRAINING_LABEL, MAX_WORKLOADS_LABEL
from wasmcloud_api.wire import WorkloadState, encode
from wasmcloud_operator.engine.options import Options
from wasmcloud_operator.model.keys import Kind

from simulation.faults import Weather
from simulation.hosts import BAD_IMAGE, SimHost
from simulation.world import HOSTS_NAMESPACE, NAMESPACE, World, deployment, key, ref, service

OPTIONS = Options(
    host_namespace=HOSTS_NAMESPACE, watch_namespaces=(NAMESPACE,), probe_interval_s=1.0, resync_interval_s=60.0
)
IMAGES = [f"registry.example/app:{n}" for n in range(1, 5)]
SERVICE_COUNT = 2
CALM = Weather(call_s=0.003)

Action = Callable[["Scenario"], Awaitable[None]]


class Scenario:
    """One world and what befalls it. Everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed, options=OPTIONS)
        self.chance = random.Random(seed)
        self.hosts: list[SimHost] = []
        self.deployments: dict[str, dict[str, Any]] = {}
        self.specs: dict[str, WorkloadDeploymentSpec] = {}
        self.log: list[str] = []
        self.disturbed_s = 0.0
        self.wished_s = 0.0

    def note(self, text: str) -> None:
        self.log.append(f"{self.world.clock.monotonic():8.3f} {text}")

    def disturb(self, text: str) -> None:
        """Note something that hosts or the network did, so that replicas may be fewer through no fault of ours."""
        self.note(text)
        self.disturbed_s = self.world.clock.monotonic()

    async def begin(self) -> None:
        """Set the scene: hosts, a first operator, first manifests."""
        for n in range(self.chance.randint(2, 6)):
            self.hosts.append(self._some_host(n))
        self.world.cluster.weather = dataclasses.replace(CALM)
        self.world.store.set_config_map(key("settings"), {"A": "1"})
        for host in self.hosts:
            self.world.add_host(host)
        await self.world.start()
        for number in range(SERVICE_COUNT):
            self.world.apply(service(f"web-{number}"))
        for n in range(self.chance.randint(1, 4)):
            self.apply(self._some_deployment(f"app-{n}"))

    async def befall(self, count: int) -> None:
        """Let things happen, one after the other."""
        for _ in range(count):
            await asyncio.sleep(self.chance.expovariate(1 / 6))
            await self.chance.choices(list(ACTIONS), weights=list(ACTIONS.values()))[0](self)

    async def calm_down(self) -> None:
        """End all faults: whoever is away comes back, or stays away for good."""
        self.note("calm")
        world = self.world
        world.cluster.weather = dataclasses.replace(CALM)
        world.cluster.allow(NAMESPACE)
        world.clock.step_s = 0.0
        world.bus.delay_s = 0.0005
        if not world.bus.is_up:
            world.bus.up()
        for n, host in enumerate(self.hosts):
            host.is_mute = False
            if not host.is_connected and (n == 0 or self.chance.random() < 0.7):
                world.bus.add(host)
        if world.engine is None:
            await world.start()
        for number in range(SERVICE_COUNT):
            world.apply(service(f"web-{number}"))

    def apply(self, body: dict[str, Any]) -> None:
        self.note(f"apply {body['metadata']['name']} {body['spec']}")
        self.deployments[body["metadata"]["name"]] = body
        self.specs[body["metadata"]["name"]] = WorkloadDeploymentSpec.model_validate(body["spec"])
        self.wished_s = self.world.clock.monotonic()
        self.world.apply(body)

    def _some_host(self, n: int) -> SimHost:
        chance = self.chance
        labels = {"zone": f"z{n % 3}"}
        if chance.random() < 0.15:
            labels[MAX_WORKLOADS_LABEL] = str(chance.randint(2, 8))
        return SimHost(
            f"h{n}",
            f"host-{n}",
            labels,
            address=f"10.0.0.{n + 1}",
            environment=chance.choices(["", NAMESPACE, "other"], weights=[7, 2, 1])[0],
            start_s=chance.choice([0.001, 0.05, 0.5, 2.0]),
            knows_list=chance.random() < 0.8,
        )

    def _some_deployment(self, name: str) -> dict[str, Any]:
        chance = self.chance
        template: dict[str, Any] = {}
        if chance.random() < 0.2:
            template["hostSelector"] = {"zone": f"z{chance.randrange(3)}"}
        if chance.random() < 0.15:
            template["environment"] = NAMESPACE
        if chance.random() < 0.15:
            template["components"] = [
                {
                    "name": "app",
                    "image": chance.choice(IMAGES),
                    "localResources": {"environment": {"configFrom": [{"name": "settings"}]}},
                }
            ]
        spec: dict[str, Any] = {"deployPolicy": chance.choices(["RollingUpdate", "Recreate"], weights=[4, 1])[0]}
        if chance.random() < 0.4:
            surge, unavailable = chance.choice([(1, 0), (0, 1), ("50%", "50%"), (3, 1)])
            spec["rollingUpdate"] = {"maxSurge": surge, "maxUnavailable": unavailable}
        if chance.random() < 0.2:
            spec["minReadySeconds"] = chance.randint(1, 5)
        if chance.random() < 0.2:
            when = chance.choice(["DoNotSchedule", "ScheduleAnyway"])
            spec["topologySpreadConstraints"] = [{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": when}]
        if chance.random() < 0.5:
            spec["kubernetes"] = {"service": {"name": f"web-{chance.randrange(SERVICE_COUNT)}"}}
        return deployment(name, chance.randint(0, 6), chance.choice(IMAGES), template=template, **spec)


async def scale(scenario: Scenario) -> None:
    body = _some(scenario)
    if body is not None:
        body["spec"]["replicas"] = scenario.chance.randint(0, 7)
        scenario.apply(body)


async def change_image(scenario: Scenario) -> None:
    body = _some(scenario)
    if body is not None:
        image = scenario.chance.choices([*IMAGES, BAD_IMAGE], weights=[2, 2, 2, 2, 1])[0]
        body["spec"]["template"]["spec"]["components"][0]["image"] = image
        scenario.apply(body)


async def remove(scenario: Scenario) -> None:
    body = _some(scenario)
    if body is not None:
        scenario.note(f"remove {body['metadata']['name']}")
        scenario.wished_s = scenario.world.clock.monotonic()
        del scenario.deployments[body["metadata"]["name"]]
        scenario.world.store.remove(body)


async def add(scenario: Scenario) -> None:
    if len(scenario.deployments) < 5:
        scenario.apply(scenario._some_deployment(f"app-{scenario.chance.randrange(8)}"))


async def kill_operator(scenario: Scenario) -> None:
    """Kill the operator at some await, not only where time passes."""
    world = scenario.world
    if world.engine is None:
        return
    for _ in range(scenario.chance.randrange(40)):
        await asyncio.sleep(0)
    scenario.note("operator killed")
    await world.kill()
    await asyncio.sleep(scenario.chance.choice([0.0, 0.1, 5.0, 40.0]))
    scenario.note("operator started")
    await world.start()


async def kill_host(scenario: Scenario) -> None:
    host = scenario.chance.choice(scenario.hosts)
    if host.is_connected:
        scenario.disturb(f"{host.host_id} dies")
        host.die()


async def cut_host(scenario: Scenario) -> None:
    host = scenario.chance.choice(scenario.hosts)
    scenario.disturb(f"{host.host_id} is cut off with all that runs on it")
    host.is_connected = False


async def return_host(scenario: Scenario) -> None:
    for host in scenario.hosts:
        if not host.is_connected:
            scenario.disturb(f"{host.host_id} is back")
            scenario.world.add_host(host)
            return


async def mute_host(scenario: Scenario) -> None:
    host = scenario.chance.choice(scenario.hosts)
    host.is_mute = not host.is_mute
    scenario.disturb(f"{host.host_id} mute: {host.is_mute}")


async def drain_host(scenario: Scenario) -> None:
    host = scenario.chance.choice(scenario.hosts)
    if host.labels.pop(DRAINING_LABEL, None) is None:
        host.labels[DRAINING_LABEL] = "true"
    scenario.disturb(f"{host.host_id} drains: {DRAINING_LABEL in host.labels}")
    scenario.world.bus.publish(host)


async def nats_away(scenario: Scenario) -> None:
    """Take NATS away, and bring it back with the hosts coming one by one."""
    bus = scenario.world.bus
    scenario.disturb("NATS is down")
    bus.down()
    await asyncio.sleep(scenario.chance.choice([0.05, 2.0, 30.0]))
    present = [host for host in scenario.hosts if host.is_connected]
    for host in present:
        host.is_connected = False
    scenario.disturb("NATS is up")
    bus.up()
    for host in present:
        await asyncio.sleep(scenario.chance.uniform(0, 1))
        bus.add(host)
    scenario.disturb("all hosts are back")


async def crash_workload(scenario: Scenario) -> None:
    running = [r for host in scenario.hosts for r in host.running.values()]
    if running:
        crashed = scenario.chance.choice(running)
        crashed.state, crashed.message = WorkloadState.ERROR, "the service ended with code 1"
        scenario.disturb(f"{crashed.workload.name} crashes")


async def change_weather(scenario: Scenario) -> None:
    chance = scenario.chance
    scenario.world.cluster.weather = Weather(
        error=chance.choice([0.0, 0.05, 0.3]),
        lost_answer=chance.choice([0.0, 0.05, 0.2]),
        late_event=chance.choice([0.0, 0.3]),
        lost_event=chance.choice([0.0, 0.1]),
        double_event=chance.choice([0.0, 0.3]),
        call_s=chance.choice([0.001, 0.01, 0.2]),
        is_api_down=chance.random() < 0.15,
    )
    scenario.note(f"{scenario.world.cluster.weather}")


async def good_weather(scenario: Scenario) -> None:
    scenario.note("good weather")
    scenario.world.cluster.weather = dataclasses.replace(CALM)


async def refuse_namespace(scenario: Scenario) -> None:
    """Take the operator's rights in the namespace away, or give them back, as its admin might."""
    cluster = scenario.world.cluster
    if NAMESPACE in cluster.refused:
        scenario.disturb("the namespace is allowed again")
        cluster.allow(NAMESPACE)
    else:
        scenario.disturb("the namespace is refused")
        cluster.refuse(NAMESPACE)


async def forge(scenario: Scenario) -> None:
    liar = SimHost("h0", "host-0", {"zone": "nowhere"})
    scenario.world.bus.publish_raw(scenario.chance.choice(["h0", "h1", "x"]), encode(liar.heartbeat())[:-1])
    scenario.world.bus.publish_raw("h77", encode(liar.heartbeat()))


async def step_clock(scenario: Scenario) -> None:
    scenario.world.clock.step_s = scenario.chance.choice([-120.0, -1.0, 0.0, 1.0, 300.0])
    scenario.note(f"clock step {scenario.world.clock.step_s}")


async def change_config(scenario: Scenario) -> None:
    scenario.wished_s = scenario.world.clock.monotonic() + 30.0
    scenario.note("config changes")
    scenario.world.store.set_config_map(key("settings"), {"A": str(scenario.chance.randrange(3))})


async def slow_network(scenario: Scenario) -> None:
    scenario.world.bus.delay_s = scenario.chance.choice([0.0005, 0.05, 3.0])
    scenario.disturb(f"network {scenario.world.bus.delay_s}")


async def delete_workload(scenario: Scenario) -> None:
    """Delete one Workload as a person might."""
    found = scenario.world.store.objects(Kind.WORKLOAD)
    if found:
        body = dict(scenario.chance.choice(list(found)))
        scenario.disturb(f"somebody deletes {body['metadata']['name']}")
        scenario.world.store.remove(body)


async def meddle_with_slice(scenario: Scenario) -> None:
    """Change or delete an EndpointSlice as a person might."""
    found = scenario.world.store.objects(Kind.ENDPOINT_SLICE)
    if found:
        body = scenario.chance.choice(list(found))
        scenario.note(f"somebody meddles with {body['metadata']['name']}")
        if scenario.chance.random() < 0.5:
            scenario.world.store.remove(body)
        else:
            meddled = ref(Kind.ENDPOINT_SLICE, body["metadata"]["name"])
            await scenario.world.store.patch(meddled, {"endpoints": [], "metadata": {"labels": None}})


async def meddle_with_service(scenario: Scenario) -> None:
    """Delete a Service, make it anew, or have Kubernetes keep its endpoints for a while."""
    body = service(f"web-{scenario.chance.randrange(SERVICE_COUNT)}")
    choice = scenario.chance.randrange(3)
    scenario.note(f"Service {body['metadata']['name']} {('deleted', 'as it was', 'with a selector')[choice]}")
    if choice == 0:
        scenario.world.store.remove(body)
    else:
        scenario.world.apply({**body, "spec": {**body["spec"], "selector": {"app": "x"} if choice == 2 else None}})


ACTIONS: dict[Action, int] = {
    scale: 4,
    change_image: 5,
    remove: 1,
    add: 2,
    kill_operator: 3,
    kill_host: 2,
    cut_host: 2,
    return_host: 4,
    mute_host: 2,
    drain_host: 1,
    nats_away: 1,
    crash_workload: 1,
    change_weather: 2,
    good_weather: 2,
    refuse_namespace: 2,
    forge: 1,
    step_clock: 1,
    change_config: 1,
    slow_network: 1,
    delete_workload: 1,
    meddle_with_slice: 1,
    meddle_with_service: 1,
}


def _some(scenario: Scenario) -> dict[str, Any] | None:
    return scenario.chance.choice(list(scenario.deployments.values())) if scenario.deployments else None
