"""The GPU: who gets it, what becomes of what a guest leaves there, and that it holds up nobody else."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from ground.vulkan import no_gpu, software_gpu
from ground.wait import eventually

from .conftest import StartHost
from .driver import (
    Host,
    Json,
    Operator,
    component,
    get,
    host_process,
    http_interface,
    said_in_log,
    start_request,
)

WEBGPU = {"namespace": "wasi", "package": "webgpu", "version": "0.3.0-rc.2", "interfaces": ["webgpu"]}


@pytest.fixture
def _software_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that are started find a GPU made of software."""
    for name, value in software_gpu().items():
        monkeypatch.setenv(name, value)


def computing(*interfaces: Json, name: str = "gpu", **fields: object) -> Json:
    """A start of the guest that uses the GPU, with these host interfaces beside HTTP."""
    declared = [http_interface(f"{name}.localhost", "handler"), *interfaces]
    world = {"components": [component("file://webgpu.wasm", **fields)], "hostInterfaces": declared}
    return start_request(name, name=name, witWorld=world)


async def ask(host: Host, path: str, name: str = "gpu") -> tuple[int, str]:
    return await asyncio.to_thread(get, host.http_port, path, f"{name}.localhost")


@pytest.mark.webgpu
@pytest.mark.usefixtures("_software_gpu")
@pytest.mark.parametrize("pool_size", [0, 1])
async def test_a_guest_computes_on_the_gpu(start_host: StartHost, operator: Operator, pool_size: int) -> None:
    host = await start_host(wasi_webgpu=[])
    assert WEBGPU in host.first_heartbeat["imports"]
    said_in_log(host.process, "WebGPU runs on llvmpipe")
    assert await operator.start(host.id, computing(WEBGPU, poolSize=pool_size)) == (
        "RUNNING",
        "Workload started successfully",
    )
    assert await ask(host, "/double?number=21") == (200, "[2, 4, 6, 42]")
    assert await ask(host, "/double?number=4") == (200, "[2, 4, 6, 8]")


@pytest.mark.webgpu
async def test_where_there_is_no_gpu_the_guest_hears_it(
    start_host: StartHost, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in no_gpu().items():
        monkeypatch.setenv(name, value)
    host = await start_host(wasi_webgpu=[])
    said_in_log(host.process, "WebGPU finds no GPU here")
    await operator.start(host.id, computing(WEBGPU))
    assert await ask(host, "/double") == (503, "no adapter")


async def test_a_host_that_was_not_told_to_does_not_offer_it(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    assert "webgpu" not in {entry["package"] for entry in host.first_heartbeat["imports"]}
    state, message = await operator.start(host.id, computing(WEBGPU))
    assert state == "ERROR"
    assert "does not offer wasi:webgpu/webgpu@0.3.0-rc.2, which hostInterfaces asks for" in message


def test_a_build_without_it_refuses_the_flag(tmp_path: Path) -> None:
    process = host_process(
        tmp_path, "host", {"wasi-webgpu": [], "oci-cache-dir": str(tmp_path), "http-addr": "127.0.0.1:0"}
    )
    process.start()
    assert process.exit_code() == 1
    sentence = (
        "this host was built without WebGPU: leave --wasi-webgpu out, or build its engine with the feature webgpu"
    )
    assert process.log.read_text() == f"wasmcloud-host: {sentence}\n"


@pytest.mark.webgpu
@pytest.mark.usefixtures("_software_gpu")
async def test_a_workload_that_did_not_ask_gets_none(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(wasi_webgpu=[])
    state, message = await operator.start(host.id, computing())
    assert state == "ERROR"
    assert "which the workload did not ask for: add it to hostInterfaces" in message


@pytest.mark.webgpu
@pytest.mark.usefixtures("_software_gpu")
async def test_a_component_that_needs_none_runs_in_a_workload_that_asked(
    start_host: StartHost, operator: Operator
) -> None:
    host = await start_host(wasi_webgpu=[])
    world = {"components": [component()], "hostInterfaces": [http_interface("plain.localhost"), WEBGPU]}
    await operator.start(host.id, start_request("plain", witWorld=world))
    assert await ask(host, "/", "plain") == (200, "hello from http-p2\n")


@pytest.mark.webgpu
@pytest.mark.usefixtures("_software_gpu")
async def test_what_an_instance_leaves_on_the_gpu_is_freed(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(wasi_webgpu=[])
    await operator.start(host.id, computing(WEBGPU))
    assert await ask(host, "/hold?mebibytes=1") == (200, "held")
    before = resident_mib(host)
    for _ in range(10):
        assert await ask(host, "/hold?mebibytes=100") == (200, "held")

    def is_freed() -> None:
        assert resident_mib(host) < before + 200, "of 1,000 MiB that guests held"

    await asyncio.to_thread(eventually, is_freed, within_s=30)


def resident_mib(host: Host) -> int:
    status = Path(f"/proc/{host.process.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None, status
    return int(found[1]) // 1024


@pytest.mark.webgpu
@pytest.mark.usefixtures("_software_gpu")
async def test_a_gpu_that_computes_for_long_holds_up_nobody_else(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(wasi_webgpu=[], request_timeout="2")
    await operator.start(host.id, computing(WEBGPU))
    await operator.start(host.id, start_request("hello"))
    assert await ask(host, "/spin?times=1") == (200, "spun")
    slow = [asyncio.create_task(ask(host, "/spin?times=40000")) for _ in range(4)]
    while not all(task.done() for task in slow):
        assert await ask(host, "/", "hello") == (200, "hello from http-p2\n")
    assert {(await task)[0] for task in slow} == {504}


@pytest.mark.webgpu
@pytest.mark.usefixtures("_software_gpu")
async def test_what_the_interface_lacks_ends_the_request_alone(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(wasi_webgpu=[])
    await operator.start(host.id, computing(WEBGPU))
    assert (await ask(host, "/label"))[0] == 500
    assert await ask(host, "/double?number=4") == (200, "[2, 4, 6, 8]")
