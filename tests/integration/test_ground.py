"""The ground itself: what it says when something is missing, and that it leaves nothing running."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from ground.control_plane import ADMIN, OPERATOR, ControlPlane, KubectlError, binary
from ground.nats import NatsServer
from ground.oci_registry import registry_binary
from ground.process import Process, free_ports
from ground.wait import eventually


def test_a_missing_kubernetes_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"kube-apiserver is not built .*: run `make ground`"):
        binary("kube-apiserver")


def test_a_missing_registry_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"the OCI registry is not built .*: run `make ground`"):
        registry_binary()


def test_without_a_container_engine_the_kind_suite_is_said_not_to_run() -> None:
    script = Path(__file__).parents[1] / "ground" / "check-kind"
    env = {**os.environ, "DOCKER_HOST": "unix:///no/such/socket"}
    done = subprocess.run([script], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith(("no docker daemon answers", "docker is missing")), done.stdout


def test_waiting_ends_with_what_was_last_seen() -> None:
    seen = iter(range(1_000_000))

    def never() -> None:
        raise AssertionError(f"saw {next(seen)}")

    started_s = time.monotonic()
    with pytest.raises(AssertionError, match=r"saw [1-9]"):
        eventually(never, within_s=0.3, every_s=0.01)
    assert time.monotonic() - started_s >= 0.3


def test_a_program_that_ended_by_itself_shows_its_log(tmp_path: Path) -> None:
    with Process("speaker", ["sh", "-c", "echo last words; exit 1"], tmp_path / "log") as speaker:

        def assert_ended() -> None:
            assert not speaker.is_running

        eventually(assert_ended, within_s=10)
        with pytest.raises(RuntimeError, match="last words"):
            speaker.assert_running()


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    deaf = Process(
        "deaf", ["sh", "-c", "trap '' TERM; echo ready; while :; do read x </dev/zero; done"], tmp_path / "log"
    )
    deaf.start()
    pid = deaf.pid

    def assert_ready() -> None:
        assert "ready" in deaf.log_tail()

    eventually(assert_ready, within_s=10)
    deaf.stop(within_s=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_free_ports_differ() -> None:
    assert len(set(free_ports(50))) == 50


def test_the_operator_has_no_rights_of_its_own(control_plane: ControlPlane) -> None:
    control_plane.kubectl("get", "namespaces", user=ADMIN)
    with pytest.raises(KubectlError, match='User "operator" cannot list resource "namespaces"'):
        control_plane.kubectl("get", "namespaces", user=OPERATOR)
    last = control_plane.audited()[-1]
    assert (last["verb"], last["responseStatus"]["code"]) == ("list", 403)


def test_nats_comes_back_on_its_port(nats_server: NatsServer) -> None:
    port = nats_server.port
    nats_server.stop()
    nats_server.start()
    assert nats_server.port == port
