"""What the command says of itself."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from .conftest import Desk


def test_version(desk: Desk) -> None:
    terminal = desk.type("--version")
    assert terminal.end() == 0
    assert terminal.shown() == f"wasmcloud {version('wasmcloud')}"


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0), (["-h"], 0)])
def test_help_names_the_commands(desk: Desk, arguments: list[str], code: int) -> None:
    terminal = desk.type(*arguments)
    assert terminal.end() == code
    assert "wasmcloud: " not in terminal.shown()
    assert "Run manifests on this machine, without a cluster, until Ctrl-C." in terminal.shown()


def test_help_of_up_names_every_flag_with_its_default(desk: Desk) -> None:
    terminal = desk.type("up", "--help", size=(40, 80))
    assert terminal.end() == 0
    for text in ("--file", "-f", "--hosts", "--http", "--watch", "127.0.0.1:8000", "[default: 1]", "file://hello.wasm"):
        assert text in terminal.shown()
