"""A Kubernetes cluster of two nodes in docker, by kind, with images that are there already: nothing is pulled."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO
from urllib.request import Request, urlopen

from ground.control_plane import KubectlError, binary
from ground.helm import helm
from ground.process import Process, free_ports, printed
from ground.wait import eventually

# kube-proxy is as it comes, one change a second at most: what is tested with it holds on users' clusters, too.
NODES = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [{"role": "control-plane"}, {"role": "worker"}],
}
KINDS_TO_SAVE = "all,hosts,workloads,workloadreplicasets,workloaddeployments,endpointslices,leases"
LOCAL_NODE_IMAGE = "kindest/node:v1.34.4-local"  # as tests/ground/build-kind-node-image makes it


class KindCluster:
    """Use as a context manager; what it was like is in `directory` when it is gone."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self.control_plane_node, self.worker_node = f"{name}-control-plane", f"{name}-worker"

    def __enter__(self) -> Self:
        self._lock = _only_one_of(self.name)
        self.delete()  # what a run that was killed has left
        flags = ["--config", "-", "--kubeconfig", str(self.kubeconfig), "--wait", "180s"]
        try:
            self._kind("create", "cluster", *self._node_image(), *flags, stdin=json.dumps(NODES))
            # Both nodes run pods, so that there is somewhere to go when one is drained.
            self.kubectl("taint", "node", self.control_plane_node, "node-role.kubernetes.io/control-plane-")
            self.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=120s", timeout_s=150)
        except BaseException:
            self.delete()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.delete()
        self._lock.close()

    def delete(self) -> None:
        self._kind("delete", "cluster", "--kubeconfig", str(self.kubeconfig))

    def load(self, images: Sequence[str]) -> None:
        """Copy images of the local docker into the nodes."""
        self._kind("load", "docker-image", *images)

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 120) -> str:
        """What kubectl printed. Raises KubectlError."""
        argv = [str(binary("kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments]
        return printed(argv, KubectlError, stdin=stdin, timeout_s=timeout_s)

    def get(self, *arguments: str) -> Any:
        """Objects as JSON."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def helm(self, *arguments: str, stdin: str | None = None, timeout_s: float = 300) -> str:
        env = {"KUBECONFIG": str(self.kubeconfig), "HELM_CACHE_HOME": str(self.directory / "helm")}
        return helm(*arguments, stdin=stdin, env=env, timeout_s=timeout_s)

    @contextmanager
    def forwarded(self, target: str, port: int, namespace: str = "default") -> Iterator[str]:
        """The address on loopback at which a Service or Pod answers."""
        local = free_ports(1)[0]
        argv = [str(binary("kubectl")), "--kubeconfig", str(self.kubeconfig), "--namespace", namespace, "port-forward"]
        log = self.directory / f"forward-{local}.log"
        with Process("port-forward", [*argv, target, f"{local}:{port}"], log) as forward:

            def is_up() -> None:
                forward.assert_running()
                assert "Forwarding from" in log.read_text(), forward.log_tail()

            eventually(is_up, within_s=30)
            yield f"http://127.0.0.1:{local}"

    def save(self, directory: Path) -> None:
        """Write events, objects and logs, for after a failure."""
        directory.mkdir(parents=True, exist_ok=True)
        # Not `kind export logs`, which wants crictl in the node.
        for node in (self.control_plane_node, self.worker_node):
            pods = f"{node}:/var/log/pods"
            subprocess.run(["docker", "cp", pods, str(directory / node)], capture_output=True, check=False)
        for name, arguments in {
            "objects.yaml": ["get", KINDS_TO_SAVE, "--all-namespaces", "-oyaml"],
            "pods.txt": ["get", "pods,nodes", "--all-namespaces", "-owide"],
            "events.txt": ["get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"],
        }.items():
            try:
                (directory / name).write_text(self.kubectl(*arguments))
            except KubectlError as error:
                (directory / name).write_text(str(error))

    def _node_image(self) -> list[str]:
        """KIND_NODE_IMAGE, else the one that was built here, else kind's own default."""
        if given := os.environ.get("KIND_NODE_IMAGE"):
            return ["--image", given]
        known = subprocess.run(["docker", "image", "inspect", LOCAL_NODE_IMAGE], capture_output=True, check=False)
        return ["--image", LOCAL_NODE_IMAGE] if known.returncode == 0 else []

    def _kind(self, *arguments: str, stdin: str | None = None) -> None:
        argv = [str(binary("kind")), *arguments, "--name", self.name]
        printed(argv, RuntimeError, stdin=stdin, timeout_s=600)


def _only_one_of(name: str) -> TextIO:
    """Waits until no other run on this machine has a cluster of this name. Closing the file lets the next one in."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmcloud"
    cache.mkdir(parents=True, exist_ok=True)
    held = (cache / f"kind-{name}.lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def fetch(url: str, host: str) -> str:
    """GET with a Host header. Fails with what came instead of 200."""
    try:
        with urlopen(Request(url, headers={"Host": host}), timeout=10) as reply:  # noqa: S310  # http, to loopback
            text: str = reply.read().decode()
            return text
    except OSError as error:
        raise AssertionError(f"{host} at {url}: {error}") from error
