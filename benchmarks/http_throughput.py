"""HTTP requests/s and p99: the engine, `wasmtime serve` of the same line, and bare hyper with the same answer.

    .venv/bin/python benchmarks/http_throughput.py [--seconds 4] [--rounds 3] [--connections 1,8,32,64]

Contestants take turns within a round, so a machine that drifts drifts for all; the table shows medians over rounds.
Needs wrk (Debian: apt-get install wrk). `wasmtime serve` is measured where benchmarks/build-wasmtime was run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ground.process import free_ports  # noqa: E402

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmcloud"
POOL = (
    "pooling-allocator,pooling-pagemap-scan=yes,pooling-memory-keep-resident=4194304,"
    "pooling-table-keep-resident=65536,pooling-async-stack-keep-resident=65536"
)
HELLO_P2 = ROOT / "examples/hello/hello.wasm"
HELLO_P3 = ROOT / "examples/hello/hello-p3.wasm"
LIMIT = "bare hyper"


@dataclass(frozen=True, slots=True)
class Contestant:
    name: str
    command: tuple[str, ...]  # {port} is filled in


@dataclass(frozen=True, slots=True)
class Reading:
    requests_per_s: float
    p99_ms: float


def bare_hyper(text: str) -> Contestant:
    target = CACHE / "benchmarks-target"
    manifest = ROOT / "benchmarks/bare-hyper/Cargo.toml"
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    build = ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", str(manifest)]
    subprocess.run(build, check=True, env=environment)
    return Contestant(LIMIT, (str(target / "release/bare-hyper"), "{port}", text))


def wasmtime_serve() -> list[Contestant]:
    program = CACHE / "wasmtime-48.0.8/bin/wasmtime"
    if not program.exists():
        print("wasmtime serve is left out: run benchmarks/build-wasmtime first\n")
        return []
    serve = (str(program), "serve", "-O", POOL, "--addr", "127.0.0.1:{port}")
    p3 = ("-Scli,p3", "-W", "component-model-async")
    reuse = "--max-instance-reuse-count"
    return [
        Contestant("wasmtime serve, 0.2 fresh", (*serve, "-Scli", str(HELLO_P2))),
        Contestant("wasmtime serve, 0.2 reused", (*serve, "-Scli", reuse, "1000", str(HELLO_P2))),
        Contestant("wasmtime serve, 0.3 fresh", (*serve, *p3, reuse, "1", str(HELLO_P3))),
        Contestant("wasmtime serve, 0.3 reused", (*serve, *p3, str(HELLO_P3))),
    ]


def ours() -> list[Contestant]:
    serve = (sys.executable, str(ROOT / "benchmarks/serve_engine.py"), "{port}")
    return [
        Contestant("ours, 0.2 fresh", (*serve, str(HELLO_P2))),
        Contestant("ours, 0.2 reused", (*serve, str(HELLO_P2), "64")),
        Contestant("ours, 0.3 fresh", (*serve, str(HELLO_P3))),
        Contestant("ours, 0.3 reused", (*serve, str(HELLO_P3), "64")),
    ]


@contextmanager
def running(contestant: Contestant) -> Iterator[int]:
    """Start it on a free port and give that once it answers 200."""
    (port,) = free_ports(1)
    command = [part.format(port=port) for part in contestant.command]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_answer(contestant.name, process, port)
        yield port
    finally:
        if process.stdin:
            process.stdin.close()
        process.terminate()
        process.wait(10)


def wait_for_answer(name: str, process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit(f"{name} ended with exit code {process.returncode} before it answered")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{name} did not answer within 30 s")


def load(port: int, connections: int, seconds: float) -> Reading:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", f"http://127.0.0.1:{port}/"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"the load met errors:\n{out}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    if not rate or not p99:
        sys.exit(f"wrk's output is not understood:\n{out}")
    return Reading(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]])


def measure(contestants: list[Contestant], connections: list[int], seconds: float, rounds: int) -> None:
    readings: dict[tuple[str, int], list[Reading]] = defaultdict(list)
    with ExitStack() as started:
        # All at once, and by turns at each load: the machine itself changes its pace within a minute.
        ports = [started.enter_context(running(contestant)) for contestant in contestants]
        for port in ports:
            load(port, 8, 1.0)  # warm-up
        for turn, count in product(range(rounds), connections):
            print(f"round {turn + 1}/{rounds}: {count} connections", file=sys.stderr)
            for contestant, port in zip(contestants, ports, strict=True):
                readings[contestant.name, count].append(load(port, count, seconds))
    print("| | " + " | ".join(f"{c} connections: req/s (p99 ms), x hyper" for c in connections) + " |")
    print("|---|" + "---|" * len(connections))
    for contestant in contestants:
        cells = []
        for count in connections:
            mine = readings[contestant.name, count]
            rate = statistics.median(r.requests_per_s for r in mine)
            p99 = statistics.median(r.p99_ms for r in mine)
            limit = statistics.median(r.requests_per_s for r in readings[LIMIT, count])
            cells.append(f"{rate:,.0f} ({p99:.1f}), {rate / limit:.2f}")
        print(f"| {contestant.name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each load lasts (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="how often the contestants take turns (default 3)")
    parser.add_argument("--connections", default="1,8,32,64", help="how many at once, separated by commas")
    parser.add_argument("--only", default="", help="measure contestants whose name holds this, beside the limit")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing; install it (Debian: apt-get install wrk)")
    rivals = [c for c in ours() + wasmtime_serve() if arguments.only in c.name]
    rivals.sort(key=lambda c: c.name.rpartition(", ")[2])  # who does the same is measured one after the other
    connections = [int(c) for c in arguments.connections.split(",")]
    measure([bare_hyper("Hello from wasmCloud!\n"), *rivals], connections, arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    main()
