"""The whole product as a user has it: operator and hosts as processes, Kubernetes and NATS underneath."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ground.control_plane import OPERATOR, ControlPlane
from ground.nats import NatsServer
from ground.process import Process, free_ports
from ground.wait import eventually
from integration.clients import Answer, answering, ask, fetch

ROOT = Path(__file__).parents[2]
ROLES = Path(__file__).parent
READY_WITHIN_S = 60
KINDS = "hosts,workloaddeployments,workloadreplicasets,workloads,artifacts"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunningHost:
    """A host process and where it listens."""

    name: str
    process: Process
    address: str
    http_port: int
    web_port: int

    def get(self, host: str, path: str = "/") -> Answer:
        return fetch(self.http_port, host, path)


class System:
    """One operator, hosts, a NATS server, and a namespace that the operator watches, for one test."""

    def __init__(self, control_plane: ControlPlane, nats: NatsServer, directory: Path) -> None:
        self.control_plane = control_plane
        self.nats = nats
        self.hosts: dict[str, RunningHost] = {}
        self._directory = directory
        self.namespace = f"integration-{uuid.uuid4().hex[:8]}"
        self.operator_namespace = f"{self.namespace}-system"
        self._health_port = free_ports(1)[0]
        self.operator = self._operator_process()
        self._audited_count = 0
        self._refusing: set[str] = set()

    def start(self) -> None:
        for namespace in (self.namespace, self.operator_namespace):
            self.control_plane.kubectl("create", "namespace", namespace)
        self.grant(self.namespace)
        self._audited_count = len(self.control_plane.audited())
        own = str(ROLES / "roles-operator-namespace.yaml")
        self.control_plane.kubectl("apply", "-n", self.operator_namespace, "-f", own)
        self.start_operator()

    def add_namespace(self) -> str:
        """One more namespace, in which the operator has the same rights; by a flag it watches it, too."""
        namespace = f"{self.namespace}-other"
        self.control_plane.kubectl("create", "namespace", namespace)
        self.grant(namespace)
        return namespace

    def grant(self, namespace: str) -> None:
        self.control_plane.kubectl("apply", "-n", namespace, "-f", str(ROLES / "roles-watched-namespace.yaml"))

    def revoke(self, namespace: str) -> None:
        """Take the operator's rights in a namespace away; that it asks there all the same is no fault."""
        self.expect_refusals(namespace)
        self.control_plane.kubectl("delete", "-n", namespace, "-f", str(ROLES / "roles-watched-namespace.yaml"))

    def expect_refusals(self, namespace: str) -> None:
        self._refusing.add(namespace)

    def start_operator(self) -> None:
        """Returns when the operator is ready: it then hears a new host's first heartbeat."""
        self.operator.start()
        eventually(self._assert_operator_ready, within_s=READY_WITHIN_S)

    def stop(self) -> None:
        """The operator first: it need not move what the ending hosts leave."""
        self.operator.stop()
        for host in self.hosts.values():
            host.process.kill()

    def add_host(self, name: str, *flags: str, address: str = "127.0.0.1") -> RunningHost:
        """Start a host, whose id is its name; `flags` are added to the usual ones.

        `address` is where it says that others reach it. One that isn't of loopback has its listener everywhere, or the
        host would say that it serves nobody; it is asked on loopback all the same.
        """
        listener = "127.0.0.1" if address == "127.0.0.1" else "0.0.0.0"
        http_port, web_port = free_ports(2)
        images = f"{ROOT / 'examples' / 'hello'},{ROOT / 'tests' / 'guests'},{ROOT / 'tests' / 'guests' / 'bad'}"
        argv = [
            *(sys.executable, "-m", "wasmcloud_host"),
            *("--host-id", f"{self.namespace}-{name}", "--friendly-name", f"{self.namespace}-{name}"),
            *("--scheduler-nats-url", self.nats.url, "--host-name", address),
            *("--http-addr", f"{listener}:{http_port}", "--web-addr", f"127.0.0.1:{web_port}"),
            *("--allow-file-images", images, "--oci-cache-dir", str(self._directory / f"{name}-cache")),
            *flags,
        ]
        process = Process(name, argv, self._directory / f"{name}.log")
        host = RunningHost(f"{self.namespace}-{name}", process, address, http_port, web_port)
        self.hosts[name] = host
        process.start()
        return host

    def await_hosts(self) -> None:
        """Returns when the operator calls every host ready."""
        for host in self.hosts.values():
            eventually(lambda host=host: self._assert_host_ready(host), within_s=READY_WITHIN_S)  # type: ignore[misc]

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """In the test's own namespace."""
        return self.control_plane.kubectl("-n", self.namespace, *args, stdin=stdin)

    def apply(self, manifest: Json) -> None:
        self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def items(self, kind: str, *args: str) -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", kind, *args, "-o", "json"))["items"]
        return found

    def get(self, kind: str, name: str) -> Json:
        found: Json = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def await_ready(self, name: str, within_s: float = READY_WITHIN_S) -> None:
        """As a person would, by kubectl wait."""

        def check() -> None:
            self.operator.assert_running()
            self.kubectl("wait", f"workloaddeployment/{name}", "--for=condition=Ready", "--timeout=2s")

        eventually(check, within_s=within_s)

    def running_on(self, host: RunningHost) -> list[str]:
        """The ids of the workloads that the host itself says it runs."""
        reply = ask(self.nats.url, f"runtime.host.{host.name}.workload.list")
        return [status["workloadId"] for status in reply.get("workloadStatus", [])]

    def assert_answer(self, host: RunningHost, name: str, body: str, status: int = 200) -> None:
        eventually(answering(host.http_port, name, status, body), within_s=READY_WITHIN_S)

    def forbidden(self) -> list[str]:
        """What the operator asked the API server for and had no right to."""
        return [
            f"{request['verb']} {request['requestURI']}"
            for request in self.control_plane.audited()[self._audited_count :]
            if request["responseStatus"]["code"] == 403
            and request.get("objectRef", {}).get("namespace") not in self._refusing
        ]

    def dump(self) -> str:
        """All that helps to understand a failure."""
        objects = self.kubectl("get", KINDS, "-A", "-o", "yaml")
        events = self.kubectl("get", "events", "-A")
        processes = [self.operator, *(host.process for host in self.hosts.values())]
        logs = "".join(f"\n--- {process.name}\n{process.log_tail(200)}\n" for process in processes)
        return f"--- objects\n{objects}\n--- events\n{events}\n{logs}"

    def restart_operator(self, *flags: str) -> None:
        """End the operator and start one with these flags added."""
        self.operator.stop()
        self.operator = self._operator_process(*flags)
        self.start_operator()

    def add_operator(self, name: str, *flags: str) -> tuple[Process, int]:
        """One more operator beside the first, and the port of its pages; whoever asks for it stops it."""
        port = free_ports(1)[0]
        process = self._operator_process(*flags, "--health-addr", f"127.0.0.1:{port}", name=name)
        process.start()
        return process, port

    def _operator_process(self, *flags: str, name: str = "operator") -> Process:
        argv = [
            *(sys.executable, "-m", "wasmcloud_operator", "--nats-url", self.nats.url),
            *("--watch-namespaces", self.namespace, "--health-addr", f"127.0.0.1:{self._health_port}"),
            # The hosts share a machine with other programs, whose load is not to say where workloads go.
            *("--cpu-backpressure-threshold", "100", "--memory-backpressure-threshold", "100"),
            *flags,
        ]
        env = {
            "KUBECONFIG": str(self.control_plane.kubeconfig(OPERATOR)),
            "OPERATOR_NAMESPACE": self.operator_namespace,
        }
        return Process(name, argv, self._directory / f"{name}.log", env=env)

    def _assert_operator_ready(self) -> None:
        self.operator.assert_running()
        answering(self._health_port, "127.0.0.1", path="/readyz")()

    def _assert_host_ready(self, host: RunningHost) -> None:
        host.process.assert_running()
        self.operator.assert_running()
        text = self.control_plane.kubectl("-n", self.operator_namespace, "get", "host", host.name, "-o", "json")
        assert is_ready(json.loads(text)), f"host {host.name} is not ready: {text}"


def is_ready(found: Json) -> bool:
    return condition(found, "Ready").get("status") == "True"


def condition(found: Json, kind: str) -> Json:
    conditions = found.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})


def deployment(
    name: str,
    *,
    image: str = "file://hello.wasm",
    replicas: int = 1,
    env: Mapping[str, str] | None = None,
    interfaces: Sequence[str] = ("incoming-handler",),
    component: Json | None = None,
    workload: Json | None = None,
    spec: Json | None = None,
) -> Json:
    """A WorkloadDeployment that answers at NAME.localhost.

    `component`, `workload` and `spec` are added to the specs of the component, the workload and the deployment.
    """
    served = {
        "namespace": "wasi",
        "package": "http",
        "interfaces": list(interfaces),
        "config": {"host": f"{name}.localhost"},
    }
    resources = {"environment": {"config": dict(env or {})}}
    parts = [{"name": name, "image": image, "localResources": resources, **(component or {})}]
    placed = {"hostInterfaces": [served], "components": parts, **(workload or {})}
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "template": {"spec": placed}, **(spec or {})},
    }


def pull_secret(name: str, docker_config: str) -> Json:
    """A Secret of registry logins, as docker writes them."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": docker_config},
    }
