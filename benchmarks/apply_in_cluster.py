"""Runs in a pod, for on_kind.py: applies a deployment, asks for it until it answers, and takes it away again."""

import http.client
import json
import os
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
TLS = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
SERVICES = "/api/v1/namespaces/default/services"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/runtime.wasmcloud.dev/v1alpha1/namespaces/default/workloaddeployments"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
GROUP = "wasmcloud-host-default"
STANDING = "standing"
ANSWERS_WITHIN_S = 30
REST_S = 2.5
"""kube-proxy rests for a second after each time that it wrote its rules: it acts at once after more than that."""
CONNECTS_WITHIN_S = 0.02
"""Then the client tries anew. A Service without endpoints refuses by ICMP, which Linux sends a client six times in a
row and then once a second (`icmp_ratelimit`). A connection that meets silence sends its SYN again after a second,
whatever has become of the Service meanwhile: to wait for it would measure that second."""
PATIENT_S = 5.0

Address = tuple[str, int]
Json = dict[str, Any]


def call(method: str, path: str, body: object = None) -> Any:
    """One call of the Kubernetes API. Raises HTTPError."""
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, method=method, data=data, headers=headers)  # noqa: S310  # https
    with urllib.request.urlopen(request, context=TLS, timeout=30) as reply:  # noqa: S310
        return json.load(reply)


def deployment(name: str, service: str | None) -> Json:
    """Answers to `host_of(name)`."""
    interface = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"]}
    served = {**interface, "config": {"host": host_of(name)}}
    template = {"hostInterfaces": [served], "components": [{"name": "hello", "image": "file://hello.wasm"}]}
    routed = {"kubernetes": {"service": {"name": service}}} if service else {}
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": {"name": name},
        "spec": {"replicas": 1, "template": {"spec": template}, **routed},
    }


def host_of(name: str) -> str:
    return f"{name}.localhost"


def has_answered(address: Address, host: str, connects_within_s: float) -> bool:
    with closing(http.client.HTTPConnection(*address, timeout=connects_within_s)) as connection:
        try:
            connection.connect()
            connection.sock.settimeout(5)
            connection.request("GET", "/", headers={"Host": host})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):  # no such name, refused, silence
            return False


def first_200(
    address: Address, name: str, path: str, body: object, connects_within_s: float = CONNECTS_WITHIN_S
) -> float:
    """Milliseconds from a POST until `name` answers at `address`."""
    started_s = time.monotonic()
    call("POST", path, body)
    while not has_answered(address, host_of(name), connects_within_s):
        if time.monotonic() - started_s > ANSWERS_WITHIN_S:
            sys.exit(f"{name} does not answer at {address}")
        time.sleep(0.002)
    return (time.monotonic() - started_s) * 1000


def make_service(name: str, headless_port: int | None) -> Address:
    """Where it is asked: its address, or, headless at that port, its name."""
    if headless_port is None:
        spec: Json = {"ports": [{"name": "http", "port": 80}]}
        return call("POST", SERVICES, {"metadata": {"name": name}, "spec": spec})["spec"]["clusterIP"], 80
    spec = {"clusterIP": "None", "ports": [{"name": "http", "port": headless_port}]}
    call("POST", SERVICES, {"metadata": {"name": name}, "spec": spec})
    return f"{name}.default.svc.cluster.local.", headless_port


def apply_to_first_200(
    name: str, rest_s: float = 0, headless_port: int | None = None, connects_within_s: float = CONNECTS_WITHIN_S
) -> float:
    """Milliseconds, through a Service of its own that has been there for `rest_s`, and no other has changed since."""
    address = make_service(name, headless_port)
    try:
        time.sleep(rest_s)
        return first_200(address, name, DEPLOYMENTS, deployment(name, name), connects_within_s)
    finally:
        call("DELETE", f"{DEPLOYMENTS}/{name}")
        call("DELETE", f"{SERVICES}/{name}")


def slice_to_first_200(name: str, standing: Json, rest_s: float = 0, headless_port: int | None = None) -> float:
    """Milliseconds that the cluster's network itself takes: from an EndpointSlice that says the same as `standing`."""
    address = make_service(name, headless_port)
    labels = {"kubernetes.io/service-name": name}
    same = {key: standing[key] for key in ("addressType", "endpoints", "ports")}
    try:
        time.sleep(rest_s)
        return first_200(address, STANDING, SLICES, {"metadata": {"name": name, "labels": labels}, **same})
    finally:
        call("DELETE", f"{SLICES}/{name}")
        call("DELETE", f"{SERVICES}/{name}")


def group_to_first_200(name: str, group: Address) -> float:
    """Milliseconds, through the host group's Service, which is always there."""
    try:
        return first_200(group, name, DEPLOYMENTS, deployment(name, None))
    finally:
        call("DELETE", f"{DEPLOYMENTS}/{name}")


def post(name: str) -> float:
    """Milliseconds of a POST that nobody acts on."""
    started_s = time.monotonic()
    call("POST", CONFIG_MAPS, {"metadata": {"name": name}})
    took_s = time.monotonic() - started_s
    call("DELETE", f"{CONFIG_MAPS}/{name}")
    return took_s * 1000


def stand() -> Json:
    """The EndpointSlice of a deployment that answers."""
    first_200(make_service(STANDING, None), STANDING, DEPLOYMENTS, deployment(STANDING, STANDING))
    found: Json = call("GET", f"{SLICES}?labelSelector=kubernetes.io/service-name={STANDING}")
    return dict(found["items"][0])


def contestants(standing: Json, group: Address) -> dict[str, Callable[[str], float]]:
    """What is measured; each takes a name that is new."""
    port = standing["ports"][0]["port"]
    return {
        "apply -> first 200 through its Service": lambda n: apply_to_first_200(n, REST_S),
        "limit: an EndpointSlice alone": lambda n: slice_to_first_200(n, standing, REST_S),
        "the same, asked by a client that waits for each connection": lambda n: apply_to_first_200(
            n, REST_S, connects_within_s=PATIENT_S
        ),
        "apply -> first 200, its Service made just before": apply_to_first_200,
        "limit: an EndpointSlice alone, as just before": lambda n: slice_to_first_200(n, standing),
        "apply -> first 200, its headless Service made just before": lambda n: apply_to_first_200(
            n, headless_port=port
        ),
        "limit: an EndpointSlice alone, headless": lambda n: slice_to_first_200(n, standing, headless_port=port),
        "apply -> first 200 through the host group's Service": lambda n: group_to_first_200(n, group),
        "limit: a bare POST": post,
    }


def main() -> None:
    runs = int(sys.argv[1])
    standing = stand()
    group = (call("GET", f"{SERVICES}/{GROUP}")["spec"]["clusterIP"], 80)
    measured: dict[str, list[float]] = {}
    for number in range(runs):
        for place, (title, measure) in enumerate(contestants(standing, group).items()):
            measured.setdefault(title, []).append(measure(f"run-{place}-{number}"))
    call("DELETE", f"{DEPLOYMENTS}/{STANDING}")
    call("DELETE", f"{SERVICES}/{STANDING}")
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
