"""What a call of `wasi:keyvalue` costs: through a component and the host, beside the bare round trip of nats-py.

    .venv/bin/python benchmarks/keyvalue.py [--seconds 3]

One real host, one nats-server with JetStream on file, both on loopback. A request opens its bucket and makes one call;
`open` alone is the way into Python and back. Needs wrk (Debian: apt-get install wrk).
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nats
from nats.aio.client import Client

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ground.nats import NatsServer  # noqa: E402
from ground.process import Process, free_ports  # noqa: E402
from ground.wait import eventually_async  # noqa: E402

CALLS = {"open": "/", "get": "/get?key=a", "set": "/set?key=a&value=1", "increment": "/increment?key=n"}
CONNECTIONS = (1, 32)


@contextmanager
def a_host(folder: Path, nats_url: str) -> Iterator[int]:
    (port,) = free_ports(1)
    flags = {
        "host-id": "bench",
        "scheduler-nats-url": nats_url,
        "data-nats-url": nats_url,
        "http-addr": f"127.0.0.1:{port}",
        "allow-file-images": str(ROOT / "tests/guests"),
        "oci-cache-dir": str(folder / "cache"),
        "drain-timeout": "0",
    }
    arguments = [part for flag, value in flags.items() for part in (f"--{flag}", value)]
    host = Process("host", [sys.executable, "-m", "wasmcloud_host", *arguments], folder / "host.log")
    host.start()
    try:
        yield port
    finally:
        host.kill()


async def start_workloads(client: Client) -> None:
    for backend in ("nats", "in-memory"):
        routed = {
            "namespace": "wasi",
            "package": "http",
            "interfaces": ["incoming-handler"],
            "config": {"host": backend},
        }
        names = ["store", "atomics", "batch"]
        keyvalue = {"namespace": "wasi", "package": "keyvalue", "interfaces": names, "config": {"backend": backend}}
        world = {
            "components": [{"name": "kv", "image": "file://keyvalue.wasm"}],
            "hostInterfaces": [routed, keyvalue],
        }
        workload = {"namespace": "default", "name": backend, "witWorld": world}
        request = json.dumps({"workloadId": backend, "workload": workload}).encode()
        reply = await client.request("runtime.host.bench.workload.start", request, timeout=60)
        assert b"RUNNING" in reply.data, reply.data


async def bare(client: Client, calls: int = 500) -> dict[str, float]:
    """Milliseconds of one call after another of nats-py, p50."""
    bucket = await client.jetstream().key_value("default_default")
    found = {}
    for name, call in {"get": lambda: bucket.get("a"), "set": lambda: bucket.put("a", b"1")}.items():
        times = []
        for _ in range(calls):
            start = time.perf_counter()
            await call()
            times.append(1000 * (time.perf_counter() - start))
        found[name] = statistics.median(times)
    return found


def wrk(port: int, host: str, path: str, connections: int, seconds: int) -> tuple[float, float]:
    """Milliseconds p50, and requests a second."""
    load = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {host}"]
    done = subprocess.run(
        ["wrk", *load, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    ).stdout
    p50 = re.search(r"50%\s+([\d.]+)(us|ms|s)", done)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done)
    assert p50, done
    assert rate, done
    return float(p50[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p50[2]], float(rate[1])


def status_of(port: int, host: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status


async def main(seconds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jetstream = ["--jetstream", "--store_dir", str(folder / "jetstream")]
        with NatsServer(folder, jetstream) as server, a_host(folder, server.url) as port:
            client = await nats.connect(server.url)

            async def joined() -> None:
                try:
                    await client.request("runtime.host.bench.heartbeat", b"{}", timeout=1)
                except (nats.errors.Error, TimeoutError) as error:
                    raise AssertionError(f"no host yet: {error!r}") from error

            await eventually_async(joined, within_s=30)
            await start_workloads(client)
            for backend in ("nats", "in-memory"):
                assert await asyncio.to_thread(status_of, port, backend, CALLS["set"]) == 200
            limit = await bare(client)
            print("| backend | call | nats-py alone, ms | ms, 1 connection | requests/s, 1 | requests/s, 32 |")
            print("|---|---|---|---|---|---|")
            for backend in ("in-memory", "nats"):
                for call, path in CALLS.items():
                    rows = [await asyncio.to_thread(wrk, port, backend, path, count, seconds) for count in CONNECTIONS]
                    bare_ms = f"{limit[call]:.2f}" if backend == "nats" and call in limit else ""
                    rates = " | ".join(f"{rate:.0f}" for _, rate in rows)
                    print(f"| {backend} | {call} | {bare_ms} | {rows[0][0]:.2f} | {rates} |")
            await client.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=3)
    asyncio.run(main(arguments.parse_args().seconds))
