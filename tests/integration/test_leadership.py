"""Two operators, one Lease: a leader that dies or ends is followed by the other, and nothing is done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ground.process import Process, free_ports
from ground.wait import eventually
from integration.clients import Load, Wiretap, answering
from integration.system import READY_WITHIN_S, System, deployment

LEASE_DURATION_S = 15
CRASH_WITHIN_S = 40  # the Lease's duration, the standby's pause, and a slow machine
HANDOVER_WITHIN_S = LEASE_DURATION_S - 1  # sooner than the Lease runs out

Standby = tuple[Process, int]


@pytest.fixture
def standby(system: System) -> Iterator[Standby]:
    """The first operator leads; this one is ready to."""
    port = free_ports(1)[0]
    system.restart_operator("--leader-elect", "--pod-name", "one", "--metrics-addr", f"127.0.0.1:{port}")
    eventually(lambda: assert_holder(system, "one"), within_s=READY_WITHIN_S)
    eventually(answering_metric(port, 1), within_s=READY_WITHIN_S)
    other = free_ports(1)[0]
    flags = ("--leader-elect", "--pod-name", "two", "--metrics-addr", f"127.0.0.1:{other}")
    process, health_port = system.add_operator("standby", *flags)
    try:
        eventually(answering(health_port, "127.0.0.1", path="/readyz"), within_s=READY_WITHIN_S)
        answering_metric(other, 0)()
        yield process, other
    finally:
        process.stop()


def answering_metric(port: int, value: int) -> Callable[[], None]:
    def check() -> None:
        page = answering(port, "127.0.0.1", path="/metrics")().body
        assert f"wasmcloud_operator_leader {value}.0" in page, page

    return check


def lease(system: System) -> dict[str, Any]:
    flags = ("-n", system.operator_namespace, "get", "lease", "wasmcloud-operator", "--ignore-not-found", "-o", "json")
    text = system.control_plane.kubectl(*flags)
    return json.loads(text)["spec"] if text else {}


def assert_holder(system: System, name: str) -> None:
    assert lease(system).get("holderIdentity") == name, lease(system)


def served(system: System) -> Any:
    system.add_host("one")
    system.add_host("two")
    system.await_hosts()
    system.apply(deployment("app", replicas=4))
    system.await_ready("app")
    return sorted((w["metadata"]["uid"], w["status"]["hostId"]) for w in system.items("workloads"))


def test_a_standby_follows_a_leader_that_is_killed(system: System, standby: Standby) -> None:
    before = served(system)
    with Wiretap(system.nats.url) as tap, Load(system.hosts["one"].http_port, "app.localhost") as load:
        system.operator.kill()
        killed_s = time.monotonic()
        eventually(lambda: assert_holder(system, "two"), within_s=CRASH_WITHIN_S)
        assert time.monotonic() - killed_s > LEASE_DURATION_S - 5, "the Lease had not run out"
        eventually(answering_metric(standby[1], 1), within_s=READY_WITHIN_S)
        system.apply(deployment("late"))
        system.operator, _ = standby  # whom `await_ready` looks after
        system.await_ready("late")
    commands = [subject.rpartition(".")[2] for subject in tap.subjects if ".workload." in subject]
    assert commands.count("start") == 1, commands
    assert "stop" not in commands
    after = sorted((w["metadata"]["uid"], w["status"]["hostId"]) for w in system.items("workloads"))
    assert [one for one in after if one in before] == before
    assert len(after) == len(before) + 1
    assert load.failures == []
    assert lease(system)["leaseTransitions"] == 1


def test_a_leader_that_ends_hands_over_at_once(system: System, standby: Standby) -> None:
    system.add_host("one")
    system.await_hosts()
    system.operator.stop()
    ended_s = time.monotonic()
    eventually(lambda: assert_holder(system, "two"), within_s=HANDOVER_WITHIN_S)
    assert time.monotonic() - ended_s < HANDOVER_WITHIN_S
    system.apply(deployment("app"))
    system.operator, _ = standby
    system.await_ready("app")
