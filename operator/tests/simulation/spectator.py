"""Watches a simulation and says what must never happen, and what must be true in the end."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from wasmcloud_api.crds import WorkloadDeploymentSpec
from wasmcloud_api.names import DEPLOYMENT_LABEL, DRAINING_LABEL, MAX_WORKLOADS_LABEL
from wasmcloud_operator.decide.rollout import bounds
from wasmcloud_operator.model.keys import Kind

from simulation.hosts import BAD_IMAGE, SimHost
from simulation.scenario import SERVICE_COUNT, Scenario
from simulation.world import NAMESPACE, World, condition

LOOK_EVERY_S = 0.5
UNDISTURBED_S = 60.0
"""How long after a disturbance of hosts or wishes counts of replicas are the operator's own doing again."""

READY = ("True", "Available")


class Broken(AssertionError):
    """An invariant does not hold."""


class Spectator(logging.Handler):
    """Looks at the world all the time. Errors in the log are breaches too: a pass must not crash."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(logging.ERROR)
        self._scenario = scenario
        self._world = scenario.world
        self._crashes: list[str] = []
        self._served: dict[str, int] = {}
        self._mixed: set[str] = set()
        self._policies: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self._crashes.append(logging.Formatter().format(record))

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Raise Broken for what must never be."""
        if self._crashes:
            raise Broken("\n".join(self._crashes))
        workloads = self._world.workloads()
        for name in self._scenario.deployments:
            mine = [w for w in workloads if w["metadata"]["labels"].get(DEPLOYMENT_LABEL) == name]
            self._look_at(name, self._scenario.specs[name], mine)
        for workload in workloads:
            self._look_at_host_of(workload)
        self._look_at_stops(workloads)

    def _look_at(self, name: str, spec: WorkloadDeploymentSpec, mine: list[dict[str, Any]]) -> None:
        now_s = self._world.clock.monotonic()
        living = [w for w in mine if "deletionTimestamp" not in w["metadata"]]
        leaving = [w for w in living if self._is_leaving(w)]
        is_refused = NAMESPACE in self._world.cluster.refused
        is_calm = not is_refused and now_s - max(self._scenario.wished_s, self._scenario.disturbed_s) > UNDISTURBED_S
        limit = spec.replicas + bounds(spec).surge
        if is_calm and len(living) - len(leaving) > limit:
            raise Broken(f"{name} has {len(living)} replicas, {limit} allowed")
        served = sum(condition(w) == READY for w in living)
        least = spec.replicas - bounds(spec).unavailable
        before = self._served.get(name, 0)
        if is_calm and spec.deploy_policy == "RollingUpdate" and served < min(before, least):
            raise Broken(f"{name} went from {before} to {served} ready replicas, {least} needed")
        self._served[name] = served
        self._look_at_templates(name, spec, len({w["metadata"]["ownerReferences"][0]["uid"] for w in mine}))

    def _look_at_templates(self, name: str, spec: WorkloadDeploymentSpec, template_count: int) -> None:
        """With Recreate one template runs at a time, unless a rolling update was under way when that was wished."""
        before, self._policies[name] = self._policies.get(name), spec.deploy_policy
        if template_count <= 1:
            self._mixed.discard(name)
        elif "RollingUpdate" in {before, spec.deploy_policy}:
            self._mixed.add(name)
        elif name not in self._mixed:
            raise Broken(f"{name} has replicas of two templates at a time")

    def _is_leaving(self, workload: dict[str, Any]) -> bool:
        host = self._world.bus.hosts.get(workload.get("status", {}).get("hostId", ""))
        return host is not None and DRAINING_LABEL in host.labels

    def _look_at_host_of(self, workload: dict[str, Any]) -> None:
        host = self._world.bus.hosts.get(workload.get("status", {}).get("hostId", ""))
        if host is not None and not may_run(workload["spec"], host):
            raise Broken(f"{workload['metadata']['name']} is on {host.host_id}, which its rules forbid")

    def _look_at_stops(self, workloads: list[dict[str, Any]]) -> None:
        """Whatever is refused: what the API has on record for a host is not stopped there by one who can't see it."""
        wanted = {
            (w["metadata"]["uid"], w.get("status", {}).get("hostId"))
            for w in workloads
            if "deletionTimestamp" not in w["metadata"]
        }
        for host in self._scenario.hosts:
            lost = [uid for uid in host.stopped if (uid, host.host_id) in wanted]
            host.stopped.clear()
            if lost and NAMESPACE in self._world.cluster.refused:
                raise Broken(f"{host.host_id} was told to stop {lost}, which the operator has no right to see")

    def judge(self) -> None:
        """Raise Broken unless everything is as it should be in the end."""
        self.look()
        self._judge_running()
        self._judge_routes()
        for name, body in self._scenario.deployments.items():
            found = self._world.get(Kind.DEPLOYMENT, name)
            if found is None:
                raise Broken(f"{name} is gone")
            self._judge_deployment(name, body, found)
        for kind in (Kind.REPLICA_SET, Kind.WORKLOAD):
            for child in self._world.store.objects(kind):
                if child["metadata"]["labels"].get(DEPLOYMENT_LABEL) not in self._scenario.deployments:
                    raise Broken(f"{kind} {child['metadata']['name']} was left behind")

    def _judge_running(self) -> None:
        """Hosts run what is ready, where it says, and nothing else.

        A host that can't list its workloads may have some that no operator since its restart knows of.
        """
        runs = {(uid, h.host_id) for h in self._scenario.hosts if h.is_connected for uid in h.running}
        silent = {h.host_id for h in self._scenario.hosts if not h.knows_list}
        says = {(w["metadata"]["uid"], w["status"]["hostId"]) for w in self._world.workloads() if condition(w) == READY}
        strays = {(uid, host_id) for uid, host_id in runs - says if host_id not in silent}
        if strays or says - runs:
            raise Broken(f"runs, but isn't said to: {sorted(strays)}; is said to, but doesn't: {sorted(says - runs)}")

    def _judge_routes(self) -> None:
        """Each Service leads to the hosts that have a ready replica, unless they are draining, and nowhere else."""
        hosts = {h.host_id: h for h in self._scenario.hosts}
        for number in range(SERVICE_COUNT):
            name = f"web-{number}"
            serving = [
                hosts[w["status"]["hostId"]]
                for w in self._world.workloads()
                if condition(w) == READY and w["spec"].get("kubernetes", {}).get("service", {}).get("name") == name
            ]
            wanted = {(h.address, h.http_port) for h in serving if DRAINING_LABEL not in h.labels}
            if (found := leads_to(self._world, name)) != wanted:
                raise Broken(f"the Service {name} leads to {sorted(found)}, but {sorted(wanted)} serve")

    def _judge_deployment(self, name: str, body: dict[str, Any], found: dict[str, Any]) -> None:
        spec = body["spec"]
        if spec["template"]["spec"]["components"][0]["image"] == BAD_IMAGE:
            return
        if condition(found, "Deploy") == READY and condition(found) == READY:
            mine = [w for w in self._world.workloads() if w["metadata"]["labels"][DEPLOYMENT_LABEL] == name]
            if len(mine) != spec["replicas"]:
                raise Broken(f"{name} says it is complete with {len(mine)} replicas of {spec['replicas']}")
        elif not self._may_wait(spec):
            raise Broken(f"{name} is not complete, though hosts have room for it")

    def _may_wait(self, spec: dict[str, Any]) -> bool:
        """Whether there may be too little room for a deployment, by a generous reckoning."""
        if any(c["whenUnsatisfiable"] == "DoNotSchedule" for c in spec.get("topologySpreadConstraints", ())):
            return True
        able = [
            host
            for host in self._scenario.hosts
            if host.is_connected and DRAINING_LABEL not in host.labels and may_run(spec["template"]["spec"], host)
        ]
        return not any(MAX_WORKLOADS_LABEL not in host.labels for host in able)


def leads_to(world: World, service: str) -> set[tuple[str, int]]:
    """Return the ready endpoints of a Service."""
    return {
        (endpoint["addresses"][0], body["ports"][0]["port"])
        for body in world.store.objects(Kind.ENDPOINT_SLICE, NAMESPACE)
        if (body["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == service
        for endpoint in body["endpoints"]
        if endpoint["conditions"]["ready"]
    }


def may_run(spec: dict[str, Any], host: SimHost) -> bool:
    """Whether a host's environment and labels suit a workload."""
    environment = spec.get("environment", "")
    selector = spec.get("hostSelector", {})
    return (not environment or host.environment == environment == NAMESPACE) and all(
        host.labels.get(label) == value for label, value in selector.items()
    )
