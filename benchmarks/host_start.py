"""From process start to first heartbeat: how long until the operator can use a host.

    .venv/bin/python benchmarks/host_start.py [--runs 10]

The limits beside it: an empty Python process, the imports of the agent, and the engine's constructor alone. They take
turns, so a machine that drifts drifts for all.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ground.nats import NatsServer  # noqa: E402
from nats.aio.client import Client  # noqa: E402

ENGINE = (
    "import json, tempfile\n"
    "from wasmcloud_engine import Engine\n"
    "Engine(json.dumps({'http_addr': '127.0.0.1:0', 'cache_dir': tempfile.mkdtemp()}))"
)
LIMITS = {
    "limit: python -c pass": "pass",
    "limit: the agent's imports": "import sys; sys.modules['aiohttp'] = None; import wasmcloud_host.app",
    "limit: python and the engine alone": ENGINE,
}
GIVE_UP_S = 60.0


def process_s(code: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begin


async def first_heartbeat_s(server: NatsServer, listener: Client, cache: Path) -> float:
    heartbeats = await listener.subscribe("runtime.operator.heartbeat.*")
    await listener.flush()
    flags = ["--scheduler-nats-url", server.url, "--http-addr", "127.0.0.1:0", "--oci-cache-dir", str(cache)]
    begin = time.perf_counter()
    host = subprocess.Popen([sys.executable, "-m", "wasmcloud_host", *flags], stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        await heartbeats.next_msg(timeout=GIVE_UP_S)
        return time.perf_counter() - begin
    finally:
        host.send_signal(signal.SIGTERM)
        host.wait(GIVE_UP_S)
        await heartbeats.unsubscribe()


async def measure(run_count: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in ("first heartbeat", *LIMITS)}
    with tempfile.TemporaryDirectory() as scratch, NatsServer(Path(scratch)) as server:
        listener = Client()
        await listener.connect(server.url)
        for _ in range(run_count):
            taken["first heartbeat"].append(await first_heartbeat_s(server, listener, Path(scratch) / "cache"))
            for name, code in LIMITS.items():
                taken[name].append(process_s(code))
        await listener.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="how often each is measured (default 10)")
    runs = parser.parse_args().runs
    taken = asyncio.run(measure(runs))
    print(f"{runs} runs each, seconds\n\n| | best | median | worst |\n|---|---|---|---|")
    for name, all_s in taken.items():
        print(f"| {name} | {min(all_s):.2f} | {statistics.median(all_s):.2f} | {max(all_s):.2f} |")


if __name__ == "__main__":
    main()
