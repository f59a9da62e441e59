"""A log line is an event name and fields."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from wasmcloud_api import logs
from wasmcloud_api.logs import LogFormat


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.getLogger("program").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


def line(capsys: pytest.CaptureFixture[str], log_format: LogFormat, **fields: object) -> str:
    logs.configure(log_format, "program")
    log = logging.getLogger("program.test")
    log.debug("not shown")
    log.info("workload_started", extra={"fields": fields})
    (shown,) = capsys.readouterr().err.splitlines()
    return shown


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(line(capsys, "json", object="Workload a/b", count=2))
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "INFO",
        "event": "workload_started",
        "logger": "program.test",
        "object": "Workload a/b",
        "count": 2,
    }


def test_text_keeps_a_line_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = line(capsys, "text", object="Workload a/b", count=2, error="two\nlines", empty="")
    assert shown.endswith('INFO workload_started object="Workload a/b" count=2 error="two\\nlines" empty=""')


def test_a_traceback_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "program")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("program.test").exception("failed")
    found = json.loads(capsys.readouterr().err)
    assert "ValueError: broken" in found["traceback"]


def test_libraries_are_heard_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "program")
    logging.getLogger("kopf.objects").info("chatter")
    logging.getLogger("kopf.objects").warning("trouble")
    assert "trouble" in capsys.readouterr().err.splitlines()[0]
