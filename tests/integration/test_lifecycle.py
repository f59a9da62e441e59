"""From `kubectl apply` to 404: what a person does on a normal day."""

from __future__ import annotations

import pytest
from ground.wait import eventually
from integration.clients import answering
from integration.system import READY_WITHIN_S, ROOT, System, deployment

HELLO = "Hello, wasmCloud!\n"


@pytest.mark.parametrize(("manifest", "name"), [("workload.yaml", "hello"), ("workload-p3.yaml", "hello-p3")])
def test_the_example_is_served_as_it_is(system: System, manifest: str, name: str) -> None:
    host = system.add_host("one")
    system.kubectl("apply", "-f", str(ROOT / "examples" / "hello" / manifest))
    system.await_ready(name)
    system.assert_answer(host, f"{name}.localhost", HELLO)


def test_a_deployment_is_served_scaled_changed_and_deleted(system: System) -> None:
    system.add_host("one")
    system.add_host("two")
    system.await_hosts()

    system.apply(deployment("app", env={"GREETED": "first"}))
    system.await_ready("app")
    eventually(lambda: assert_served_by(system, 1, "Hello, first!\n"), within_s=READY_WITHIN_S)

    system.kubectl("scale", "workloaddeployment/app", "--replicas=2")
    eventually(lambda: assert_served_by(system, 2, "Hello, first!\n"), within_s=READY_WITHIN_S)

    (before,) = system.items("workloadreplicasets")
    system.apply(deployment("app", replicas=2, env={"GREETED": "second"}))
    eventually(lambda: assert_only_says(system, "Hello, second!\n"), within_s=READY_WITHIN_S)
    assert len(system.items("workloadreplicasets")) == 2, "a change makes a new replica set and keeps the old one"
    current = system.get("workloaddeployment", "app")["status"]["currentReplicaSet"]["name"]
    assert current != before["metadata"]["name"]

    system.kubectl("delete", "workloaddeployment", "app", "--timeout=60s")
    for host in system.hosts.values():
        eventually(answering(host.http_port, "app.localhost", 404), within_s=READY_WITHIN_S)
    eventually(lambda: assert_gone(system), within_s=READY_WITHIN_S)


def assert_served_by(system: System, count: int, body: str) -> None:
    answers = [host.get("app.localhost") for host in system.hosts.values()]
    good = [answer for answer in answers if (answer.status, answer.body) == (200, body)]
    assert len(good) == count, f"wanted {count} hosts to say {body!r}: {answers}"


def assert_only_says(system: System, body: str) -> None:
    answers = [host.get("app.localhost") for host in system.hosts.values()]
    served = {answer.body for answer in answers if answer.status == 200}
    assert served == {body}, f"wanted {body!r} alone: {answers}"


def assert_gone(system: System) -> None:
    names = system.kubectl("get", "workloadreplicasets,workloads", "-o", "name").split()
    assert names == [], f"left behind: {names}"
    for host in system.hosts.values():
        assert system.running_on(host) == [], f"{host.name} runs on"


def test_hosts_are_listed_with_what_a_person_looks_for(system: System) -> None:
    host = system.add_host("one", "--host-group", "edge", "--environment", "team-a")
    system.await_hosts()
    header, *rows = system.kubectl("get", "host", "-A").splitlines()
    assert header.split() == ["NAMESPACE", "NAME", "HOSTID", "HOSTGROUP", "ENVIRONMENT", "WORKLOADS", "READY", "AGE"]
    row = next(row.split() for row in rows if host.name in row)
    assert row[:-1] == [system.operator_namespace, host.name, host.name, "edge", "team-a", "0", "True"]


def test_a_change_of_image_is_a_rollout(system: System) -> None:
    host = system.add_host("one")
    system.apply(deployment("app", image="file://hello.wasm"))
    system.assert_answer(host, "app.localhost", "Hello, world!\n")
    system.apply(deployment("app", image="file://http-p2.wasm"))
    system.assert_answer(host, "app.localhost", "hello from http-p2\n")
