"""Runs in a pod, for on_kind.py: applies a deployment, asks its Service until it answers, and takes it away again."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
TLS = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
CORE = "/api/v1/namespaces/default"
DEPLOYMENTS = "/apis/runtime.wasmcloud.dev/v1alpha1/namespaces/default/workloaddeployments"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
STANDING = "standing"
ANSWERS_WITHIN_S = 30
REST_S = 2.5
"""kube-proxy takes what changed within a second together, by default: it acts at once after more than one without."""


def call(method: str, path: str, body: object = None) -> Any:
    """One call of the Kubernetes API. Raises HTTPError."""
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, method=method, data=data, headers=headers)  # noqa: S310  # https
    with urllib.request.urlopen(request, context=TLS, timeout=30) as reply:  # noqa: S310
        return json.load(reply)


def deployment(name: str) -> dict[str, Any]:
    http = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"], "config": {"host": name}}
    template = {"hostInterfaces": [http], "components": [{"name": "hello", "image": "file://hello.wasm"}]}
    spec = {"replicas": 1, "kubernetes": {"service": {"name": name}}, "template": {"spec": template}}
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": {"name": name},
        "spec": spec,
    }


def has_answered(address: str, host: str) -> bool:
    request = urllib.request.Request(f"http://{address}/", headers={"Host": f"{host}.default.svc"})
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except OSError:  # refused, or 404 from the host
        return False


def first_200(address: str, host: str, path: str, body: object) -> float:
    """Milliseconds from a POST until the Service at `address` answers."""
    started_s = time.monotonic()
    call("POST", path, body)
    while not has_answered(address, host):
        if time.monotonic() - started_s > ANSWERS_WITHIN_S:
            sys.exit(f"{host} does not answer at {address}")
        time.sleep(0.002)
    return (time.monotonic() - started_s) * 1000


def make_service(name: str) -> str:
    """Its address."""
    service = {"metadata": {"name": name}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    address: str = call("POST", f"{CORE}/services", service)["spec"]["clusterIP"]
    return address


def apply_to_first_200(name: str, rest_s: float) -> float:
    """Milliseconds. The Service has been there for `rest_s`, and no other has changed since."""
    address = make_service(name)
    try:
        time.sleep(rest_s)
        return first_200(address, name, DEPLOYMENTS, deployment(name))
    finally:
        call("DELETE", f"{DEPLOYMENTS}/{name}")
        call("DELETE", f"{CORE}/services/{name}")


def slice_to_first_200(name: str, standing: dict[str, Any], rest_s: float) -> float:
    """Milliseconds that the cluster's network itself takes: from an EndpointSlice that says the same as `standing`."""
    address = make_service(name)
    labels = {"kubernetes.io/service-name": name}
    same = {key: standing[key] for key in ("addressType", "endpoints", "ports")}
    try:
        time.sleep(rest_s)
        return first_200(address, STANDING, SLICES, {"metadata": {"name": name, "labels": labels}, **same})
    finally:
        call("DELETE", f"{SLICES}/{name}")
        call("DELETE", f"{CORE}/services/{name}")


def stand() -> dict[str, Any]:
    """The EndpointSlice of a deployment that answers."""
    first_200(make_service(STANDING), STANDING, DEPLOYMENTS, deployment(STANDING))
    found: dict[str, Any] = call("GET", f"{SLICES}?labelSelector=kubernetes.io/service-name={STANDING}")
    return dict(found["items"][0])


def post(name: str) -> float:
    """Milliseconds of a POST that nobody acts on."""
    started_s = time.monotonic()
    call("POST", f"{CORE}/configmaps", {"metadata": {"name": name}})
    took_s = time.monotonic() - started_s
    call("DELETE", f"{CORE}/configmaps/{name}")
    return took_s * 1000


def main() -> None:
    runs = int(sys.argv[1])
    standing = stand()
    measured: dict[str, list[float]] = {}
    for number in range(runs):
        for name, took_ms in (
            ("apply -> first 200 through the Service", apply_to_first_200(f"at-rest-{number}", REST_S)),
            ("limit: an EndpointSlice alone", slice_to_first_200(f"slice-{number}", standing, REST_S)),
            ("apply -> first 200, its Service made just before", apply_to_first_200(f"at-once-{number}", 0)),
            (
                "limit: an EndpointSlice alone, as just before",
                slice_to_first_200(f"slice-at-once-{number}", standing, 0),
            ),
            ("limit: a bare POST", post(f"measure-{number}")),
        ):
            measured.setdefault(name, []).append(took_ms)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
