"""An event of the host is its name and its fields."""

from __future__ import annotations

import logging

import pytest
from wasmcloud_host.telemetry import event


def test_an_event_has_its_fields_in_order(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("wasmcloud_host.test")
    event(log, "workload_not_started", level=logging.WARNING, obj="hello", message="two words")
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "workload_not_started")
    assert list(record.__dict__["fields"].items()) == [("obj", "hello"), ("message", "two words")]
