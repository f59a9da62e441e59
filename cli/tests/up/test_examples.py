"""The examples, as `wasmcloud up` runs them."""

from __future__ import annotations

import pytest

from .conftest import COUNTER, HELLO, Desk, get


@pytest.mark.parametrize(("manifest", "name"), [("workload.yaml", "hello"), ("workload-p3.yaml", "hello-p3")])
def test_the_examples(desk: Desk, manifest: str, name: str) -> None:
    terminal = desk.up("-f", str(HELLO / manifest))
    terminal.wait_for("Running", f"http://{name}.localhost:{desk.port}/")
    assert get(desk.port, f"{name}.localhost") == (200, "Hello, wasmCloud!\n")


def test_replicas_on_two_hosts_count_together(desk: Desk) -> None:
    terminal = desk.up("-f", str(COUNTER / "workload.yaml"), "--hosts", "2")
    terminal.wait_for("Running", "2/2")
    ports = (desk.port, desk.port + 1)
    said = [get(port, "counter.localhost", "/a") for _ in range(2) for port in ports]
    assert said == [(200, f"/a was visited {count} times\n") for count in (1, 2, 3, 4)]
    assert get(desk.port, "counter.localhost", "/b") == (200, "/b was visited 1 times\n")
