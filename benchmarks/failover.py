"""How long people notice what died: operator, hosts, API server and NATS as real processes on one machine.

    .venv/bin/python benchmarks/failover.py [--runs 10]

Each run takes one part away from a system of its own and asks, without a pause, for what it did. A workload that runs
elsewhere is under load meanwhile: its failed requests are counted. Beside it, the waiting that is built in.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ground.control_plane import ControlPlane  # noqa: E402
from ground.nats import NatsServer  # noqa: E402
from ground.wait import eventually  # noqa: E402
from integration.clients import Load, answering  # noqa: E402
from integration.system import System, deployment  # noqa: E402

GIVE_UP_S = 120.0
LIMITS = {
    "a host is killed": "0.5 s: how often a host is probed",
    "the leading operator is killed": "15 s: the Lease runs out",
    "the leading operator ends": "2 s: the standby looks for the Lease",
    "NATS is stopped and started": "none: both ends try every 0.1 to 2 s",
}


@contextlib.contextmanager
def system_of(plane: ControlPlane) -> Iterator[System]:
    """Two hosts and an operator; `steady` runs on both, `moving` on one."""
    with tempfile.TemporaryDirectory() as scratch, NatsServer(Path(scratch)) as nats:
        system = System(plane, nats, Path(scratch))
        try:
            system.start()
            for name in ("one", "two"):
                system.add_host(name)
            system.await_hosts()
            for name, replica_count in (("steady", 2), ("moving", 1)):
                system.apply(deployment(name, replicas=replica_count))
                system.await_ready(name)
            yield system
        finally:
            system.stop()


def until(check: Callable[[], object]) -> float:
    """Seconds until the check passes."""
    began = time.perf_counter()
    eventually(check, within_s=GIVE_UP_S, every_s=0.005)
    return time.perf_counter() - began


def applied(system: System, name: str = "late") -> float:
    """Seconds until a workload that is applied now answers."""
    system.apply(deployment(name))
    hosts = list(system.hosts.values())

    def answers_somewhere() -> None:
        assert any(host.get(f"{name}.localhost").status == 200 for host in hosts), "no host answers yet"

    return until(answers_somewhere)


def kill_host(system: System) -> tuple[float, int]:
    one, two = system.hosts["one"], system.hosts["two"]
    dying, heir = (one, two) if one.get("moving.localhost").status == 200 else (two, one)
    with Load(heir.http_port, "steady.localhost") as load:
        dying.process.kill()
        taken_s = until(answering(heir.http_port, "moving.localhost"))
    return taken_s, len(load.failures)


def lose_operator(system: System, *, is_killed: bool) -> tuple[float, int]:
    system.restart_operator("--leader-elect", "--pod-name", "one")
    standby, port = system.add_operator("standby", "--leader-elect", "--pod-name", "two")
    try:
        eventually(answering(port, "127.0.0.1", path="/readyz"), within_s=GIVE_UP_S)
        with Load(system.hosts["one"].http_port, "steady.localhost") as load:
            if is_killed:
                system.operator.kill()
            else:
                system.operator.stop()
            taken_s = applied(system)
        return taken_s, len(load.failures)
    finally:
        standby.stop()


def lose_nats(system: System) -> tuple[float, int]:
    with Load(system.hosts["one"].http_port, "steady.localhost") as load:
        system.nats.stop()
        system.nats.start()
        taken_s = applied(system)
    return taken_s, len(load.failures)


CASES: dict[str, Callable[[System], tuple[float, int]]] = {
    "a host is killed": kill_host,
    "the leading operator is killed": lambda system: lose_operator(system, is_killed=True),
    "the leading operator ends": lambda system: lose_operator(system, is_killed=False),
    "NATS is stopped and started": lose_nats,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="how often each is measured (default 10)")
    runs = parser.parse_args().runs
    print("seconds until what it did is done again\n")
    print("| | best | median | worst | failed requests to what runs elsewhere | waiting that is built in |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory, ControlPlane(Path(directory)) as plane:
        plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", timeout_s=90)
        for name, lose in CASES.items():
            taken, failed_count = [], 0
            for _ in range(runs):
                with system_of(plane) as system:
                    taken_s, count = lose(system)
                taken.append(taken_s)
                failed_count += count
            figures = f"{min(taken):.2f} | {statistics.median(taken):.2f} | {max(taken):.2f}"
            print(f"| {name} | {figures} | {failed_count} | {LIMITS[name]} |", flush=True)
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
