"""What workloads keep in buckets, on the NATS that the chart brings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.release import SETTLED_WITHIN_S, VALUES, WAIT, is_ready
from e2e.traffic import ask_inside
from ground.control_plane import KubectlError
from ground.helm import CHART
from ground.kind_cluster import KindCluster
from ground.wait import eventually

COUNTER = Path(__file__).parents[2] / "examples" / "counter" / "workload.yaml"
URL = "http://wasmcloud-host-default.default.svc"


@pytest.fixture
def counting(cluster: KindCluster) -> Iterator[KindCluster]:
    """Two hosts, each with a replica of the example that counts."""
    cluster.helm("install", "wasmcloud", str(CHART), "--values", "-", *WAIT, stdin=json.dumps(VALUES))
    try:
        eventually(lambda: assert_ready(cluster, "hosts"), within_s=SETTLED_WITHIN_S, every_s=0.5)
        cluster.kubectl("apply", "--filename", str(COUNTER))
        eventually(lambda: assert_ready(cluster, "workloads"), within_s=SETTLED_WITHIN_S, every_s=0.5)
        yield cluster
    finally:
        cluster.kubectl("delete", "workloaddeployment", "--all", "--timeout=60s")
        cluster.helm("uninstall", "wasmcloud", *WAIT)


def assert_ready(cluster: KindCluster, kind: str) -> None:
    """Two of them are."""
    found = cluster.get(kind)["items"]
    assert [is_ready(each) for each in found].count(True) == 2, found


def assert_counted(cluster: KindCluster, count: int) -> None:
    """One more visit, whichever host answers. One that was not counted may be tried again."""
    try:
        said = ask_inside(cluster, f"{URL}/page", "counter.localhost")
    except KubectlError as error:
        raise AssertionError(str(error)) from error
    assert said == f"200 /page was visited {count} times\n"


def test_a_bucket_is_one_for_all_hosts_and_outlives_them_and_nats(counting: KindCluster) -> None:
    """Protects: hosts reach the data account with what the chart gives them, and JetStream keeps it on its volume."""
    placed = {workload["status"]["hostId"] for workload in counting.get("workloads")["items"]}
    assert len(placed) == 2
    for count in range(1, 9):
        assert_counted(counting, count)
    for component in ("nats", "host"):
        selector = f"app.kubernetes.io/component={component}"
        counting.kubectl("delete", "pod", "-l", selector, "--wait=true", timeout_s=180)
        counting.kubectl("wait", "pod", "-l", selector, "--for=condition=Ready", "--timeout=120s", timeout_s=150)
        # Both may be on one host now, the one that was back first; the other answers 404, and has counted nothing.
        eventually(lambda: assert_ready(counting, "workloads"), within_s=SETTLED_WITHIN_S, every_s=0.5)
        count += 1
        eventually(lambda: assert_counted(counting, count), within_s=60)  # noqa: B023
