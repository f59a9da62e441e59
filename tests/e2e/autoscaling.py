"""A metric for a HorizontalPodAutoscaler: requests that the hosts answer, as a metrics adapter would serve them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.release import Json, apply
from ground.kind_cluster import KindCluster

NAME = "metrics-adapter"
API = "v1beta1.external.metrics.k8s.io"
SCALER: Json = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "app"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": "WorkloadDeployment", "name": "app"},
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": [
            {
                "type": "External",
                "external": {
                    "metric": {"name": "answers_per_second"},
                    "target": {"type": "AverageValue", "averageValue": "10"},
                },
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    },
}


@contextmanager
def autoscaled(cluster: KindCluster, image: str) -> Iterator[None]:
    """The deployment `app` has an autoscaler: at 10 answers a second a replica, between 1 and 4 of them."""
    directory = cluster.directory / "adapter"
    directory.mkdir()
    key, certificate = str(directory / "tls.key"), str(directory / "tls.crt")
    made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        f"/CN={NAME}",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    subprocess.run(["openssl", *made], check=True, capture_output=True)
    cluster.kubectl("create", "secret", "tls", NAME, "--key", key, "--cert", certificate)
    cluster.kubectl("create", "configmap", NAME, f"--from-file={Path(__file__).parent / 'serve_metrics.py'}")
    hosts = cluster.get("pods", "-l", "app.kubernetes.io/component=host")["items"]
    urls = [f"http://{pod['status']['podIP']}:8081/metrics" for pod in hosts]
    apply(cluster, *_adapter(image, urls))
    try:
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s", timeout_s=90)
        cluster.kubectl("wait", "--for=condition=Available", f"apiservice/{API}", "--timeout=60s", timeout_s=90)
        apply(cluster, SCALER)
        yield
    finally:
        cluster.kubectl("delete", "hpa/app", f"apiservice/{API}", "--ignore-not-found")
        cluster.kubectl("delete", *(f"{kind}/{NAME}" for kind in ("pod", "service", "secret", "configmap")))


def _adapter(image: str, urls: list[str]) -> list[Json]:
    container = {
        "name": NAME,
        "image": image,
        "command": ["python3", "/adapter/serve_metrics.py", *urls],
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "volumeMounts": [{"name": "script", "mountPath": "/adapter"}, {"name": "tls", "mountPath": "/tls"}],
    }
    volumes = [{"name": "script", "configMap": {"name": NAME}}, {"name": "tls", "secret": {"secretName": NAME}}]
    metadata = {"name": NAME, "labels": {"app": NAME}}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container], "volumes": volumes}
    service = {"selector": {"app": NAME}, "ports": [{"port": 443, "targetPort": 8443}]}
    reference = {"name": NAME, "namespace": "default"}
    group, version = API.partition(".")[2], API.partition(".")[0]
    registered = {
        "service": reference,
        "group": group,
        "version": version,
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": API},
            "spec": registered,
        },
    ]
