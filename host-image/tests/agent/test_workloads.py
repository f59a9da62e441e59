"""The life of a workload where its steps can be told apart: on the real engine, without a process between."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ground.wait import eventually_async
from wasmcloud_api.names import WorkloadId
from wasmcloud_api.wire import Component, WitInterface, WitWorld, Workload, WorkloadState
from wasmcloud_engine import Engine
from wasmcloud_host import workloads as module
from wasmcloud_host.artifacts import Artifacts
from wasmcloud_host.plugins.keyvalue.plugin import KeyValuePlugin
from wasmcloud_host.settings import Settings
from wasmcloud_host.spec import engine_settings_of
from wasmcloud_host.workloads import Workloads

from .driver import GUESTS, get

ONE = WorkloadId("one")


def workload(host: str = "hello.localhost", namespace: str = "default", name: str = "hello") -> Workload:
    interface = WitInterface(namespace="wasi", package="http", interfaces=("incoming-handler",), config={"host": host})
    world = WitWorld(components=(Component(name="web", image="file://http-p2.wasm"),), host_interfaces=(interface,))
    return Workload(namespace=namespace, name=name, wit_world=world)


@dataclass(slots=True)
class Ground:
    engine: Engine
    workloads: Workloads

    def in_engine(self) -> set[str]:
        return {each["id"] for each in json.loads(self.engine.status())["workloads"]}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    """With a cache of its own, so a start has a compilation to wait for."""
    settings = Settings(
        http_addr="127.0.0.1:0", oci_cache_dir=tmp_path, allow_file_images=(GUESTS,), request_timeout=60
    )
    engine = Engine(engine_settings_of(settings))
    yield Ground(
        engine, Workloads(engine, Artifacts(engine, tmp_path, settings.allow_file_images), KeyValuePlugin(None))
    )
    await engine.shutdown(0)


async def test_stopped_while_it_compiles(ground: Ground) -> None:
    starting = asyncio.create_task(ground.workloads.start(ONE, workload()))

    async def is_compiling() -> None:
        assert ground.in_engine() == {"one"}

    await eventually_async(is_compiling, within_s=30, every_s=0)
    assert (await ground.workloads.stop(ONE)).workload_state is WorkloadState.STOPPING
    said = await starting
    assert (said.workload_state, said.message) == (WorkloadState.STOPPING, "Workload was stopped while starting")
    assert ground.workloads.status(ONE).workload_state is WorkloadState.NOT_FOUND
    assert ground.in_engine() == set()


@pytest.mark.parametrize("step_count", range(12))
async def test_stopped_at_any_step_of_a_start(ground: Ground, step_count: int) -> None:
    """Whatever the start has got to, nothing is left."""
    starting = asyncio.create_task(ground.workloads.start(ONE, workload()))
    for _ in range(step_count):
        await asyncio.sleep(0)  # one turn of the event loop
    stopped = await ground.workloads.stop(ONE)
    if step_count == 0:
        assert stopped.workload_state is WorkloadState.NOT_FOUND
        assert (await starting).workload_state is WorkloadState.RUNNING
        return
    assert stopped.workload_state is WorkloadState.STOPPING
    assert (await starting).workload_state is WorkloadState.STOPPING
    assert ground.workloads.statuses() == ()
    assert ground.in_engine() == set()
    assert (await ground.workloads.start(ONE, workload())).workload_state is WorkloadState.RUNNING


async def test_a_stop_is_answered_while_a_request_goes_on(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_PATIENCE_S", 0.2)
    await ground.workloads.start(ONE, workload())
    slow = asyncio.create_task(asyncio.to_thread(get, ground.engine.http_port, "/sleep?ms=5000"))

    async def is_served() -> None:
        assert json.loads(ground.engine.status())["workloads"][0]["in_flight"] == 1

    await eventually_async(is_served, within_s=30)
    assert (await ground.workloads.stop(ONE)).workload_state is WorkloadState.STOPPING
    assert ground.workloads.status(ONE).workload_state is WorkloadState.STOPPING
    again = await ground.workloads.start(ONE, workload())
    assert (again.workload_state, again.message) == (WorkloadState.STOPPING, "Workload is being stopped")
    assert (await slow)[0] == 200

    async def is_gone() -> None:
        assert ground.workloads.status(ONE).workload_state is WorkloadState.NOT_FOUND

    await eventually_async(is_gone, within_s=30)


async def test_two_stops_are_one(ground: Ground) -> None:
    await ground.workloads.start(ONE, workload())
    said = await asyncio.gather(*(ground.workloads.stop(ONE) for _ in range(3)))
    assert {each.workload_state for each in said} == {WorkloadState.STOPPING}


async def test_a_name_belongs_to_the_namespace_that_had_it_first(ground: Ground) -> None:
    await ground.workloads.start(ONE, workload(namespace="first"))
    said = await ground.workloads.start(WorkloadId("two"), workload(namespace="second"))
    assert said.workload_state is WorkloadState.ERROR
    assert "hello.localhost" in said.message
    assert "first" in said.message
    assert ground.in_engine() == {"one"}


async def test_replicas_of_one_workload_share_a_name(ground: Ground) -> None:
    names = [f"hello-{number}" for number in range(3)]
    said = await asyncio.gather(*(ground.workloads.start(WorkloadId(name), workload(name=name)) for name in names))
    assert {each.workload_state for each in said} == {WorkloadState.RUNNING}
    compiled = json.loads(ground.engine.status())["compile"]
    assert compiled["compiled_total"] == 1
    connection = http.client.HTTPConnection("127.0.0.1", ground.engine.http_port, timeout=30)
    for _ in range(6):
        connection.request("GET", "/", headers={"Host": "hello.localhost"})
        assert connection.getresponse().read() == b"hello from http-p2\n"
    connection.close()


async def test_until_empty(ground: Ground) -> None:
    await ground.workloads.until_empty()
    await ground.workloads.start(ONE, workload())
    waiting = asyncio.create_task(ground.workloads.until_empty())
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    await ground.workloads.stop(ONE)
    async with asyncio.timeout(10):
        await waiting
