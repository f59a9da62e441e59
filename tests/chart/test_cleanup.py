"""What `helm uninstall` runs last, on a real API server: nothing in one namespace holds up what is in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chart.rendered import JsonObject, Rendered, render
from ground.control_plane import ControlPlane
from ground.helm import CHART
from ground.wait import eventually
from wasmcloud_api.names import ROUTE_MANAGER_LABEL

OWN, TENANT, MISSING = "cleanup-own", "cleanup-tenant", "cleanup-missing"
FINALIZER = "runtime.wasmcloud.dev/workload-finalizer"
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": TENANT},
    "spec": {"ports": [{"name": "http", "port": 80}]},
}
COMPONENT = {"name": "web", "image": "registry.example/web:1"}


def ours(kind: str, name: str, namespace: str, **more: object) -> JsonObject:
    finalizers = [FINALIZER, "example.com/other"] if kind == "Workload" else []
    metadata = {"name": name, "namespace": namespace, "finalizers": finalizers}
    return {"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": kind, "metadata": metadata, **more}


def routes(name: str, **labels: str) -> JsonObject:
    """An EndpointSlice with a ready address."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": TENANT, "labels": {"kubernetes.io/service-name": "web"} | labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 9191}],
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
    }


@pytest.fixture
def left(judge: ControlPlane) -> Iterator[ControlPlane]:
    """An API server with what an installation leaves, and the rights of the chart's last Job."""
    for namespace in (OWN, TENANT):
        judge.kubectl("create", "namespace", namespace)
    objects = render({"operator": {"watchNamespaces": [MISSING, TENANT]}}, namespace=OWN).objects
    rights = [o for o in objects if o["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "cleanup"]
    there = [o for o in rights if o["kind"] != "Job" and o["metadata"]["namespace"] != MISSING]
    there += [ours("Host", "h1", OWN, hostId="h1"), ours("Workload", "w1", TENANT, spec={"components": [COMPONENT]})]
    there += [SERVICE, routes("web-1", **{ROUTE_MANAGER_LABEL: "true"}), routes("a-users-own")]
    judge.kubectl("apply", "-f", "-", stdin=Rendered(there).text())
    yield judge
    judge.kubectl("patch", "workload", "w1", "-n", TENANT, "--type=merge", "-p", '{"metadata":{"finalizers":[]}}')
    judge.kubectl("delete", "namespace", OWN, TENANT, "--wait=false")


def clean_up(api: ControlPlane, directory: Path) -> subprocess.CompletedProcess[str]:
    """The Job's container, with what the kubelet mounts into it."""
    account = directory / "account"
    account.mkdir(exist_ok=True)
    (account / "token").write_text(api.kubectl("create", "token", "wasmcloud-cleanup", "--namespace", OWN))
    (account / "ca.crt").write_text(api.ca.read_text())
    script = directory / "cleanup.py"
    text = (CHART / "files" / "cleanup.py").read_text()
    script.write_text(text.replace("/var/run/secrets/kubernetes.io/serviceaccount", str(account)))
    host, port = api.url.removeprefix("https://").split(":")
    own = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    variables = {**os.environ, **own, "NAMESPACE": OWN, "WATCHED": f"{MISSING},{TENANT}"}
    return subprocess.run([sys.executable, script], env=variables, capture_output=True, text=True, check=False)


def test_a_missing_namespace_holds_up_nothing_in_others(left: ControlPlane, tmp_path: Path) -> None:
    def is_done() -> None:
        # Rights that were given a moment ago may not be known yet: the Job, too, tries again.
        done = clean_up(left, tmp_path)
        assert MISSING in done.stderr, done.stderr
        workload = json.loads(left.kubectl("get", "workload", "w1", "--namespace", TENANT, "--output", "json"))
        assert workload["metadata"]["finalizers"] == ["example.com/other"], done.stderr
        assert not left.kubectl("get", "hosts", "--namespace", OWN, "--output", "name"), done.stderr
        # The Service is the user's and stays, but leads to no address that somebody else may get.
        routing = left.kubectl("get", "services,endpointslices", "--namespace", TENANT, "--output", "name").split()
        assert routing == ["service/web", "endpointslice.discovery.k8s.io/a-users-own"], done.stderr
        assert done.returncode == 1

    eventually(is_done, within_s=30)
