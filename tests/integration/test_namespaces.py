"""Tenants whose namespace refuses the operator, or goes: nobody else notices, and nothing is stopped unseen."""

from __future__ import annotations

import json
from typing import Any

from ground.process import free_ports
from ground.wait import eventually
from integration.clients import Load, Wiretap, answering
from integration.system import READY_WITHIN_S, RunningHost, System, deployment

WORKLOAD_COUNT = 20


def test_a_namespace_that_is_refused_holds_up_no_other(system: System) -> None:
    host, other, metrics = system.add_host("one"), system.add_namespace(), free_ports(1)[0]
    watching = ("--watch-namespaces", other, "--metrics-addr", f"127.0.0.1:{metrics}")
    system.restart_operator(*watching)
    apply_in(system, other, deployment("there", replicas=2))
    system.apply(deployment("here"))
    system.await_ready("here")
    await_ready_in(system, other, "there")
    before = placed_in(system, other)
    with Load(host.http_port, "there.localhost") as load, Wiretap(system.nats.url) as wire:
        system.operator.stop()
        system.revoke(other)
        system.start_operator()
        eventually(lambda: assert_refused(metrics, other, 1), within_s=READY_WITHIN_S)
        system.kubectl("scale", "workloaddeployment/here", "--replicas=3")
        eventually(lambda: assert_count_on(system, host, 3 + 2), within_s=READY_WITHIN_S)
        asked = list_count(wire, host)
        # What a host runs and nobody wants is stopped at the second look.
        eventually(lambda: assert_more(list_count(wire, host), asked + 1), within_s=READY_WITHIN_S)

        apply_in(system, other, deployment("there", replicas=3))
        system.grant(other)
        eventually(lambda: assert_refused(metrics, other, 0), within_s=READY_WITHIN_S)
        await_ready_in(system, other, "there")
        eventually(lambda: assert_count_on(system, host, 3 + 3), within_s=READY_WITHIN_S)
    assert [subject for subject in wire.subjects if subject.endswith(".stop")] == []
    assert load.failures == []
    assert set(before) < set(placed_in(system, other))


def test_a_namespace_is_deleted_with_workloads_in_it(system: System) -> None:
    """Kubernetes deletes our Role there in no order. What the operator then has no right to end, others can."""
    host, other = system.add_host("one"), system.add_namespace()
    system.restart_operator("--watch-namespaces", other)
    apply_in(system, other, deployment("there", replicas=WORKLOAD_COUNT))
    system.apply(deployment("here"))
    system.await_ready("here")
    await_ready_in(system, other, "there")
    system.expect_refusals(other)
    system.control_plane.kubectl("delete", "namespace", other, "--wait=false")
    eventually(lambda: assert_count_on(system, host, 1), within_s=READY_WITHIN_S)
    eventually(lambda: lift_finalizers(system, other), within_s=READY_WITHIN_S, every_s=1)
    system.control_plane.kubectl("wait", "--for=delete", f"namespace/{other}", "--timeout=60s", timeout_s=90)
    system.kubectl("scale", "workloaddeployment/here", "--replicas=2")
    eventually(lambda: assert_count_on(system, host, 2), within_s=READY_WITHIN_S)


def apply_in(system: System, namespace: str, manifest: dict[str, Any]) -> None:
    system.control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))


def await_ready_in(system: System, namespace: str, name: str) -> None:
    flags = ("-n", namespace, "--for=condition=Ready", "--timeout=2s")
    eventually(
        lambda: system.control_plane.kubectl("wait", f"workloaddeployment/{name}", *flags), within_s=READY_WITHIN_S
    )


def placed_in(system: System, namespace: str) -> list[tuple[str, str]]:
    found = json.loads(system.control_plane.kubectl("get", "workloads", "-n", namespace, "-o", "json"))["items"]
    return [(one["metadata"]["uid"], one["status"]["hostId"]) for one in found]


def lift_finalizers(system: System, namespace: str) -> None:
    """As docs/operations.md says."""
    left = system.control_plane.kubectl("get", "workloads", "-n", namespace, "-o", "name").split()
    patch = ("--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    if left:
        system.control_plane.kubectl("patch", "-n", namespace, *left, *patch)
    assert left == []


def assert_refused(metrics_port: int, namespace: str, value: int) -> None:
    page = answering(metrics_port, "127.0.0.1", path="/metrics")().body
    assert f'wasmcloud_operator_namespace_refused{{namespace="{namespace}"}} {value}.0' in page, page


def assert_count_on(system: System, host: RunningHost, count: int) -> None:
    running = system.running_on(host)
    assert len(running) == count, f"{len(running)} workloads run, wanted {count}"


def list_count(wire: Wiretap, host: RunningHost) -> int:
    """How often the host was asked what runs on it."""
    return wire.subjects.count(f"runtime.host.{host.name}.workload.list")


def assert_more(count: int, than: int) -> None:
    assert count > than, f"{count} so far, wanted more than {than}"
