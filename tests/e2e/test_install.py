"""The everyday commands on a real cluster, in a person's order: each test builds on those before."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from e2e.release import DENY_ALL, apply, assert_nothing_left, is_ready
from e2e.traffic import ask_inside
from ground.helm import CHART
from ground.kind_cluster import KindCluster, fetch
from ground.wait import eventually
from integration.system import deployment

HELLO = str(CHART.parent / "examples" / "hello" / "workload.yaml")
SERVICE = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "hello"},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }
)
TO_SERVICE = json.dumps({"spec": {"kubernetes": {"service": {"name": "hello"}}}})


@pytest.fixture(scope="module")
def hello(cluster: KindCluster) -> KindCluster:
    """Installed without a single value, and hello deployed."""
    started = time.monotonic()
    cluster.helm("install", "wasmcloud", str(CHART), "--wait", "--timeout", "5m")
    cluster.kubectl("apply", "-f", HELLO)
    cluster.kubectl("wait", "--for=condition=Ready", "workloaddeployment/hello", "--timeout=120s", timeout_s=150)
    print(f"helm install to hello ready: {time.monotonic() - started:.1f} s")
    return cluster


@pytest.fixture
def closed(hello: KindCluster) -> Iterator[KindCluster]:
    """The same, in a namespace where nothing is allowed but what a policy names (as far as the network enforces it)."""
    apply(hello, DENY_ALL)
    yield hello
    hello.kubectl("delete", "networkpolicy/deny-all")


def test_a_host_is_there(hello: KindCluster) -> None:
    lines = hello.kubectl("get", "host", "-A").splitlines()
    assert lines[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert lines[1].split()[:2][0] == "default"
    assert "True" in lines[1]


def test_hello_answers_through_the_groups_service(hello: KindCluster) -> None:
    with hello.forwarded("service/wasmcloud-host-default", 80) as url:
        assert "Hello, wasmCloud" in eventually(lambda: fetch(url, "hello.localhost"), within_s=30)


def test_helm_test_deploys_and_fetches(closed: KindCluster) -> None:
    assert "Phase:          Succeeded" in closed.helm("test", "wasmcloud")


def test_a_service_of_its_own_leads_to_the_component(hello: KindCluster) -> None:
    hello.kubectl("apply", "-f", "-", stdin=SERVICE)
    hello.kubectl("patch", "workloaddeployment", "hello", "--type=merge", "--patch", TO_SERVICE)

    def has_endpoint() -> None:
        assert len(ready_endpoints(hello)) == 1

    eventually(has_endpoint, within_s=60)
    answer = eventually(lambda: ask_inside(hello, "http://hello.default.svc/"), within_s=60)
    assert "Hello, wasmCloud" in answer


def test_a_headless_service_is_a_name_for_the_hosts_themselves(hello: KindCluster) -> None:
    """Protects: the cluster's DNS takes the operator's endpoints; kube-proxy has no part in it."""
    spec = {"clusterIP": "None", "ports": [{"name": "http", "port": 9191}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "direct"}, "spec": spec}
    apply(hello, service, deployment("direct", spec={"kubernetes": {"service": {"name": "direct"}}}))

    def is_found() -> None:
        answer = ask_inside(hello, "http://direct.default.svc:9191/")
        assert answer.startswith("200 Hello"), answer

    eventually(is_found, within_s=60)
    (found,) = hello.get("endpointslices", "-l", "kubernetes.io/service-name=direct")["items"]
    assert "service.kubernetes.io/headless" in found["metadata"]["labels"], found["metadata"]
    hello.kubectl("delete", "workloaddeployment/direct", "service/direct", "--timeout=60s")


def test_scaling_runs_more_replicas(hello: KindCluster) -> None:
    hello.kubectl("scale", "workloaddeployment", "hello", "--replicas=3")
    eventually(lambda: assert_ready(hello, 3), within_s=60)


def test_a_deleted_host_pod_is_replaced_and_its_workloads_follow(hello: KindCluster) -> None:
    hello.kubectl("delete", "pod", "-l", "app.kubernetes.io/component=host", "--wait=false")
    hello.kubectl("rollout", "status", "deployment/wasmcloud-host-default", "--timeout=180s", timeout_s=200)
    eventually(lambda: assert_ready(hello, 3), within_s=120)
    with hello.forwarded("service/wasmcloud-host-default", 80) as url:
        assert "Hello" in eventually(lambda: fetch(url, "hello.localhost"), within_s=60)


@pytest.mark.parametrize("component", ["operator", "nats"])
def test_hello_answers_while_a_part_is_away_and_scales_when_it_is_back(hello: KindCluster, component: str) -> None:
    with hello.forwarded("service/wasmcloud-host-default", 80) as url:
        hello.kubectl("delete", "pod", "-l", f"app.kubernetes.io/component={component}", "--wait=true")
        assert "Hello" in fetch(url, "hello.localhost")
    wanted = 2 if component == "operator" else 4
    hello.kubectl("scale", "workloaddeployment", "hello", f"--replicas={wanted}")
    eventually(lambda: assert_ready(hello, wanted), within_s=120)


def test_an_upgrade_takes_values_and_keeps_what_runs(hello: KindCluster) -> None:
    # Both hosts take replicas however busy the one machine is.
    busy = '["--cpu-backpressure-threshold=100", "--memory-backpressure-threshold=100"]'
    values = ("--set", "runtime.replicas=2", "--set-json", f"operator.extraArgs={busy}")
    hello.helm("upgrade", "wasmcloud", str(CHART), *values, "--wait", "--timeout", "5m")

    def has_two_hosts() -> None:
        hosts = hello.get("hosts")["items"]
        ready = [host for host in hosts if is_ready(host)]
        assert len(ready) == 2, hosts

    eventually(has_two_hosts, within_s=60)
    with hello.forwarded("service/wasmcloud-host-default", 80) as url:
        # The Service takes any host of the group: hello is on both as soon as it has a replica on each.
        hello.kubectl("scale", "workloaddeployment", "hello", "--replicas=6")
        eventually(lambda: assert_ready(hello, 6), within_s=120)
        assert "Hello" in eventually(lambda: fetch(url, "hello.localhost"), within_s=30)


def test_uninstall_leaves_the_definitions_and_the_users_own(closed: KindCluster) -> None:
    hello = closed
    assert ready_endpoints(hello), "the Service leads nowhere, so nothing can be left of that"
    hello.helm("uninstall", "wasmcloud", "--wait", "--timeout", "5m")

    # Of the Service's EndpointSlices too: the hosts' addresses will be others'.
    own = ("service/hello", "networkpolicy.networking.k8s.io/deny-all")
    eventually(lambda: assert_nothing_left(hello, *own), within_s=120)
    assert hello.kubectl("get", "workloaddeployment", "hello", "--output", "name")
    # Nothing holds the user's own objects up, with nobody left to lift a finalizer.
    hello.kubectl("delete", "-f", HELLO, "--timeout=60s")
    hello.kubectl("delete", "service/hello")

    def has_no_workloads() -> None:
        assert not hello.get("workloads")["items"]

    eventually(has_no_workloads, within_s=60)


def ready_endpoints(cluster: KindCluster) -> list[object]:
    slices = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=hello")["items"]
    return [endpoint for each in slices for endpoint in each["endpoints"] if endpoint["conditions"]["ready"]]


def assert_ready(cluster: KindCluster, replicas: int) -> None:
    seen = cluster.get("workloaddeployment", "hello")["status"]["replicas"]
    assert (seen["ready"], seen["expected"]) == (replicas, replicas), seen
