"""Kubernetes' metrics-server: how busy pods are, for a HorizontalPodAutoscaler that goes by the CPU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.release import Json, apply
from ground.kind_cluster import KindCluster

NAME = "metrics-server"
PLACE = {"name": NAME, "namespace": "kube-system"}
RBAC = "rbac.authorization.k8s.io"
ROLE = "tests:metrics-server"
API = "v1beta1.metrics.k8s.io"
PORT = 10250
FLAGS = [
    "--cert-dir=/certificates",
    f"--secure-port={PORT}",
    "--metric-resolution=10s",  # the shortest that it takes
    "--kubelet-request-timeout=9s",  # below that
    "--kubelet-preferred-address-types=InternalIP",
    "--kubelet-insecure-tls",  # kubelets of kind have certificates of their own making
]


def _image() -> str:
    """As tests/ground/build-metrics-server makes it."""
    script = Path(__file__).parents[1] / "ground" / "build-metrics-server"
    version = re.search(r"^version=(\S+)$", script.read_text(), re.MULTILINE)
    assert version is not None, "build-metrics-server names no version"
    return f"{NAME}:{version[1]}-local"


@contextmanager
def metrics_server(cluster: KindCluster) -> Iterator[None]:
    """The cluster has metrics of pods and nodes, each at most ten seconds old and some more."""
    cluster.load([_image()])
    apply(cluster, *_rights(), *_server())
    place = "--namespace=kube-system"
    try:
        cluster.kubectl("wait", "--for=condition=Available", f"deployment/{NAME}", place, "--timeout=90s")
        cluster.kubectl("wait", "--for=condition=Available", f"apiservice/{API}", "--timeout=60s")
        yield
    finally:
        for kind, name in (("apiservice", API), ("clusterrole", ROLE)):
            cluster.kubectl("delete", f"{kind}/{name}")
        cluster.kubectl("delete", "clusterrolebinding", ROLE, f"{ROLE}:delegator")
        mine = [f"{kind}/{NAME}" for kind in ("deployment", "service", "serviceaccount", "rolebinding")]
        cluster.kubectl("delete", place, *mine)


def _rights() -> list[Json]:
    """It reads what kubelets measured, and asks the API server who it is that asks."""
    account = [{"kind": "ServiceAccount", **PLACE}]
    rules = [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]

    def bound(kind: str, metadata: Json, to: str, role: str) -> Json:
        reference = {"apiGroup": RBAC, "kind": to, "name": role}
        return {
            "apiVersion": f"{RBAC}/v1",
            "kind": kind,
            "metadata": metadata,
            "roleRef": reference,
            "subjects": account,
        }

    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": PLACE},
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": ROLE}, "rules": rules},
        bound("ClusterRoleBinding", {"name": ROLE}, "ClusterRole", ROLE),
        bound("ClusterRoleBinding", {"name": f"{ROLE}:delegator"}, "ClusterRole", "system:auth-delegator"),
        bound("RoleBinding", PLACE, "Role", "extension-apiserver-authentication-reader"),
    ]


def _server() -> list[Json]:
    labels = {"app": NAME}
    container = {
        "name": NAME,
        "image": _image(),
        "args": FLAGS,
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": PORT, "scheme": "HTTPS"}, "periodSeconds": 2},
        "volumeMounts": [{"name": "certificates", "mountPath": "/certificates"}],
    }
    pod = {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "certificates", "emptyDir": {}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    registered = {
        "service": PLACE,
        "group": API.partition(".")[2],
        "version": API.partition(".")[0],
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": PLACE,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": PLACE,
            "spec": {"selector": labels, "ports": [{"port": 443, "targetPort": PORT}]},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": API},
            "spec": registered,
        },
    ]
