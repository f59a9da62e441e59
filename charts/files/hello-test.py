"""What `helm test` runs: deploys a component through the operator, fetches it through the host group's Service.

Environment: NAMESPACE, HOST_GROUP, ENVIRONMENT (may be empty), IMAGE, URL, CA (a PEM file, may be empty), SERVER_NAME
(in the certificate), TIMEOUT_S.
"""
# ruff: noqa: INP001, S310  # no package: mounted into a pod; the URLs are the chart's own

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NAME = "wasmcloud-helm-test"
DEPLOYMENTS = f"/apis/runtime.wasmcloud.dev/v1alpha1/namespaces/{os.environ['NAMESPACE']}/workloaddeployments"


def call(method: str, path: str, body: object = None) -> dict:
    """One call of the Kubernetes API. Raises HTTPError."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    address = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"https://{address}:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=context, timeout=10) as reply:
        return json.load(reply)


def deployment() -> dict:
    """Return the component behind a host name of its own."""
    http = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"], "config": {"host": NAME}}
    template = {
        "hostSelector": {"hostgroup": os.environ["HOST_GROUP"]},
        "hostInterfaces": [http],
        "components": [{"name": "hello", "image": os.environ["IMAGE"]}],
    }
    if environment := os.environ["ENVIRONMENT"]:
        template["environment"] = environment
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": {"name": NAME},
        "spec": {"replicas": 1, "template": {"spec": template}},
    }


def remove() -> None:
    """Delete the deployment; nothing happens where there is none."""
    try:
        call("DELETE", f"{DEPLOYMENTS}/{NAME}?propagationPolicy=Foreground")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise


class NamedContext(ssl.SSLContext):
    """Wants SERVER_NAME in the certificate: one for public names doesn't have the Service's, which is connected to."""

    def wrap_socket(self, *args: object, **more: object) -> ssl.SSLSocket:
        """As any context does, but for the name."""
        return super().wrap_socket(*args, **{**more, "server_hostname": os.environ["SERVER_NAME"]})


def fetch() -> str:
    """Return the component's answer. Raises OSError."""
    context = None
    if os.environ["CA"]:
        context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(os.environ["CA"])
    request = urllib.request.Request(os.environ["URL"], headers={"Host": NAME})
    with urllib.request.urlopen(request, context=context, timeout=5) as reply:
        return reply.read().decode()


def wait(deadline: float) -> None:
    """Print the component's answer. Exits with what was last seen when the deadline passes."""
    while True:
        try:
            print(f"the component answered: {fetch().strip()}")
            return
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > deadline:
                conditions = call("GET", f"{DEPLOYMENTS}/{NAME}").get("status", {}).get("conditions", [])
                sys.exit(f"no answer from {os.environ['URL']}: {error}; conditions: {json.dumps(conditions, indent=1)}")
        time.sleep(0.5)


def main() -> None:
    """Deploy, ask, remove."""
    deadline = time.monotonic() + float(os.environ["TIMEOUT_S"])
    remove()
    while True:
        try:
            call("POST", DEPLOYMENTS, deployment())
            break
        except urllib.error.HTTPError as error:  # one of an earlier test may still be going
            if error.code != 409 or time.monotonic() > deadline:
                sys.exit(f"the WorkloadDeployment was not taken: {error.code} {error.read().decode()}")
        time.sleep(0.5)
    try:
        wait(deadline)
    finally:
        remove()


if __name__ == "__main__":
    main()
