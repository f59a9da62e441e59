"""SIGTERM and SIGINT, sent to a real host process: drain, serve on, leave; a second signal ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from ground.nats import NatsServer
from ground.process import Process
from ground.wait import eventually

from .conftest import StartHost
from .driver import HostProcess, Operator, get, host_process, said_in_log, start_request


async def ended(process: HostProcess) -> int:
    return await asyncio.to_thread(process.exit_code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_host_ends_at_once(start_host: StartHost, number: signal.Signals) -> None:
    host = await start_host(drain_timeout="60")
    os.kill(host.process.pid, number)
    assert await ended(host.process) == 0


async def test_draining_says_so_refuses_serves_and_leaves_when_moved(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(drain_timeout="60", heartbeat_interval="60")
    await operator.start(host.id, start_request("one"))
    os.kill(host.process.pid, signal.SIGTERM)
    said = await operator.next_heartbeat(host.id)
    assert said["labels"]["wasmcloud.dev/draining"] == "true"
    assert (await operator.ask(host.id, "heartbeat"))["labels"]["wasmcloud.dev/draining"] == "true"
    state, message = await operator.start(host.id, start_request("two", host="two.localhost"))
    assert (state, message) == ("ERROR", "this host is draining and takes no new workloads")
    assert await asyncio.to_thread(host.page, "/readyz") == (503, "draining\n")
    assert (await asyncio.to_thread(get, host.http_port))[0] == 200
    assert (await operator.stop(host.id, "one"))[0] == "STOPPING"
    assert await ended(host.process) == 0


async def test_nobody_moves_the_workloads(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(drain_timeout="1")
    await operator.start(host.id, start_request("one"))
    os.kill(host.process.pid, signal.SIGTERM)
    assert await ended(host.process) == 0
    assert "drain_time_over" in host.process.log.read_text()


async def test_a_failed_workload_holds_nothing_up(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(drain_timeout="60")
    assert (await operator.start(host.id, start_request("one", witWorld={})))[0] == "ERROR"
    os.kill(host.process.pid, signal.SIGTERM)
    assert await ended(host.process) == 0


async def test_a_request_in_flight_is_finished(start_host: StartHost, operator: Operator) -> None:
    """Five seconds of drain, and as many more for what is still being answered then."""
    host = await start_host(drain_timeout="5")
    await operator.start(host.id, start_request("one"))
    slow = asyncio.create_task(asyncio.to_thread(get, host.http_port, "/sleep?ms=6500"))

    def is_served() -> None:
        page = host.page("/metrics")[1]
        assert 'requests_in_flight{namespace="default",workload="hello"} 1.0' in page, page

    await asyncio.to_thread(eventually, is_served, within_s=30)
    os.kill(host.process.pid, signal.SIGTERM)
    assert (await slow)[0] == 200
    assert await ended(host.process) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(start_host: StartHost, operator: Operator, number: signal.Signals) -> None:
    host = await start_host(drain_timeout="600")
    await operator.start(host.id, start_request("one"))
    os.kill(host.process.pid, signal.SIGTERM)
    assert (await operator.next_heartbeat(host.id))["labels"]["wasmcloud.dev/draining"] == "true"
    os.kill(host.process.pid, number)
    assert await ended(host.process) == 128 + number


async def test_draining_without_nats(start_host: StartHost, operator: Operator, nats_server: NatsServer) -> None:
    host = await start_host(drain_timeout="1")
    await operator.start(host.id, start_request("one"))
    await asyncio.to_thread(nats_server.stop)
    os.kill(host.process.pid, signal.SIGTERM)
    assert await ended(host.process) == 0


async def test_a_host_that_never_saw_nats_ends_too(processes: list[Process], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"nats://127.0.0.1:{listener.getsockname()[1]}"
    flags = {"host-id": "lonely", "scheduler-nats-url": url, "http-addr": "127.0.0.1:0", "oci-cache-dir": str(tmp_path)}
    host = host_process(tmp_path, "host", flags)
    processes.append(host)
    host.start()

    await asyncio.to_thread(said_in_log, host, "nats_connect_failed")
    os.kill(host.pid, signal.SIGTERM)
    assert await ended(host) == 0


async def test_an_address_in_use_is_one_sentence(tmp_path: Path, processes: list[Process]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for flag in ("http-addr", "web-addr"):
            flags = {"host-id": "one", "http-addr": "127.0.0.1:0", "oci-cache-dir": str(tmp_path)} | {flag: address}
            host = host_process(tmp_path, flag, flags)
            processes.append(host)
            host.start()
            assert await ended(host) == 1
            log = host.log.read_text()
            assert f"wasmcloud-host: --{flag} {address}: " in log
            assert "Traceback" not in log


async def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path, processes: list[Process]) -> None:
    (tmp_path / "file").touch()
    host = host_process(tmp_path, "host", {"http-addr": "127.0.0.1:0", "oci-cache-dir": str(tmp_path / "file" / "x")})
    processes.append(host)
    host.start()
    assert await ended(host) in {1, 2}
    assert "Traceback" not in host.log.read_text()
    assert "wasmcloud-host: " in host.log.read_text()
