"""What `helm uninstall` runs last: takes away what only the operator could have taken away.

Workloads stay, as they are the users' own, but nothing may hold them up: their finalizer goes. So do Services, but the
operator's EndpointSlices go, as nobody follows the hosts' addresses any more. Host objects and the operator's Lease go.
Environment: NAMESPACE (of the release), WATCHED (namespaces separated by commas; empty: all).
"""
# ruff: noqa: INP001  # no package: mounted into a pod

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
GROUP = "/apis/runtime.wasmcloud.dev/v1alpha1"
SLICES = "/apis/discovery.k8s.io/v1"
FINALIZER = "runtime.wasmcloud.dev/workload-finalizer"
ROUTE_MANAGER = "wasmcloud.dev/route-manager"


def call(method: str, path: str, body: object = None) -> dict:
    """One call of the Kubernetes API; what isn't there any more is an empty answer. Raises HTTPError."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    address = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"https://{address}:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}",
            "Content-Type": "application/merge-patch+json",
        },
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as reply:  # noqa: S310  # https, above
            return json.load(reply)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return {}
        raise


def release(workload: dict) -> None:
    """Take our finalizer off a Workload."""
    metadata = workload["metadata"]
    finalizers = metadata.get("finalizers", [])
    if FINALIZER in finalizers:
        kept = [finalizer for finalizer in finalizers if finalizer != FINALIZER]
        body = {"metadata": {"finalizers": kept, "resourceVersion": metadata["resourceVersion"]}}
        call("PATCH", f"{GROUP}/namespaces/{metadata['namespace']}/workloads/{metadata['name']}", body)


def release_all(namespace: str) -> None:
    """Take our finalizer off all Workloads below a path: of a namespace, or of all of them."""
    for workload in call("GET", f"{GROUP}{namespace}/workloads").get("items", []):
        release(workload)


def delete_slices(namespace: str) -> None:
    """Delete the operator's EndpointSlices below a path: of a namespace, or of all of them."""
    ours = call("GET", f"{SLICES}{namespace}/endpointslices?labelSelector={ROUTE_MANAGER}%3Dtrue").get("items", [])
    for metadata in (each["metadata"] for each in ours):
        call("DELETE", f"{SLICES}/namespaces/{metadata['namespace']}/endpointslices/{metadata['name']}")


def delete_own(namespace: str) -> None:
    """Delete what is in the operator's namespace."""
    hosts = f"{GROUP}/namespaces/{namespace}/hosts"
    for host in call("GET", hosts).get("items", []):
        call("DELETE", f"{hosts}/{host['metadata']['name']}")
    call("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/wasmcloud-operator")


def main() -> None:
    """Clean up; exits with what the API server refused, after all else is done. The Job then tries again."""
    watched = [f"/namespaces/{name}" for name in os.environ["WATCHED"].split(",") if name] or [""]
    steps = [partial(step, namespace) for namespace in watched for step in (release_all, delete_slices)]
    steps.append(partial(delete_own, os.environ["NAMESPACE"]))
    refusals = []
    for step in steps:
        try:
            step()
        except urllib.error.HTTPError as error:
            refusals.append(f"{error.url}: {error.code} {error.read().decode()}")
    if refusals:
        sys.exit("\n".join(refusals))


if __name__ == "__main__":
    main()
