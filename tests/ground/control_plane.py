"""A Kubernetes control plane on loopback: etcd, kube-apiserver with RBAC, kube-controller-manager, kubectl.

No kubelet and no scheduler: our workloads run on hosts of our own.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ground.process import Process, free_ports, printed
from ground.wait import eventually

START_WITHIN_S = 180  # it takes 8 s on a quiet machine


class KubectlError(AssertionError):
    """An AssertionError, so that `eventually` tries again."""


@dataclass(frozen=True, slots=True)
class User:
    """Someone whom the API server knows by a token."""

    name: str
    groups: str


ADMIN = User("admin", "system:masters")
OPERATOR = User("operator", "operators")  # no rights but those a test gives

# What the operator really asked for, to compare with the Roles it was given.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [OPERATOR.name]}, {"level": "None"}],
}


def binary(name: str) -> Path:
    """A Kubernetes program: from KUBEBUILDER_ASSETS where that is set, else as built by `make ground`."""
    path = _binaries() / name
    if not path.is_file():
        raise RuntimeError(f"{name} is not built ({path}): run `make ground`, or set KUBEBUILDER_ASSETS")
    return path


def _binaries() -> Path:
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return Path(assets)
    pinned = (Path(__file__).parent / "control-plane" / "go.mod").read_text()
    version = re.search(r"k8s\.io/kubernetes (v\S+)", pinned)
    assert version is not None, "control-plane/go.mod names no Kubernetes version"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "wasmcloud" / version[1] / "bin"


class ControlPlane:
    """Use as a context manager; it keeps everything it writes in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        etcd_port, peer_port, self._port, manager_port = free_ports(4)
        self.url = f"https://127.0.0.1:{self._port}"
        self._audit_log = directory / "audit.log"
        self._tokens = {user: secrets.token_hex(16) for user in (ADMIN, OPERATOR)}
        self.etcd = self._process("etcd", *self._etcd_flags(etcd_port, peer_port))
        self.api_server = self._process("kube-apiserver", *self._api_server_flags(etcd_port))
        self.controller_manager = self._process("kube-controller-manager", *self._manager_flags(manager_port))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def processes(self) -> tuple[Process, ...]:
        return (self.etcd, self.api_server, self.controller_manager)

    @property
    def ca(self) -> Path:
        """The API server's certificate, which signed itself."""
        return self.directory / "apiserver.crt"

    def start(self) -> None:
        """Returns when the API server is ready."""
        self._write_inputs()
        self.etcd.start()
        self.api_server.start()
        eventually(self.assert_ready, within_s=START_WITHIN_S, every_s=0.2)
        self.controller_manager.start()

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()

    def token(self, user: User) -> str:
        return self._tokens[user]

    def kubeconfig(self, user: User = ADMIN) -> Path:
        return self.directory / f"{user.name}.kubeconfig"

    def kubectl(self, *args: str, stdin: str | None = None, user: User = ADMIN, timeout_s: float = 60) -> str:
        """What kubectl printed. Raises KubectlError with what it complained of."""
        flags = ["--kubeconfig", str(self.kubeconfig(user)), "--cache-dir", str(self.directory / "kubectl-cache")]
        argv = [str(binary("kubectl")), *flags, *args]
        return printed(argv, KubectlError, stdin=stdin, timeout_s=timeout_s)

    def audited(self) -> list[dict[str, Any]]:
        """The operator's requests so far, as audit.k8s.io/v1 Events, oldest first."""
        lines = self._audit_log.read_text().splitlines() if self._audit_log.exists() else []
        return [json.loads(line) for line in lines]

    def assert_ready(self) -> None:
        """Fails while the API server is not ready to serve."""
        self.etcd.assert_running()
        self.api_server.assert_running()
        assert self.ca.exists(), "kube-apiserver has written no certificate yet"
        self.kubectl("get", "--raw", "/readyz", timeout_s=20)

    def _process(self, name: str, *flags: str) -> Process:
        return Process(name, [binary(name), *flags], self.directory / f"{name}.log")

    def _write_inputs(self) -> None:
        tokens = [f'{token},{user.name},{user.name},"{user.groups}"\n' for user, token in self._tokens.items()]
        (self.directory / "tokens.csv").write_text("".join(tokens))
        (self.directory / "audit-policy.yaml").write_text(json.dumps(AUDIT_POLICY))
        for user in self._tokens:
            self._write_kubeconfig(user)
        key = self.directory / "service-account.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)

    def _write_kubeconfig(self, user: User) -> None:
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "ground", "cluster": cluster}],
            "users": [{"name": user.name, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": "ground", "context": {"cluster": "ground", "user": user.name}}],
            "current-context": "ground",
        }
        self.kubeconfig(user).write_text(json.dumps(config))

    def _etcd_flags(self, port: int, peer_port: int) -> list[str]:
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
        return [
            f"--data-dir={self.directory / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _api_server_flags(self, etcd_port: int) -> list[str]:
        key = self.directory / "service-account.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            f"--cert-dir={self.directory}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            f"--audit-policy-file={self.directory / 'audit-policy.yaml'}",
            f"--audit-log-path={self._audit_log}",
            f"--service-account-issuer={self.url}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            "--profiling=false",
        ]

    def _manager_flags(self, port: int) -> list[str]:
        config = self.kubeconfig(ADMIN)
        return [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--controllers=garbage-collector-controller,namespace-controller",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self.directory / 'controller-manager'}",
        ]
