"""`wasmcloud up` as a person runs it: everything real, in a pseudo-terminal."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import Any

import psutil
import pytest
from ground.oci_registry import OciRegistry
from ground.wait import eventually

from .conftest import COMMAND, GUESTS, HELLO, PATIENCE_S, Desk, Terminal, deployment, get


@pytest.fixture
def hello_desk(desk: Desk) -> Desk:
    """A desk with the hello example on it."""
    desk.copy(HELLO / "hello.wasm")
    desk.write("hello.yaml", deployment())
    return desk


def assert_nothing_left(desk: Desk, processes: list[psutil.Process]) -> None:
    def all_gone() -> None:
        running = [
            process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]
        assert running == []

    eventually(all_gone, within_s=PATIENCE_S)
    assert desk.left_behind() == []


def test_hello(hello_desk: Desk) -> None:
    terminal = hello_desk.up("-f", "hello.yaml")
    link = f"http://hello.localhost:{hello_desk.port}/"
    shown = terminal.wait_for("Running", "1/1", link)
    assert f"host-1   {hello_desk.address}" in shown
    assert get(hello_desk.port) == (200, "Hello, world!\n")
    processes = terminal.processes()
    assert {"nats-server"} < {process.name() for process in processes}
    terminal.press_ctrl_c()
    assert terminal.end() == 0
    assert "Traceback" not in terminal.shown()
    assert_nothing_left(hello_desk, processes)
    assert get(hello_desk.port) == (0, "")


def test_a_service_runs_beside_its_component(desk: Desk) -> None:
    for name in ("http-p2", "service"):
        desk.copy(GUESTS / f"{name}.wasm")
    body = deployment(image="file://http-p2.wasm")
    body["spec"]["template"]["spec"]["service"] = {"image": "file://service.wasm"}
    desk.write("hello.yaml", body)
    desk.up("-f", "hello.yaml").wait_for("Running", "1/1")

    def connected() -> None:
        assert get(desk.port, path="/connect?addr=127.0.0.1:7777") == (200, "connected")

    eventually(connected, within_s=PATIENCE_S)


def test_a_service_that_ended_shows_how(desk: Desk) -> None:
    for name in ("http-p2", "service"):
        desk.copy(GUESTS / f"{name}.wasm")
    for name, code in (("good", "0"), ("bad", "1")):
        body = deployment(name, image="file://http-p2.wasm")
        environment = {"config": {"MODE": "exit", "CODE": code}}
        service = {"image": "file://service.wasm", "localResources": {"environment": environment}}
        body["spec"]["template"]["spec"]["service"] = service
        desk.write(f"{name}.yaml", body)
    terminal = desk.up("-f", "good.yaml", "-f", "bad.yaml")
    terminal.wait_for("Completed", "the service ended well", "CrashLoopBackOff", "leaving as told")


def test_a_manifest_on_standard_input(hello_desk: Desk) -> None:
    terminal = hello_desk.up("-f", "-")
    terminal.child.send((hello_desk.folder / "hello.yaml").read_text())
    terminal.child.sendeof()
    terminal.wait_for("Running")
    assert get(hello_desk.port)[0] == 200


def test_ctrl_c_while_it_waits_for_standard_input(desk: Desk) -> None:
    terminal = desk.up("-f", "-")

    def has_begun() -> None:
        assert list(desk.temporary.glob("wasmcloud-up-*/components"))

    eventually(has_begun, within_s=PATIENCE_S)
    terminal.press_ctrl_c()
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown()
    assert desk.left_behind() == []


def test_replicas_spread_over_hosts(desk: Desk) -> None:
    desk.copy(HELLO / "hello.wasm")
    desk.write("hello.yaml", deployment(replicas=2))
    terminal = desk.up("-f", "hello.yaml", "--hosts", "2")
    links = [f"http://hello.localhost:{desk.port + number}/" for number in (0, 1)]
    terminal.wait_for("Running", "2/2", *links)
    assert [get(desk.port + number)[0] for number in (0, 1)] == [200, 200]


def test_a_host_that_dies_is_shown_and_its_workload_moves(hello_desk: Desk) -> None:
    terminal = hello_desk.up("-f", "hello.yaml", "--hosts", "2")
    shown = terminal.wait_for("Running")
    first = f"http://hello.localhost:{hello_desk.port}/" in shown
    died, other = (1, 2) if first else (2, 1)
    (host,) = [process for process in terminal.processes() if f"host-{died}" in process.cmdline()]
    host.kill()
    terminal.wait_for(f"host-{died} ended (SIGKILL)", "gone", f"http://hello.localhost:{hello_desk.port + other - 1}/")
    assert get(hello_desk.port + other - 1)[0] == 200


def test_when_the_last_host_dies_the_logs_are_kept(hello_desk: Desk) -> None:
    terminal = hello_desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    processes = terminal.processes()
    next(process for process in processes if "host-1" in process.cmdline()).kill()
    assert terminal.end() == 1
    assert "wasmcloud: host-1 ended (SIGKILL)" in terminal.shown()
    (kept,) = hello_desk.temporary.iterdir()
    assert f"wasmcloud: The logs are in {kept}." in terminal.shown()
    assert sorted(path.name for path in kept.iterdir()) == ["host-1.log", "nats-server.log", "operator.log"]


def test_when_nats_dies_it_is_said(hello_desk: Desk) -> None:
    terminal = hello_desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    next(process for process in terminal.processes() if process.name() == "nats-server").kill()
    assert terminal.end() == 1
    assert "wasmcloud: nats-server ended (SIGKILL)" in terminal.shown()
    assert "wasmcloud: The logs are in " in terminal.shown()


def test_nats_is_for_this_run_alone(hello_desk: Desk) -> None:
    terminal = hello_desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    (nats,) = [process for process in terminal.processes() if process.name() == "nats-server"]
    listening = [one.laddr for one in nats.net_connections() if one.status == psutil.CONN_LISTEN]
    assert [address.ip for address in listening] == ["127.0.0.1"]
    with socket.create_connection(listening[0], timeout=PATIENCE_S) as stranger:
        stranger.sendall(b"CONNECT {}\r\nPING\r\n")
        said = b""
        while chunk := stranger.recv(4096):
            said += chunk
    assert b"Authorization Violation" in said
    (configuration,) = hello_desk.temporary.glob("*/nats.conf")
    token = configuration.read_text().split('token: "')[1].split('"')[0]
    assert not any(token in part for process in terminal.processes() for part in process.cmdline())


def test_a_run_under_nohup_outlives_its_terminal(hello_desk: Desk) -> None:
    with subprocess.Popen(
        ["nohup", COMMAND, "up", "-f", "hello.yaml", "--http", hello_desk.address],
        cwd=hello_desk.folder,
        env=hello_desk.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert any("http://" in line for line in iter(running.stdout.readline, ""))
        running.send_signal(signal.SIGHUP)
        assert get(hello_desk.port)[0] == 200
        running.send_signal(signal.SIGINT)
        assert "Ending." in running.stdout.read()
        assert running.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_it_in_order_too(hello_desk: Desk, number: signal.Signals) -> None:
    terminal = hello_desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    processes = terminal.processes()
    terminal.child.kill(number)
    assert terminal.end() == 0
    assert_nothing_left(hello_desk, processes)


def test_second_ctrl_c_does_not_wait_for_requests(desk: Desk) -> None:
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    desk.write("hello.yaml", deployment())
    terminal = desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    processes = terminal.processes()
    (host,) = [process for process in processes if "host-1" in process.cmdline()]
    host.suspend()  # a host that doesn't react to SIGTERM
    terminal.press_ctrl_c()
    terminal.wait_for("Ending")
    terminal.press_ctrl_c()
    assert terminal.end(within_s=8) == 0  # less than a host is waited for
    assert_nothing_left(desk, processes)


def test_children_die_with_a_killed_command_and_the_next_run_clears_its_folder(hello_desk: Desk) -> None:
    terminal = hello_desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    processes = terminal.processes()
    assert len(processes) == 2
    terminal.child.kill(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=PATIENCE_S)
    assert not any(process.is_running() for process in processes)
    assert len(hello_desk.left_behind()) == 1
    again = hello_desk.up("-f", "hello.yaml")
    again.wait_for("Running")
    assert len(hello_desk.left_behind()) == 1
    again.press_ctrl_c()
    assert again.end() == 0
    assert hello_desk.left_behind() == []


def test_without_a_terminal_each_change_is_a_line(hello_desk: Desk) -> None:
    with subprocess.Popen(
        [COMMAND, "up", "-f", "hello.yaml", "--http", hello_desk.address],
        cwd=hello_desk.folder,
        env=hello_desk.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        lines: list[str] = []
        while not lines or "http://" not in lines[-1]:
            lines.append(running.stdout.readline().rstrip("\n"))
            assert lines[-1], lines
        running.send_signal(signal.SIGINT)
        lines += running.stdout.read().splitlines()
        assert running.wait(PATIENCE_S) == 0
    assert f"host-1 ({hello_desk.address}): ready" in lines
    assert "default/hello: Running, 1 of 1 ready" in lines
    assert f"default/hello: http://hello.localhost:{hello_desk.port}/" in lines
    assert not any("\x1b" in line for line in lines)


def test_what_a_guest_prints_is_shown_with_its_name(desk: Desk) -> None:
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    desk.write("hello.yaml", deployment())
    terminal = desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    assert get(desk.port, path="/stdout?text=it-is-me")[0] == 200
    terminal.wait_for(" hello | it-is-me", "Running")


def test_a_guest_that_prints_without_end_holds_up_nothing(desk: Desk) -> None:
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    desk.write("hello.yaml", deployment())
    terminal = desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    flood = "%0A".join(str(number) for number in range(2_000))
    assert get(desk.port, path=f"/stdout?text={flood}")[0] == 200
    terminal.wait_for(" more lines)", "Running")
    assert get(desk.port)[0] == 200
    terminal.press_ctrl_c()
    assert terminal.end() == 0


def test_a_small_terminal_shows_what_matters(hello_desk: Desk) -> None:
    terminal = hello_desk.type("up", "-f", "hello.yaml", "--http", hello_desk.address, size=(24, 80))
    terminal.wait_for("default/hello   1/1     Running", f"Open  http://hello.localhost:{hello_desk.port}/")


def login(registry: OciRegistry) -> dict[str, object]:
    """A pull secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": registry.docker_config()},
    }


