from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from wasmcloud_host.telemetry import LogFormat, event, start_logging

log = logging.getLogger("a.module")


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[io.StringIO]:
    """Where logging goes; what was set up before is back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(log_format: LogFormat, lines: io.StringIO) -> None:
    start_logging(log_format)
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(lines)


def test_lines_for_machines(lines: io.StringIO) -> None:
    logged("json", lines)
    event(log, "workload started", ns="default", obj="hello", message='said "hi"')
    (line,) = lines.getvalue().splitlines()
    read = json.loads(line)
    assert read.pop("time").endswith("Z")
    assert read == {
        "level": "info",
        "event": "workload started",
        "ns": "default",
        "obj": "hello",
        "message": 'said "hi"',
    }


def test_lines_for_people(lines: io.StringIO) -> None:
    logged("text", lines)
    event(log, "workload not started", level=logging.WARNING, obj="hello", message="two words", empty="")
    (line,) = lines.getvalue().splitlines()
    assert line.endswith('WARNING workload not started obj=hello message="two words" empty=""')


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_stays_on_its_line(lines: io.StringIO, log_format: LogFormat) -> None:
    logged(log_format, lines)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        log.exception("command broke", extra={"fields": {"command": "x"}})
    assert len(lines.getvalue().splitlines()) == 1
    assert "RuntimeError: broken" in lines.getvalue()
