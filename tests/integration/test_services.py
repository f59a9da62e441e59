"""Services: what runs as long as a workload does, and how its end is told."""

from __future__ import annotations

import pytest
from ground.wait import eventually
from integration.clients import answering
from integration.system import READY_WITHIN_S, Json, RunningHost, System, condition, deployment

GUESTS = [("http-p2", "incoming-handler"), ("http-p3", "handler")]


def service(max_restarts: int = 0, **environment: str) -> Json:
    return {
        "image": "file://service.wasm",
        "maxRestarts": max_restarts,
        "localResources": {"environment": {"config": environment}},
    }


def assert_connects(host: RunningHost, name: str, said: str = "connected") -> None:
    answer = host.get(f"{name}.localhost", "/connect?addr=127.0.0.1:7777")
    assert (answer.status, answer.body) == (200, said), answer


@pytest.mark.parametrize(("guest", "interface"), GUESTS)
def test_components_reach_the_service_of_their_own_workload(system: System, guest: str, interface: str) -> None:
    host = system.add_host("one")
    image = f"file://{guest}.wasm"
    for name in ("one", "two"):
        system.apply(deployment(name, image=image, interfaces=[interface], workload={"service": service()}))
    system.apply(deployment("none", image=image, interfaces=[interface]))
    for name in ("one", "two", "none"):
        system.await_ready(name)
    for name in ("one", "two"):
        eventually(lambda name=name: assert_connects(host, name), within_s=READY_WITHIN_S)  # type: ignore[misc]
    assert_connects(host, "none", "connection-refused")

    system.kubectl("delete", "workloaddeployment", "one", "--timeout=60s")
    eventually(answering(host.http_port, "one.localhost", 404), within_s=READY_WITHIN_S)
    assert_connects(host, "two")


def assert_ended(system: System, phase: str, reason: str, message: str) -> None:
    (workload,) = system.items("workloads")
    ready = condition(workload, "Ready")
    seen = (workload["status"].get("phase"), ready.get("status"), ready.get("reason"))
    assert seen == (phase, "False", reason), workload["status"]
    assert message in ready["message"], ready


def test_a_service_that_ends_well_is_completed(system: System) -> None:
    system.add_host("one")
    system.apply(deployment("app", image="file://http-p2.wasm", workload={"service": service(MODE="exit")}))
    eventually(
        lambda: assert_ended(system, "Completed", "Completed", "the service ended well"), within_s=READY_WITHIN_S
    )
    row = system.kubectl("get", "workloads", "--no-headers").split()
    assert "Completed" in row, row


def test_a_service_that_fails_again_and_again_backs_off(system: System) -> None:
    system.add_host("one")
    failing = service(1, MODE="exit", CODE="1")
    system.apply(deployment("app", image="file://http-p2.wasm", workload={"service": failing}))
    last_words = "the service exited with code 1 after 1 restart; its last lines: leaving as told"
    eventually(lambda: assert_ended(system, "Failed", "CrashLoopBackOff", last_words), within_s=READY_WITHIN_S)
    (workload,) = system.items("workloads")
    assert workload["status"]["restarts"] >= 1
