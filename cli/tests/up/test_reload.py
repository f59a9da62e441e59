"""`wasmcloud up --watch`: changes roll in at once, and what is broken never takes the place of what runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ground.wait import eventually

from .conftest import GUESTS, HELLO, PATIENCE_S, Desk, Terminal, deployment, get


def answers(desk: Desk, body: str, host: str = "hello.localhost") -> None:
    def check() -> None:
        assert get(desk.port, host)[1] == body

    eventually(check, within_s=PATIENCE_S)


def greeting(whom: str) -> dict[str, Any]:
    manifest = deployment()
    environment = {"environment": {"config": {"GREETED": whom}}}
    manifest["spec"]["template"]["spec"]["components"][0]["localResources"] = environment
    return manifest


@pytest.fixture
def terminal(desk: Desk) -> Iterator[Terminal]:
    """Hello, watched and running."""
    desk.copy(HELLO / "hello.wasm")
    desk.write("hello.yaml", greeting("one"))
    running = desk.up("-f", "hello.yaml", "--watch")
    running.wait_for("Running", "1/1")
    answers(desk, "Hello, one!\n")
    yield running
    running.press_ctrl_c()
    assert running.end() == 0
    assert desk.left_behind() == []


def test_a_changed_manifest_rolls_in(desk: Desk, terminal: Terminal) -> None:
    desk.write("hello.yaml", greeting("two"))
    answers(desk, "Hello, two!\n")
    terminal.wait_for("WorkloadDeployment default/hello changed", "1/1")


def test_a_rebuilt_component_rolls_in(desk: Desk, terminal: Terminal) -> None:
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    answers(desk, "hello from http-p2\n")
    terminal.wait_for("WorkloadDeployment default/hello changed", "1/1")


def test_copies_of_old_builds_are_deleted(desk: Desk, terminal: Terminal) -> None:
    builds = [(GUESTS / "http-p2.wasm", "hello from http-p2\n"), (HELLO / "hello.wasm", "Hello, one!\n")] * 2
    for number, (component, answer) in enumerate(builds):
        custom_section = b"\0\x03\x02b%d" % number  # no two builds are equal
        (desk.folder / "hello.wasm").write_bytes(component.read_bytes() + custom_section)
        answers(desk, answer)
    # What runs must be there, what it has just replaced may be.
    assert len(list(desk.temporary.glob("*/components/*"))) < 1 + len(builds)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("hello.yaml", b"kind: [", "Not rolled in: hello.yaml, line 2: not YAML"),
        (
            "hello.wasm",
            b"\0asm\x01\0\0\0",
            "Not rolled in: hello.wasm is not a component: it is a core WebAssembly module",
        ),
    ],
)
def test_a_broken_edit_is_told_and_the_old_version_serves_on(
    desk: Desk, terminal: Terminal, name: str, content: bytes, said: str
) -> None:
    (desk.folder / name).write_bytes(content)
    terminal.wait_for(said, "Running")
    assert get(desk.port) == (200, "Hello, one!\n")
    desk.copy(HELLO / "hello.wasm")
    desk.write("hello.yaml", greeting("two"))
    answers(desk, "Hello, two!\n")


def test_a_component_that_no_host_takes_leaves_the_old_one_serving(desk: Desk, terminal: Terminal) -> None:
    desk.copy(GUESTS / "bad" / "unknown-import.wasm", "hello.wasm")
    terminal.wait_for("acme:custom/thing@1.0.0", "1/1")
    assert get(desk.port) == (200, "Hello, one!\n")
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    answers(desk, "hello from http-p2\n")
    terminal.wait_for("Running", without="acme:custom/thing@1.0.0 ")


def test_a_document_that_is_taken_out_is_deleted(desk: Desk, terminal: Terminal) -> None:
    desk.write("hello.yaml", greeting("one"), deployment("second"))
    answers(desk, "Hello, world!\n", host="second.localhost")
    desk.write("hello.yaml", greeting("one"))

    def is_gone() -> None:
        assert get(desk.port, "second.localhost")[0] == 404

    eventually(is_gone, within_s=PATIENCE_S)
    terminal.wait_for("WorkloadDeployment default/second deleted")
    assert get(desk.port) == (200, "Hello, one!\n")


def test_a_changed_config_map_rolls_in(desk: Desk, terminal: Terminal) -> None:
    manifest = deployment()
    environment = {"environment": {"configFrom": [{"name": "words"}]}}
    manifest["spec"]["template"]["spec"]["components"][0]["localResources"] = environment
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"GREETED": "two"}}
    desk.write("hello.yaml", manifest, config)
    answers(desk, "Hello, two!\n")
    desk.write("hello.yaml", manifest, config | {"data": {"GREETED": "three"}})
    answers(desk, "Hello, three!\n")


def test_a_changed_workload_is_made_anew(desk: Desk, terminal: Terminal) -> None:
    spec = greeting("two")["spec"]["template"]["spec"]
    spec["hostInterfaces"][0]["config"]["host"] = "alone.localhost"
    workload = {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "Workload",
        "metadata": {"name": "alone"},
        "spec": spec,
    }
    desk.write("hello.yaml", greeting("one"), workload)
    answers(desk, "Hello, two!\n", host="alone.localhost")
    spec["components"][0]["localResources"]["environment"]["config"]["GREETED"] = "three"
    desk.write("hello.yaml", greeting("one"), workload)
    answers(desk, "Hello, three!\n", host="alone.localhost")


def test_a_run_that_could_not_start_waits_for_the_correction(desk: Desk) -> None:
    desk.copy(GUESTS / "bad" / "unknown-import.wasm", "hello.wasm")
    desk.write("hello.yaml", deployment())
    terminal = desk.up("-f", "hello.yaml", "--watch")
    terminal.wait_for("acme:custom/thing@1.0.0", "0/1")
    desk.copy(HELLO / "hello.wasm")
    answers(desk, "Hello, world!\n")
