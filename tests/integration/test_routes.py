"""From a Service to the hosts behind it, as kube-proxy goes: by the EndpointSlices alone."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from contextlib import closing
from typing import Any

import pytest
from ground.control_plane import ADMIN
from ground.wait import eventually
from integration.clients import Answer, Background, fetch
from integration.system import READY_WITHIN_S, RunningHost, System, condition, deployment

Json = dict[str, Any]
Endpoints = dict[tuple[str, int], Json]

SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"ports": [{"name": "http", "port": 80}]},
}
ROUTED = {"kubernetes": {"service": {"name": "web"}}}
FOLLOW_S = 0.2
"""How late the client learns of a change; kube-proxy takes about as long."""


def endpoints(slices: list[Json]) -> Endpoints:
    """Conditions by address and port."""
    return {
        (endpoint["addresses"][0], one["ports"][0]["port"]): endpoint["conditions"]
        for one in slices
        for endpoint in one.get("endpoints") or []
    }


class ServiceClient(Background):
    """Sends requests to the Service, to one ready endpoint after the other."""

    def __init__(self, system: System) -> None:
        super().__init__()
        plane, namespace = system.control_plane, system.namespace
        self._host = f"web.{namespace}.svc.cluster.local"
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        self._headers = {"Authorization": f"Bearer {plane.token(ADMIN)}"}
        tls = ssl.create_default_context(cafile=str(plane.ca))
        self._api = http.client.HTTPSConnection(plane.url.removeprefix("https://"), context=tls, timeout=30)
        self.bodies: list[str] = []
        self.failures: list[str] = []

    def assert_answered(self, body: str) -> None:
        assert body in self.bodies[-3:], f"last answers: {self.bodies[-3:]}, failures: {self.failures[:3]}"

    def run(self) -> None:
        followed_s, targets = float("-inf"), list[tuple[str, int]]()
        with closing(self._api):
            while not self.ending.is_set():
                if time.monotonic() - followed_s > FOLLOW_S:
                    targets, followed_s = self._targets(), time.monotonic()
                if not targets:
                    self.failures.append("the Service leads nowhere")
                for address, port in targets:
                    self._send(address, port)

    def _targets(self) -> list[tuple[str, int]]:
        """Ready endpoints; where there are none, those that are leaving but still serve, as kube-proxy does."""
        self._api.request("GET", self._path, headers=self._headers)
        found = endpoints(json.loads(self._api.getresponse().read())["items"])
        ready = [where for where, conditions in found.items() if conditions["ready"]]
        return ready or [where for where, conditions in found.items() if conditions["serving"]]

    def _send(self, address: str, port: int) -> None:
        try:
            answer = fetch(port, self._host)
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{address}:{port} {error!r}")
        else:
            self._take(answer, f"{address}:{port}")

    def _take(self, answer: Answer, where: str) -> None:
        if answer.status == 200:
            self.bodies.append(answer.body)
        else:
            self.failures.append(f"{where} {answer}")


def add_hosts(system: System, count: int) -> list[RunningHost]:
    hosts = [system.add_host(f"host-{number}", address=f"10.1.2.{number}") for number in range(1, count + 1)]
    system.await_hosts()
    return hosts


def assert_leads_to(system: System, *hosts: RunningHost) -> None:
    found = endpoints(system.items("endpointslices"))
    ready = {where for where, conditions in found.items() if conditions["ready"]}
    assert ready == {(host.address, host.http_port) for host in hosts}, f"the Service leads to {found}"
    assert len(found) == len(hosts), f"the Service still leads to {found}"


def assert_message(system: System, text: str) -> None:
    for workload in system.items("workloads"):
        ready = condition(workload, "Ready")
        assert ready.get("status") == "True", ready
        assert text in ready["message"], ready


def test_clients_of_a_service_notice_neither_scaling_nor_rollouts(system: System) -> None:
    hosts = add_hosts(system, 3)
    system.apply(SERVICE)
    system.apply(deployment("app", replicas=3, env={"GREETED": "old"}, spec=ROUTED))
    eventually(lambda: assert_leads_to(system, *hosts), within_s=READY_WITHIN_S)
    with ServiceClient(system) as client:
        eventually(lambda: client.assert_answered("Hello, old!\n"), within_s=READY_WITHIN_S)
        system.kubectl("scale", "workloaddeployment/app", "--replicas=1")
        eventually(lambda: assert_running(system, 1), within_s=READY_WITHIN_S)
        system.apply(deployment("app", replicas=1, env={"GREETED": "new"}, spec=ROUTED))
        eventually(lambda: client.assert_answered("Hello, new!\n"), within_s=READY_WITHIN_S)
        eventually(lambda: assert_running(system, 1), within_s=READY_WITHIN_S)
        system.kubectl("scale", "workloaddeployment/app", "--replicas=3")
        eventually(lambda: assert_leads_to(system, *hosts), within_s=READY_WITHIN_S)
    assert client.failures == []


def assert_running(system: System, count: int) -> None:
    running = {host.name: system.running_on(host) for host in system.hosts.values()}
    assert sum(len(ids) for ids in running.values()) == count, running


def test_clients_of_a_service_do_not_notice_that_a_host_leaves(system: System) -> None:
    one, two = add_hosts(system, 2)
    system.apply(SERVICE)
    system.apply(deployment("app", replicas=2, spec=ROUTED))
    eventually(lambda: assert_leads_to(system, one, two), within_s=READY_WITHIN_S)
    with ServiceClient(system) as client:
        eventually(lambda: client.assert_answered("Hello, world!\n"), within_s=READY_WITHIN_S)
        one.process.stop(within_s=READY_WITHIN_S)
        eventually(lambda: assert_leads_to(system, two), within_s=READY_WITHIN_S)
    assert client.failures == []


def test_a_host_that_is_gone_is_off_the_service(system: System) -> None:
    one, two = add_hosts(system, 2)
    system.apply(SERVICE)
    system.apply(deployment("app", replicas=2, spec=ROUTED))
    eventually(lambda: assert_leads_to(system, one, two), within_s=READY_WITHIN_S)
    two.process.kill()
    eventually(lambda: assert_leads_to(system, one), within_s=READY_WITHIN_S)


def test_slices_are_kept_against_others_and_go_with_the_service_and_the_workloads(system: System) -> None:
    (host,) = add_hosts(system, 1)
    system.apply(SERVICE)
    system.apply(deployment("app", spec=ROUTED))
    eventually(lambda: assert_leads_to(system, host), within_s=READY_WITHIN_S)
    name = f"web-wasmcloud-ipv4-{host.http_port}"
    system.kubectl("patch", "endpointslice", name, "--type=merge", "--patch", '{"endpoints": []}')
    eventually(lambda: assert_leads_to(system, host), within_s=READY_WITHIN_S)
    before = system.get("endpointslice", name)["metadata"]["uid"]
    system.kubectl("delete", "endpointslice", name)
    eventually(lambda: assert_leads_to(system, host), within_s=READY_WITHIN_S)
    assert system.get("endpointslice", name)["metadata"]["uid"] != before
    system.kubectl("delete", "service", "web")
    eventually(lambda: assert_leads_to(system), within_s=READY_WITHIN_S)
    eventually(lambda: assert_message(system, 'the Service "web" does not exist'), within_s=READY_WITHIN_S)
    system.apply(SERVICE)
    eventually(lambda: assert_leads_to(system, host), within_s=READY_WITHIN_S)
    system.kubectl("delete", "workloaddeployment", "app", "--timeout=60s")
    eventually(lambda: assert_leads_to(system), within_s=READY_WITHIN_S)


def test_a_service_that_can_t_lead_to_a_workload_is_no_reason_not_to_run_it(system: System) -> None:
    host = system.add_host("one", address="node-1.example")
    system.await_hosts()
    spec = SERVICE["spec"] | {"selector": {"app": "other"}}
    system.apply(SERVICE | {"spec": spec})
    system.apply(deployment("app", spec=ROUTED))
    system.await_ready("app")
    system.assert_answer(host, "app.localhost", "Hello, world!\n")
    eventually(lambda: assert_message(system, 'the Service "web" has a selector'), within_s=READY_WITHIN_S)
    eventually(lambda: assert_event(system, "ServiceHasSelector"), within_s=READY_WITHIN_S)
    system.kubectl("patch", "service", "web", "--type=merge", "--patch", '{"spec": {"selector": null}}')
    why = 'its address "node-1.example" is no IP'
    eventually(lambda: assert_message(system, why), within_s=READY_WITHIN_S)
    assert_leads_to(system)


def assert_event(system: System, reason: str) -> None:
    reasons = [event["reason"] for event in system.items("events")]
    assert reason in reasons, reasons


@pytest.mark.parametrize("guest", ["http-p2", "http-p3"])
def test_a_workload_answers_to_the_names_of_its_service(system: System, guest: str) -> None:
    (host,) = add_hosts(system, 1)
    system.apply(SERVICE)
    interface = "handler" if guest == "http-p3" else "incoming-handler"
    system.apply(deployment("app", image=f"file://{guest}.wasm", interfaces=[interface], spec=ROUTED))
    for suffix in ("", ".svc", ".svc.cluster.local"):
        system.assert_answer(host, f"web.{system.namespace}{suffix}", f"hello from {guest}\n")
