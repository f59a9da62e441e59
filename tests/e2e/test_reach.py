"""What workloads reach on a real cluster: without a rule nothing but their own service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.release import GUEST, WAIT, WITH_GUESTS, apply, keep_guests
from e2e.traffic import ask_inside
from ground.helm import CHART
from ground.kind_cluster import KindCluster
from ground.wait import eventually
from integration.system import condition, deployment

HOST = "http://wasmcloud-host-default.default.svc"
VALUES = {"runtime": WITH_GUESTS}


@pytest.fixture(scope="module")
def installed(cluster: KindCluster) -> Iterator[KindCluster]:
    """One host, which has the tests' guests."""
    keep_guests(cluster)
    cluster.helm("install", "wasmcloud", str(CHART), "--values", "-", *WAIT, stdin=json.dumps(VALUES))
    yield cluster
    cluster.kubectl("delete", "workloaddeployment", "--all", "--timeout=60s")
    cluster.kubectl("delete", "configmap/guests")
    cluster.helm("uninstall", "wasmcloud", *WAIT)


def with_service(name: str, **environment: str) -> dict[str, Any]:
    """A deployment whose component can connect to its service; the guest's README says what the environment does."""
    service = {"image": "file://service.wasm", "localResources": {"environment": {"config": environment}}}
    return deployment(name, image=GUEST, workload={"service": service})


def await_ready(cluster: KindCluster, *names: str) -> None:
    for name in names:
        cluster.kubectl("wait", f"workloaddeployment/{name}", "--for=condition=Ready", "--timeout=60s", timeout_s=90)


def test_nothing_leaves_the_cluster_s_workloads_but_by_a_rule(installed: KindCluster) -> None:
    """Protects: an empty allowedHosts is no access at all, also to what the cluster's network leads to."""
    target = "wasmcloud-operator.default.svc:8080"
    allowed = {"localResources": {"allowedHosts": [target]}}
    apply(installed, deployment("closed", image=GUEST), deployment("open", image=GUEST, component=allowed))
    await_ready(installed, "closed", "open")
    path = f"{HOST}/fetch?url=http://{target}/metrics"
    assert ask_inside(installed, path, "closed.localhost") == "502 HTTP-request-denied"
    granted = ask_inside(installed, path, "open.localhost")
    assert granted.startswith("200 # HELP"), granted[:200]


def test_a_service_is_at_its_own_workload_s_loopback_alone(installed: KindCluster) -> None:
    """Protects: each workload has a loopback of its own, also beside others on one host."""
    apply(installed, with_service("paired"), deployment("alone", image=GUEST))
    await_ready(installed, "paired", "alone")
    path = f"{HOST}/connect?addr=127.0.0.1:7777"

    def is_connected() -> None:
        assert ask_inside(installed, path, "paired.localhost") == "200 connected"

    eventually(is_connected, within_s=30)
    assert ask_inside(installed, path, "alone.localhost") == "200 connection-refused"


def test_a_service_that_crashes_is_explained_by_its_last_words(installed: KindCluster) -> None:
    """Protects: what `kubectl describe` shows somebody whose service does not stay up."""
    apply(installed, with_service("crashing", MODE="crash"))

    def is_explained() -> None:
        (seen,) = (w for w in installed.get("workloads")["items"] if w["metadata"]["name"].startswith("crashing-"))
        ready = condition(seen, "Ready")
        assert ready.get("reason") == "CrashLoopBackOff", seen.get("status")
        assert "crashed as told" in ready["message"], ready

    eventually(is_explained, within_s=60, every_s=0.5)
