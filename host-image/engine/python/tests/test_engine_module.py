"""The module `wasmcloud_engine`: what the border to Python adds to the engine."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Never

import pytest
from wasmcloud_engine import Engine, EngineError, StoreError

GUESTS = Path(__file__).parents[4] / "tests" / "guests"
WAIT_S = 30


def an_engine(cache: Path, **settings: object) -> Engine:
    return Engine(json.dumps({"http_addr": "127.0.0.1:0", "cache_dir": str(cache), **settings}))


def a_workload(wasm: str = "http-p2.wasm") -> str:
    component = {"name": "guest", "path": str(GUESTS / wasm)}
    return json.dumps({"id": "w", "namespace": "default", "name": "w", "hosts": ["w.test"], "components": [component]})


async def test_the_life_of_a_workload(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    await engine.start(a_workload())
    status = json.loads(engine.status())
    assert [(w["id"], w["state"]) for w in status["workloads"]] == [("w", "running")]
    assert await engine.stop("w") is True
    assert await engine.stop("w") is False
    await engine.shutdown(1.0)
    await engine.shutdown(0.0)


async def test_the_service_of_a_workload(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    component = {"name": "service", "path": str(GUESTS / "service.wasm")}
    service = {"component": component, "max_restarts": 0}
    spec = {"id": "s", "namespace": "default", "name": "s", "components": [], "service": service}
    await engine.start(json.dumps(spec))
    assert json.loads(engine.service("s") or "") == {"state": "running", "restarts": 0, "message": ""}
    assert engine.service("other") is None
    await engine.stop("s")
    assert engine.service("s") is None
    await engine.shutdown(0.0)


async def test_errors_carry_their_kind(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    with pytest.raises(EngineError, match="is text, not WebAssembly") as caught:
        await engine.start(a_workload("bad/text.wasm"))
    assert caught.value.kind == "artifact"
    with pytest.raises(EngineError, match="can't be read") as caught:
        await engine.start("[]")
    assert caught.value.kind == "config"
    with pytest.raises(EngineError, match="cache_dir") as caught:
        Engine("{}")
    assert caught.value.kind == "config"
    with pytest.raises(OSError, match="in use"):
        an_engine(tmp_path / "second", http_addr=f"127.0.0.1:{engine.http_port}")
    with pytest.raises(ValueError, match="drain_s"):
        await engine.shutdown(-1.0)
    await engine.shutdown(0.0)


@pytest.mark.parametrize("has_begun", [False, True])
async def test_the_calls_are_coroutines_and_cancelling_one_ends_its_work(tmp_path: Path, has_begun: bool) -> None:
    engine = an_engine(tmp_path)
    start = asyncio.create_task(engine.start(a_workload("http-p3.wasm")))
    if has_begun:
        await asyncio.sleep(0)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start

    async def forgotten() -> None:
        while json.loads(engine.status())["workloads"]:
            await asyncio.sleep(0)

    await asyncio.wait_for(forgotten(), WAIT_S)
    await engine.start(a_workload("http-p3.wasm"))
    await engine.shutdown(0.0)


def test_egress_is_checked_without_a_workload(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    assert engine.check_egress(["*", "example.com"], ["localhost"], ["80"]) is None
    faults = engine.check_egress(["*foo"], [], ["0"])
    assert faults is not None
    assert "wildcard must be of the form *.<rest>" in faults
    assert '"0"' in faults


CLIENT = """
import http.client, sys, time
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
    connection.request("GET", "/", headers={"Host": "w.test"})
    assert connection.getresponse().read() == b"hello from http-p2\\n"
print(time.monotonic(), flush=True)
"""
HELD_S = 5.0


async def test_requests_are_served_while_python_holds_the_gil(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    await engine.start(a_workload())
    argv = [sys.executable, "-c", CLIENT, str(engine.http_port)]
    interval = sys.getswitchinterval()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        # From here on no other thread gets the GIL: nothing below gives it up before the time is over.
        sys.setswitchinterval(1000)
        client.stdin.write("go\n")
        client.stdin.flush()
        over = time.monotonic() + HELD_S
        while time.monotonic() < over:
            pass
        sys.setswitchinterval(interval)
        assert float(client.stdout.readline()) < over
    await engine.shutdown(1.0)


class Broken:
    """Buckets whose opening raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def open(self, identifier: str) -> Never:
        raise self._error


class Slow:
    """Buckets that are never opened."""

    def __init__(self) -> None:
        self.was_cancelled = asyncio.Event()

    async def open(self, identifier: str) -> Never:
        try:
            await asyncio.Event().wait()
        finally:
            self.was_cancelled.set()
        raise AssertionError("nobody sets the event")


def asking_for_buckets() -> str:
    workload = json.loads(a_workload("keyvalue.wasm"))
    interfaces = [f"wasi:keyvalue/{name}" for name in ("store", "atomics", "batch")]
    return json.dumps(workload | {"host_interfaces": interfaces})


async def get(engine: Engine, path: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", engine.http_port, timeout=WAIT_S)
        connection.request("GET", path, headers={"Host": "w.test"})
        response = connection.getresponse()
        answer = response.status, response.read().decode()
        connection.close()
        return answer

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreError("", "no-such-store"), "no-such-store\n"),
        (StoreError("", "access-denied"), "access-denied\n"),
        (StoreError("the shelf is full"), "other: the shelf is full\n"),
        (RuntimeError("a password"), "other: the host failed; its log says why\n"),
    ],
)
async def test_what_python_raises_is_what_the_guest_hears(tmp_path: Path, error: Exception, said: str) -> None:
    engine, reported = an_engine(tmp_path), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    await engine.start(asking_for_buckets(), keyvalue=Broken(error))
    assert await get(engine, "/get?key=a") == (502, said)
    assert reported == ([] if isinstance(error, StoreError) else [error])
    await engine.shutdown(0.0)


async def test_a_request_that_is_cut_cancels_its_coroutine(tmp_path: Path) -> None:
    engine, slow, reported = an_engine(tmp_path, request_timeout_s=1.0), Slow(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    await engine.start(asking_for_buckets(), keyvalue=slow)
    assert (await get(engine, "/get?key=a"))[0] == 504
    async with asyncio.timeout(WAIT_S):
        await slow.was_cancelled.wait()
    await engine.shutdown(0.0)
    assert reported == []
