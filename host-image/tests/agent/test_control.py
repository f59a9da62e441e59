"""Whatever comes in, an answer goes out, and it is one that an operator can read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wasmcloud_api.names import HostId, HostName
from wasmcloud_api.wire import HostHeartbeat, WorkloadListResponse, WorkloadState, WorkloadStatusResponse, decode
from wasmcloud_engine import Engine
from wasmcloud_host.artifacts import Artifacts
from wasmcloud_host.control import Control
from wasmcloud_host.heartbeat import Load, Profile, heartbeat_of
from wasmcloud_host.identity import Identity
from wasmcloud_host.interfaces import IMPORTS
from wasmcloud_host.machine import Figures, this_platform
from wasmcloud_host.plugins.keyvalue.plugin import KeyValuePlugin
from wasmcloud_host.workloads import Workloads

PROFILE = Profile(
    identity=Identity(HostId("one"), HostName("one")),
    hostname="one",
    environment="",
    labels={},
    started_at=datetime.now(UTC),
    platform=this_platform(),
    http_port=8000,
    imports=IMPORTS,
)

COMMANDS = ("heartbeat", "workload.start", "workload.stop", "workload.status", "workload.list")
KEYS = st.sampled_from(
    ["workloadId", "workload_id", "workload", "witWorld", "components", "name", "image", "hostInterfaces", "service"]
) | st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(KEYS, inside, max_size=4),
    max_leaves=12,
)
STARTS = st.fixed_dictionaries({"workloadId": st.text(max_size=5), "workload": JSON})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    cache = tmp_path_factory.mktemp("engine")
    running = Engine(json.dumps({"http_addr": "127.0.0.1:0", "cache_dir": str(cache), "pull_timeout_s": 1.0}))
    yield running
    asyncio.run(_end(running))


async def _end(engine: Engine) -> None:
    await engine.shutdown(0)


async def answered(engine: Engine, command: str | None, payload: bytes) -> bytes:
    control = Control(
        Workloads(engine, Artifacts(engine, Path("/nowhere"), ()), KeyValuePlugin(None)),
        lambda: heartbeat_of(PROFILE, Figures(1.0, 2, 1), Load(0, 0, is_draining=False)),
    )
    return await control.answer(command, payload)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    command=st.sampled_from(COMMANDS) | st.text(max_size=20) | st.none(),
    payload=st.binary(max_size=200) | (JSON | STARTS).map(lambda value: json.dumps(value).encode()),
)
def test_every_request_has_a_readable_answer(engine: Engine, command: str | None, payload: bytes) -> None:
    answer = asyncio.run(answered(engine, command, payload))
    if command == "heartbeat":
        assert decode(HostHeartbeat, answer).id == "one"
    elif command == "workload.list":
        assert decode(WorkloadListResponse, answer).workload_status == ()
    else:
        status = decode(WorkloadStatusResponse, answer).workload_status
        assert status.workload_state in {WorkloadState.ERROR, WorkloadState.NOT_FOUND}
        assert status.message


async def test_an_answer_to_a_bug_of_ours(engine: Engine) -> None:
    def broken() -> HostHeartbeat:
        raise RuntimeError("a bug")

    control = Control(Workloads(engine, Artifacts(engine, Path("/nowhere"), ()), KeyValuePlugin(None)), broken)
    status = decode(WorkloadStatusResponse, await control.answer("heartbeat", b"{}")).workload_status
    assert status.workload_state is WorkloadState.ERROR
    assert "a bug" in status.message
