"""The operator as a process: how it starts, what it serves, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ground.control_plane import OPERATOR
from ground.nats import NatsServer
from ground.process import Process, free_ports
from ground.wait import eventually

from contract.worlds import KubernetesWorld, deployment, grant

COMMAND = [sys.executable, "-m", "wasmcloud_operator"]
Start = Callable[..., Process]


def run(*flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WASMCLOUD", "KUBE"))}
    return subprocess.run([*COMMAND, *flags], env=clean | env, capture_output=True, text=True, timeout=60, check=False)


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()
    except OSError as error:
        raise AssertionError(f"nothing listens on {port}: {error}") from None


@pytest.fixture
def web_port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def start(kubernetes: KubernetesWorld, nats_server: NatsServer, tmp_path: Path, web_port: int) -> Iterator[Start]:
    """Starts an operator that has Roles in the world's namespace only."""
    started: list[Process] = []

    def go(*flags: str) -> Process:
        own = ["--operator-namespace", kubernetes.namespace, "--watch-namespaces", kubernetes.namespace]
        own += ["--kubeconfig", str(kubernetes.plane.kubeconfig(OPERATOR)), "--nats-url", nats_server.url]
        own += ["--health-addr", f"127.0.0.1:{web_port}", "--metrics-addr", f"127.0.0.1:{web_port}"]
        process = Process("operator", [*COMMAND, *own, *flags], tmp_path / "operator.log")
        process.start()
        started.append(process)
        return process

    yield go
    for process in started:
        process.stop()


def assert_page(port: int, path: str, status: int, text: str = "") -> str:
    found, body = fetch(port, path)
    assert (found, text in body) == (status, True), f"{found}: {body}"
    return body


def test_it_gets_ready_serves_its_pages_and_ends_cleanly(
    kubernetes: KubernetesWorld, start: Start, web_port: int
) -> None:
    grant(kubernetes)
    operator = start("--log-format", "json")
    eventually(lambda: assert_page(web_port, "/readyz", 200, "ok"), within_s=60)
    assert_page(web_port, "/healthz", 200, "ok")
    body = deployment(kubernetes.namespace, "hello")
    kubernetes.plane.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    eventually(lambda: assert_condition(kubernetes, "NoHosts"), within_s=60)
    eventually(
        lambda: assert_page(web_port, "/metrics", 200, 'wasmcloud_operator_reconciles_total{kind="WorkloadDeployment"'),
        within_s=30,
    )
    assert_page(web_port, "/metrics", 200, 'api_request_seconds_count{outcome="201",resource="workloads",verb="POST"}')
    assert_page(web_port, "/metrics", 200, 'wasmcloud_operator_workloads{phase="Pending"} 1.0')
    os.kill(operator.pid, signal.SIGTERM)
    assert operator.wait(within_s=20) == 0, operator.log_tail()
    lines = [json.loads(line) for line in operator.log.read_text().splitlines()]
    assert lines[0]["event"] == "operator_started"
    assert lines[-1]["event"] == "operator_stopped"
    assert {line["level"] for line in lines} == {"INFO"}, lines


def assert_condition(world: KubernetesWorld, reason: str) -> None:
    text = world.plane.kubectl("get", "workloads", "-n", world.namespace, "-o", "json")
    reasons = {one["reason"] for item in json.loads(text)["items"] for one in item["status"]["conditions"]}
    assert reason in reasons, reasons


def test_it_is_not_ready_without_nats(
    kubernetes: KubernetesWorld, start: Start, web_port: int, nats_server: NatsServer
) -> None:
    grant(kubernetes)
    nats_server.stop()
    operator = start()
    eventually(lambda: assert_page(web_port, "/readyz", 503, "not connected to NATS"), within_s=60)
    assert_page(web_port, "/healthz", 200)
    nats_server.start()
    eventually(lambda: assert_page(web_port, "/readyz", 200), within_s=60)
    os.kill(operator.pid, signal.SIGINT)
    assert operator.wait(within_s=20) == 0, operator.log_tail()


def test_it_is_not_ready_without_rights(kubernetes: KubernetesWorld, start: Start, web_port: int) -> None:
    operator = start()
    eventually(lambda: assert_page(web_port, "/readyz", 503, "refuses the operator's own namespace"), within_s=60)
    grant(kubernetes)
    eventually(lambda: assert_page(web_port, "/readyz", 200), within_s=60)
    eventually(lambda: assert_told(operator, "namespace_refused", "namespace_back"), within_s=60)
    os.kill(operator.pid, signal.SIGTERM)
    assert operator.wait(within_s=20) == 0, operator.log_tail()


def assert_told(operator: Process, *events: str) -> None:
    found = [line.split()[2] for line in operator.log.read_text().splitlines() if "namespace_" in line]
    assert found == list(events), operator.log_tail()


def test_without_a_cluster_it_says_so(tmp_path: Path) -> None:
    done = run("--operator-namespace", "ops", HOME=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("wasmcloud-operator: no access to a Kubernetes cluster")


def test_a_broken_kubeconfig_is_named(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
    done = run("--operator-namespace", "ops", "--kubeconfig", str(kubeconfig))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "current-context" in done.stderr


def test_a_file_without_cas_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "ca.crt"
    empty.touch()
    done = run("--operator-namespace", "ops", "--oci-ca-path", str(empty))
    why = f"wasmcloud-operator: --oci-ca-path {empty} holds no certificate in PEM"
    assert (done.returncode, done.stderr.strip()) == (1, why)


def test_a_taken_address_is_named(kubernetes: KubernetesWorld, nats_server: NatsServer) -> None:
    kubeconfig = str(kubernetes.plane.kubeconfig(OPERATOR))
    taken = f"127.0.0.1:{nats_server.port}"
    done = run("--operator-namespace", "ops", "--kubeconfig", kubeconfig, "--metrics-addr", taken)
    assert (done.returncode, done.stderr.strip()) == (
        1,
        f"wasmcloud-operator: --metrics-addr {taken}: Address already in use",
    )


def test_bad_settings_are_one_sentence_and_exit_code_2() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stderr == (
        "wasmcloud-operator: --operator-namespace (or the variable OPERATOR_NAMESPACE): must be given\n"
    )


def test_help_names_every_flag() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--watch-namespaces" in done.stdout
