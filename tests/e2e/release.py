"""An installation with two hosts, one on each node, and ten replicas of a component behind a Service."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ground.kind_cluster import KindCluster
from ground.wait import eventually
from integration.system import deployment

Json = dict[str, Any]

VALUES: Json = {
    # Nodes share one machine with other programs, whose load is not to say where replicas go.
    "operator": {"extraArgs": ["--cpu-backpressure-threshold=100", "--memory-backpressure-threshold=100"]},
    "runtime": {"replicas": 2},
}
GUEST = "file://http-p2.wasm"
"""A component whose paths say what it does; tests/guests/README.md lists them."""
WITH_GUESTS: Json = {
    "fileImages": ["/guests"],
    "volumes": [{"name": "guests", "configMap": {"name": "guests"}}],
    "volumeMounts": [{"name": "guests", "mountPath": "/guests"}],
}
"""Values of hosts that have the tests' guests, once `keep_guests` has made the ConfigMap."""
SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "app"},
    "spec": {"ports": [{"name": "http", "port": 80}]},
}
URL = "http://app.default.svc/"
REPLICAS = 10
WAIT = ["--wait", "--timeout", "5m"]
SETTLED_WITHIN_S = 180
OWN_KINDS = (
    *("deploy", "statefulset", "job", "pod", "service", "configmap", "secret", "serviceaccount", "role", "rolebinding"),
    *("networkpolicy", "pdb", "pvc", "host", "lease", "endpointslice"),
)
DENY_ALL: Json = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
"""What owners of namespaces begin with: a pod reaches what a policy of its own names."""


def app(greeted: str, **spec: Any) -> Json:
    """Answers `Hello, GREETED!` at the Service, from `REPLICAS` replicas; `spec` is added to the deployment's."""
    routed = {"kubernetes": {"service": {"name": "app"}}}
    return deployment("app", replicas=REPLICAS, env={"GREETED": greeted}, spec=routed | spec)


def apply(cluster: KindCluster, *objects: Json) -> None:
    body = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def keep_guests(cluster: KindCluster) -> None:
    directory = Path(__file__).parents[1] / "guests"
    files = [f"--from-file={directory / name}.wasm" for name in ("http-p2", "service")]
    cluster.kubectl("create", "configmap", "guests", *files)


def conditions(item: Json) -> list[dict[str, str]]:
    found: list[dict[str, str]] = item.get("status", {}).get("conditions", [])
    return found


def is_ready(item: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions(item))


def settle(cluster: KindCluster, greeted: str) -> None:
    """Two hosts, and the replicas on both of them.

    What a host that went has left to the other one stays there, so this rolls out anew.
    """

    def has_both() -> None:
        assert [is_ready(host) for host in cluster.get("hosts")["items"]].count(True) == 2, cluster.get("hosts")

    eventually(has_both, within_s=SETTLED_WITHIN_S, every_s=0.5)
    apply(cluster, SERVICE, app(greeted))
    eventually(lambda: assert_settled(cluster), within_s=SETTLED_WITHIN_S, every_s=0.5)
    eventually(lambda: assert_endpoints(cluster, 2), within_s=SETTLED_WITHIN_S, every_s=0.5)


def assert_settled(cluster: KindCluster) -> None:
    """All replicas of the present template are ready, and there are no others."""
    found = cluster.get("workloaddeployment", "app")
    status = found.get("status", {})
    assert status.get("observedGeneration") == found["metadata"]["generation"], status
    assert [status["replicas"][name] for name in ("expected", "current", "ready")] == [REPLICAS] * 3, status
    present = status["currentReplicaSet"]["name"]
    names = [workload["metadata"]["name"] for workload in cluster.get("workloads")["items"]]
    others = [name for name in names if re.match(r"app-\w+-", name) and not name.startswith(f"{present}-")]
    assert not others, f"others than {present}'s: {others}"


def assert_endpoints(cluster: KindCluster, count: int) -> None:
    """The Service leads to so many hosts, and to no other."""
    slices = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=app")["items"]
    endpoints = [endpoint for one in slices for endpoint in one["endpoints"]]
    assert [endpoint["conditions"]["ready"] for endpoint in endpoints] == [True] * count, endpoints


def assert_nothing_left(cluster: KindCluster, *own: str) -> None:
    """The default namespace has what every namespace has, and the user's `own`."""
    left = set(cluster.kubectl("get", ",".join(OWN_KINDS), "--output", "name").split())
    everywhere = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
    of_the_api_server = {"service/kubernetes", "endpointslice.discovery.k8s.io/kubernetes"}
    assert left <= {*everywhere, *of_the_api_server, *own}, left
