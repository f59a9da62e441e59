"""A host group with an autoscaler: busy hosts get another one, and it takes work."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from e2e.metrics_server import metrics_server
from e2e.release import GUEST, SERVICE, VALUES, WAIT, WITH_GUESTS, apply, assert_endpoints, is_ready, keep_guests
from e2e.traffic import traffic
from ground.helm import CHART
from ground.kind_cluster import KindCluster
from ground.wait import eventually
from integration.system import deployment

GROUP = "wasmcloud-host-default"
TARGET_PERCENT = 50
AUTOSCALED = {
    **WITH_GUESTS,
    "resources": {"requests": {"cpu": "150m"}},
    "autoscaling": {
        "enabled": True,
        "minReplicas": 1,
        "maxReplicas": 2,
        "targetCPUUtilizationPercentage": TARGET_PERCENT,
    },
}
BUSY_URL = "http://app.default.svc/hoard?count=2000"
"""Costs a host some milliseconds of CPU; the client asks it about a hundred times a second."""
METRICS_WITHIN_S = 120
"""Two samples, ten seconds apart, and a look of the autoscaler every fifteen."""


@pytest.fixture(scope="module")
def group(cluster: KindCluster) -> Iterator[KindCluster]:
    """One host, and a component with two replicas behind a Service."""
    keep_guests(cluster)
    values = json.dumps({**VALUES, "runtime": AUTOSCALED})
    cluster.helm("install", "wasmcloud", str(CHART), "--values", "-", *WAIT, stdin=values)
    routed = {"kubernetes": {"service": {"name": "app"}}}
    apply(cluster, SERVICE, deployment("app", image=GUEST, replicas=2, spec=routed))
    cluster.kubectl("wait", "--for=condition=Ready", "workloaddeployment/app", "--timeout=60s")
    eventually(lambda: assert_endpoints(cluster, 1), within_s=30)
    yield cluster
    cluster.kubectl("delete", "workloaddeployment", "--all", "--timeout=60s")
    cluster.kubectl("delete", "service/app", "configmap/guests")
    cluster.helm("uninstall", "wasmcloud", *WAIT)


def hosts(cluster: KindCluster) -> list[str]:
    """The ids of those that are ready."""
    return sorted(host["hostId"] for host in cluster.get("hosts")["items"] if is_ready(host))


def assert_at_rest(cluster: KindCluster) -> None:
    """The autoscaler knows how busy the host is, and that one is enough."""
    status = cluster.get("hpa", GROUP)["status"]
    metrics = [metric["resource"] for metric in status.get("currentMetrics") or [] if metric["type"] == "Resource"]
    used = [metric["current"]["averageUtilization"] for metric in metrics]
    assert len(used) == 1, status
    assert used[0] < TARGET_PERCENT, status
    assert (status["currentReplicas"], status["desiredReplicas"]) == (1, 1), status


def assert_joined(cluster: KindCluster) -> None:
    assert len(hosts(cluster)) == 2, cluster.get("hpa", GROUP)["status"]


def assert_used(cluster: KindCluster) -> None:
    """Each host has some of the four replicas, and all are ready."""
    workloads = cluster.get("workloads")["items"]
    assert [is_ready(workload) for workload in workloads] == [True] * 4, workloads
    assert sorted({workload["status"]["hostId"] for workload in workloads}) == hosts(cluster), workloads


def test_a_busy_host_gets_another_beside_it_that_takes_work(group: KindCluster, images: list[str]) -> None:
    """Protects: `autoscaling` of a host group by its CPU, from the pods' metrics to replicas on the new host."""
    with metrics_server(group):
        eventually(lambda: assert_at_rest(group), within_s=METRICS_WITHIN_S, every_s=1)
        assert len(hosts(group)) == 1
        with traffic(group, images[0], BUSY_URL) as sent:
            eventually(lambda: assert_joined(group), within_s=METRICS_WITHIN_S, every_s=1)
            group.kubectl("scale", "workloaddeployment/app", "--replicas=4")
            eventually(lambda: assert_used(group), within_s=60, every_s=0.5)
            eventually(lambda: assert_endpoints(group, 2), within_s=30)
            sent.assert_unharmed()