def test_a_component_from_a_registry_of_this_machine(desk: Desk, oci_registry: OciRegistry) -> None:
    oci_registry.push("team/hello", "1", (HELLO / "hello.wasm").read_bytes())
    manifest = deployment(image=f"{oci_registry.host}/team/hello:1")
    manifest["spec"]["template"]["spec"]["components"][0]["imagePullSecret"] = {"name": "login"}
    desk.write("hello.yaml", manifest, login(oci_registry))
    terminal = desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    assert get(desk.port) == (200, "Hello, world!\n")


def artifact(image: str) -> dict[str, Any]:
    kind = {"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": "Artifact"}
    return {**kind, "metadata": {"name": "hello"}, "spec": {"image": image}}


def of_artifact() -> dict[str, Any]:
    manifest = deployment(image="artifact://built")
    manifest["spec"]["artifacts"] = [{"name": "built", "artifactFrom": {"name": "hello"}}]
    return manifest


def test_an_artifact_may_be_a_file(desk: Desk) -> None:
    desk.copy(HELLO / "hello.wasm")
    desk.write("hello.yaml", of_artifact(), artifact("file://hello.wasm"))
    terminal = desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    assert get(desk.port) == (200, "Hello, world!\n")


def test_an_artifact_in_a_registry_is_resolved(desk: Desk, oci_registry: OciRegistry) -> None:
    oci_registry.push("team/hello", "1", (HELLO / "hello.wasm").read_bytes())
    secret = login(oci_registry)
    resolved = artifact(f"{oci_registry.host}/team/hello:1")
    resolved["spec"]["imagePullSecret"] = {"name": "login"}
    manifest = of_artifact()
    manifest["spec"]["template"]["spec"]["components"][0]["imagePullSecret"] = {"name": "login"}
    desk.write("hello.yaml", manifest, resolved, secret)
    terminal = desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    assert get(desk.port) == (200, "Hello, world!\n")


