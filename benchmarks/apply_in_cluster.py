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
ANSWERS_WITHIN_S = 30


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


def has_answered(address: str, name: str) -> bool:
    request = urllib.request.Request(f"http://{address}/", headers={"Host": f"{name}.default.svc"})
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except OSError:  # refused, or 404 from the host
        return False


def apply_to_first_200(name: str) -> float:
    """Milliseconds. The Service is there before."""
    service = {"metadata": {"name": name}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    address = call("POST", f"{CORE}/services", service)["spec"]["clusterIP"]
    try:
        started_s = time.monotonic()
        call("POST", DEPLOYMENTS, deployment(name))
        while not has_answered(address, name):
            if time.monotonic() - started_s > ANSWERS_WITHIN_S:
                sys.exit(f"{name} does not answer")
            time.sleep(0.002)
        return (time.monotonic() - started_s) * 1000
    finally:
        call("DELETE", f"{DEPLOYMENTS}/{name}")
        call("DELETE", f"{CORE}/services/{name}")


def post(name: str) -> float:
    """Milliseconds of a POST that nobody acts on."""
    started_s = time.monotonic()
    call("POST", f"{CORE}/configmaps", {"metadata": {"name": name}})
    took_s = time.monotonic() - started_s
    call("DELETE", f"{CORE}/configmaps/{name}")
    return took_s * 1000


def main() -> None:
    runs = int(sys.argv[1])
    applied = [apply_to_first_200(f"measure-{number}") for number in range(runs)]
    posted = [post(f"measure-{number}") for number in range(runs)]
    print(json.dumps({"apply -> first 200 through the Service": applied, "limit: a bare POST": posted}))


if __name__ == "__main__":
    main()
