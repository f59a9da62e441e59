"""What may happen to a cluster, while a client inside of it asks a component without a pause: it notices nothing.

One installation with two hosts for all tests here; each begins with ten replicas on both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from e2e.autoscaling import autoscaled
from e2e.release import (
    REPLICAS,
    SETTLED_WITHIN_S,
    URL,
    VALUES,
    WAIT,
    app,
    apply,
    assert_settled,
    conditions,
    is_ready,
    settle,
)
from e2e.traffic import Traffic, traffic
from ground.helm import CHART
from ground.kind_cluster import KindCluster
from ground.wait import eventually
from integration.system import condition


@pytest.fixture(scope="module")
def busy(cluster: KindCluster) -> Iterator[KindCluster]:
    cluster.helm("install", "wasmcloud", str(CHART), "--values", "-", *WAIT, stdin=json.dumps(VALUES))
    yield cluster
    cluster.kubectl("delete", "workloaddeployment", "--all", "--timeout=60s")
    cluster.kubectl("delete", "service/app")
    cluster.helm("uninstall", "wasmcloud", *WAIT)


@pytest.fixture
def client(busy: KindCluster, images: list[str], request: pytest.FixtureRequest) -> Iterator[Traffic]:
    """Asks the Service, from a pod; at the end it must not have seen a failure."""
    settle(busy, greeted=request.node.name)
    with traffic(busy, images[0], URL) as sent:
        sent.assert_unharmed()
        yield sent
        sent.assert_unharmed()


def assert_running(cluster: KindCluster, replicas: int) -> None:
    """So many replicas are ready, and no others are there."""
    workloads = cluster.get("workloads")["items"]
    assert [is_ready(workload) for workload in workloads] == [True] * replicas, len(workloads)
    assert cluster.get("workloaddeployment", "app")["status"]["replicas"]["ready"] == replicas


def delete_pods(cluster: KindCluster, component: str) -> None:
    """All pods of a component at once; returns when they are gone."""
    selector = f"app.kubernetes.io/component={component}"
    cluster.kubectl("delete", "pod", "-l", selector, "--wait=true", timeout_s=180)


def test_a_rollout_of_ten_replicas(busy: KindCluster, client: Traffic) -> None:
    """Protects: a replica is stopped only when its successor serves and the routes say so."""
    for greeted in ("new", "newer"):
        apply(busy, app(greeted))
        client.await_only(f"Hello, {greeted}!\n", within_s=SETTLED_WITHIN_S)
    eventually(lambda: assert_settled(busy), within_s=SETTLED_WITHIN_S, every_s=0.5)


def test_scaling_down_and_up(busy: KindCluster, client: Traffic) -> None:
    """Protects: a host that loses its last replica is off the Service first."""
    for replicas in (1, REPLICAS):
        busy.kubectl("scale", "workloaddeployment/app", f"--replicas={replicas}")
        eventually(lambda: assert_running(busy, replicas), within_s=SETTLED_WITHIN_S, every_s=0.5)  # noqa: B023
        client.assert_unharmed()


def test_an_autoscaler_follows_the_load(busy: KindCluster, images: list[str]) -> None:
    """Protects: the scale subresource, as a HorizontalPodAutoscaler reads and writes it.

    It goes by a metric of requests: replicas are no pods, so there is no CPU of theirs to go by.
    """
    settle(busy, greeted="scaled")
    busy.kubectl("scale", "workloaddeployment/app", "--replicas=1")
    eventually(lambda: assert_running(busy, 1), within_s=SETTLED_WITHIN_S, every_s=0.5)
    with autoscaled(busy, images[0]):
        with traffic(busy, images[0], URL) as sent:
            eventually(lambda: assert_running(busy, 4), within_s=SETTLED_WITHIN_S, every_s=0.5)
            sent.assert_unharmed()
        eventually(lambda: assert_running(busy, 1), within_s=SETTLED_WITHIN_S, every_s=0.5)


def test_a_bad_image_is_explained_and_the_old_replicas_serve_on(busy: KindCluster, client: Traffic) -> None:
    """Protects: a typo in a manifest takes nothing down, and says where it is."""
    bad = app("never", progressDeadlineSeconds=5)
    bad["spec"]["template"]["spec"]["components"][0]["image"] = "file://no-such.wasm"
    apply(busy, bad)

    def is_explained() -> None:
        seen = condition(busy.get("workloaddeployment", "app"), "Deploy")
        assert seen.get("reason") == "ProgressDeadlineExceeded", seen
        messages = [c["message"] for w in busy.get("workloads")["items"] for c in conditions(w)]
        assert any("no-such.wasm" in message for message in messages), messages

    eventually(is_explained, within_s=60, every_s=0.5)
    client.assert_unharmed()
    apply(busy, app("mended"))
    client.await_only("Hello, mended!\n", within_s=SETTLED_WITHIN_S)


def test_a_host_s_pod_is_deleted(busy: KindCluster, client: Traffic) -> None:
    """Protects: draining. The other host serves, the workloads move, the host ends when they have."""
    (pod, _) = busy.get("pods", "-l", "app.kubernetes.io/component=host")["items"]
    busy.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=true", timeout_s=180)
    eventually(lambda: assert_settled(busy), within_s=SETTLED_WITHIN_S, every_s=0.5)


@pytest.mark.parametrize("component", ["operator", "nats"])
def test_the_control_plane_is_deleted(busy: KindCluster, client: Traffic, component: str) -> None:
    """Protects: hosts serve by themselves, and whoever comes back goes on where things stood."""
    delete_pods(busy, component)
    apply(busy, app(f"after-{component}"))
    client.await_only(f"Hello, after-{component}!\n", within_s=SETTLED_WITHIN_S)


def test_a_node_is_drained(busy: KindCluster, client: Traffic) -> None:
    """Protects: a node's maintenance. Host, operator and perhaps NATS leave it in the same moment."""
    node = busy.worker_node
    flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s"]
    busy.kubectl("drain", node, *flags, timeout_s=270)
    try:
        client.assert_unharmed()
        selector = ["-l", "app.kubernetes.io/name=wasmcloud", f"--field-selector=spec.nodeName={node}"]
        assert not busy.get("pods", *selector)["items"]
        eventually(lambda: assert_settled(busy), within_s=SETTLED_WITHIN_S, every_s=0.5)
    finally:
        busy.kubectl("uncordon", node)