def test_an_artifact_whose_registry_is_not_there_is_said(desk: Desk) -> None:
    registry = f"127.0.0.1:{desk.port + 1}"
    desk.write("hello.yaml", of_artifact(), artifact(f"{registry}/team/hello:1"))
    assert registry in ended_in_failure(desk.up("-f", "hello.yaml"))


def test_configuration_reaches_the_guest(desk: Desk) -> None:
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    manifest = deployment()
    environment = {"configFrom": [{"name": "settings"}], "secretFrom": [{"name": "keys"}]}
    manifest["spec"]["template"]["spec"]["components"][0]["localResources"] = {"environment": environment}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"COLOUR": "blue"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"KEY": "hunter2"}}
    desk.write("hello.yaml", manifest, config, secret)
    terminal = desk.up("-f", "hello.yaml")
    terminal.wait_for("Running")
    status, body = get(desk.port, path="/env")
    assert status == 200
    assert {"COLOUR=blue", "KEY=hunter2"} <= set(body.splitlines())


def ended_in_failure(terminal: Terminal) -> str:
    assert terminal.end() == 1, terminal.shown()
    assert "Traceback" not in terminal.shown()
    return next(line for line in terminal.shown().splitlines() if line.startswith("wasmcloud: "))


@pytest.mark.parametrize(
    ("component", "words"),
    [
        ("truncated.wasm", "component hello"),
        ("wrong-wasi.wasm", "wasi:http/types@0.9.9"),
        ("unknown-import.wasm", "acme:custom/thing@1.0.0"),
    ],
)
def test_what_a_host_refuses_is_said_in_its_words(desk: Desk, component: str, words: str) -> None:
    desk.copy(GUESTS / "bad" / component, "hello.wasm")
    desk.write("hello.yaml", deployment())
    sentence = ended_in_failure(desk.up("-f", "hello.yaml"))
    assert sentence.startswith("wasmcloud: default/hello can't start: ")
    assert words in sentence
    assert desk.left_behind() == []


def test_a_missing_config_map_is_named(desk: Desk) -> None:
    desk.copy(HELLO / "hello.wasm")
    manifest = deployment()
    environment = {"configFrom": [{"name": "settings"}]}
    manifest["spec"]["template"]["spec"]["components"][0]["localResources"] = {"environment": environment}
    desk.write("hello.yaml", manifest)
    assert "settings" in ended_in_failure(desk.up("-f", "hello.yaml"))


def test_a_selector_that_no_local_host_matches_is_said(desk: Desk) -> None:
    desk.copy(HELLO / "hello.wasm")
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["hostSelector"] = {"gpu": "true"}
    desk.write("hello.yaml", manifest)
    assert "gpu" in ended_in_failure(desk.up("-f", "hello.yaml"))


def test_what_runs_goes_on_when_something_else_cannot(desk: Desk) -> None:
    desk.copy(HELLO / "hello.wasm")
    desk.copy(GUESTS / "bad" / "unknown-import.wasm", "bad.wasm")
    desk.write("all.yaml", deployment(), deployment("bad", image="file://bad.wasm"))
    terminal = desk.up("-f", "all.yaml")
    terminal.wait_for("Running", "acme:custom/thing@1.0.0")
    assert get(desk.port)[0] == 200
