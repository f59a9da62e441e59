from __future__ import annotations

import pytest
from wasmcloud_api import subjects
from wasmcloud_api.names import HostId

HOST = HostId("4f0c")


def test_the_subjects_are_those_of_the_protocol() -> None:
    assert subjects.published_heartbeat(HOST) == "runtime.operator.heartbeat.4f0c"
    assert subjects.ALL_HEARTBEATS == "runtime.operator.heartbeat.*"
    assert subjects.commands(HOST) == "runtime.host.4f0c.>"
    assert subjects.heartbeat(HOST) == "runtime.host.4f0c.heartbeat"
    assert subjects.workload_start(HOST) == "runtime.host.4f0c.workload.start"
    assert subjects.workload_stop(HOST) == "runtime.host.4f0c.workload.stop"
    assert subjects.workload_status(HOST) == "runtime.host.4f0c.workload.status"
    assert subjects.workload_list(HOST) == "runtime.host.4f0c.workload.list"


@pytest.mark.parametrize(
    ("subject", "command"),
    [
        ("runtime.host.4f0c.workload.start", "workload.start"),
        ("runtime.host.4f0c.heartbeat", "heartbeat"),
        ("runtime.host.4f0c.no.such.thing", "no.such.thing"),
        ("runtime.host.4f0cx.heartbeat", None),
        ("runtime.operator.heartbeat.4f0c", None),
    ],
)
def test_a_host_finds_the_command_in_a_subject(subject: str, command: str | None) -> None:
    assert subjects.command(subject, HOST) == command
