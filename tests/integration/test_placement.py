"""Where workloads go, and what is said when they can't."""

from __future__ import annotations

import json

from ground.wait import eventually
from integration.system import READY_WITHIN_S, System, condition, deployment


def test_a_selector_is_respected(system: System) -> None:
    plain, gpu = system.add_host("plain"), system.add_host("gpu", "--host-label", "gpu=true")
    system.await_hosts()
    system.apply(deployment("app", replicas=2, workload={"hostSelector": {"gpu": "true"}}))
    system.await_ready("app")
    assert len(system.running_on(gpu)) == 2
    assert system.running_on(plain) == []


def test_an_environment_is_respected(system: System) -> None:
    shared, tenant = system.add_host("shared"), system.add_host("tenant", "--environment", "team-a")
    system.await_hosts()
    system.apply(deployment("app", replicas=2, workload={"environment": "team-a"}))
    system.await_ready("app")
    assert len(system.running_on(tenant)) == 2
    assert system.running_on(shared) == []


def test_a_foreign_environment_is_denied_where_hosts_are_not_shared(system: System) -> None:
    system.restart_operator("--no-allow-shared-hosts")
    tenant = system.add_host("tenant", "--environment", "team-a")
    own = system.add_host("own", "--environment", system.namespace)
    system.await_hosts()
    system.apply(deployment("trespasser", workload={"environment": "team-a"}))
    system.apply(deployment("resident", workload={"environment": system.namespace}))
    system.await_ready("resident")
    eventually(lambda: assert_denied(system, "trespasser"), within_s=READY_WITHIN_S)
    assert len(system.running_on(own)) == 1
    assert system.running_on(tenant) == []


def assert_denied(system: System, name: str) -> None:
    (workload,) = system.items("workloads", "-l", f"runtime.wasmcloud.dev/workload-deployment={name}")
    said = condition(workload, "HostSelection")
    assert (said.get("status"), said.get("reason")) == ("False", "EnvironmentDenied"), said
    events = system.kubectl("get", "events", "-o", "jsonpath={.items[*].reason}").split()
    assert "CrossEnvironmentSchedulingDenied" in events, events


def test_a_namespace_that_is_not_watched_is_left_alone(system: System) -> None:
    system.add_host("one")
    system.await_hosts()
    foreign = f"{system.namespace}-foreign"
    system.control_plane.kubectl("create", "namespace", foreign)
    system.control_plane.kubectl("-n", foreign, "apply", "-f", "-", stdin=json.dumps(deployment("app")))
    system.apply(deployment("app"))
    system.await_ready("app")
    untouched = json.loads(system.control_plane.kubectl("-n", foreign, "get", "wd", "app", "-o", "json"))
    assert "status" not in untouched


def test_what_fits_nowhere_says_why_and_is_placed_when_a_host_comes(system: System) -> None:
    system.add_host("elsewhere", "--environment", "team-b", "--host-label", "gpu=true")
    system.add_host("plain", "--environment", "team-a")
    system.await_hosts()
    wanted = {"environment": "team-a", "hostSelector": {"gpu": "true"}}
    system.apply(deployment("app", workload=wanted))
    eventually(lambda: assert_waits(system), within_s=READY_WITHIN_S)

    system.add_host("fitting", "--environment", "team-a", "--host-label", "gpu=true")
    system.await_ready("app")
    system.assert_answer(system.hosts["fitting"], "app.localhost", "Hello, world!\n")


def assert_waits(system: System) -> None:
    (workload,) = system.items("workloads")
    said = condition(workload, "HostSelection")
    assert said.get("status") == "False", said
    assert said["reason"] == "NoMatchingHost", said
    assert said["message"].startswith("0 of 2 hosts fit: "), said
    assert 'want "team-a"' in said["message"], said
    assert "gpu=true" in said["message"], said
