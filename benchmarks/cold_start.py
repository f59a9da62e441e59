"""From the command to the first 200: `wasmcloud up` with the hello example, as a user waits for it.

    .venv/bin/python benchmarks/cold_start.py [--runs 10]

Measured twice: with an empty cache (the component is compiled) and with a full one. Beside it the limits that no
change of ours can pass in this design: an empty Python process, the imports of command and host, and NATS itself.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ground.process import free_ports  # noqa: E402

SCRIPTS = Path(sysconfig.get_path("scripts"))
MANIFEST = ROOT / "examples" / "hello" / "workload.yaml"
GIVE_UP_S = 60.0


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
    try:
        connection.request("GET", "/", headers={"Host": "hello.localhost"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def first_answer_s(cache: Path) -> float:
    """Seconds from starting the command to the first 200."""
    (port,) = free_ports(1)
    begin = time.perf_counter()
    with subprocess.Popen(
        [SCRIPTS / "wasmcloud", "up", "-f", MANIFEST, "--http", f"127.0.0.1:{port}"],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
    ) as running:
        try:
            while not answers(port):
                if running.poll() is not None or time.perf_counter() - begin > GIVE_UP_S:
                    sys.exit(f"wasmcloud up gave no answer within {GIVE_UP_S:g} s (exit code {running.poll()})")
                time.sleep(0.002)
            return time.perf_counter() - begin
        finally:
            running.send_signal(signal.SIGINT)


def with_empty_cache() -> float:
    with tempfile.TemporaryDirectory() as cache:
        return first_answer_s(Path(cache))


def process_s(*arguments: str | Path) -> float:
    begin = time.perf_counter()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def measured(runs: int) -> dict[str, list[float]]:
    """Seconds by what was measured; the contestants take turns, so a machine that drifts drifts for all."""
    cache = Path(tempfile.mkdtemp())
    imports = "import wasmcloud.command, wasmcloud.up, wasmcloud.screen"
    contestants: dict[str, Callable[[], float]] = {
        "wasmcloud up, compiled before": lambda: first_answer_s(cache),
        "wasmcloud up, empty cache": with_empty_cache,
        "limit: python -c pass": lambda: process_s(sys.executable, "-c", "pass"),
        "limit: the command's first imports": lambda: process_s(sys.executable, "-c", imports),
        "limit: the host's imports": lambda: process_s(sys.executable, "-c", "import wasmcloud_host.__main__"),
        "limit: nats-server --version": lambda: process_s(SCRIPTS / "nats-server", "--version"),
    }
    try:
        first_answer_s(cache)  # fills the cache
        taken: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(runs):
            for name, measure in contestants.items():
                taken[name].append(measure())
        return taken
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="how often each is measured (default 10)")
    runs = parser.parse_args().runs
    print(f"{runs} runs each, seconds\n\n| | best | median | worst |\n|---|---|---|---|")
    for name, seconds in measured(runs).items():
        print(f"| {name} | {min(seconds):.2f} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |")


if __name__ == "__main__":
    main()
