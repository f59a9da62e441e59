"""From `kubectl apply` to the first 200: operator, host, API server and NATS as real processes on one machine.

    .venv/bin/python benchmarks/apply_to_first_200.py [--runs 50]

A run POSTs a WorkloadDeployment of the hello example (compiled and cached before) and asks until the host answers. The
parts come from the API server's audit log and from a listener on NATS. Beside them, by turns, what bare calls take.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import aiohttp  # noqa: E402
import yaml  # noqa: E402
from ground.control_plane import ADMIN, OPERATOR, ControlPlane  # noqa: E402
from ground.nats import NatsServer  # noqa: E402
from ground.process import Process, free_ports  # noqa: E402
from ground.wait import eventually  # noqa: E402
from nats.aio.client import Client  # noqa: E402

EXAMPLE = ROOT / "examples" / "hello"
NAMESPACE = "default"
GROUP = f"/apis/runtime.wasmcloud.dev/v1alpha1/namespaces/{NAMESPACE}"
GIVE_UP_S = 60.0
Taken = dict[str, list[float]]


@dataclass
class Bench:
    plane: ControlPlane
    nats: NatsServer
    host_port: int
    api: aiohttp.ClientSession
    host: aiohttp.ClientSession
    starts_s: list[float] = field(default_factory=list)
    """When the operator asked for a start, in seconds since the epoch."""


@contextlib.contextmanager
def processes(directory: Path) -> Iterator[tuple[ControlPlane, NatsServer, int]]:
    host_port, health_port, web_port = free_ports(3)
    with ControlPlane(directory) as plane, NatsServer(directory) as nats:
        plane.kubectl("apply", "-f", str(ROOT / "crds"))
        plane.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
        flags = ("--clusterrole", "cluster-admin", "--user", OPERATOR.name)
        plane.kubectl("create", "clusterrolebinding", "benchmark", *flags)
        operator = ["wasmcloud_operator", "--operator-namespace", NAMESPACE, "--watch-namespaces", NAMESPACE]
        operator += ["--kubeconfig", str(plane.kubeconfig(OPERATOR)), "--nats-url", nats.url]
        operator += ["--health-addr", f"127.0.0.1:{health_port}"]
        host = ["wasmcloud_host", "--host-id", "bench", "--friendly-name", "bench", "--scheduler-nats-url", nats.url]
        host += ["--http-addr", f"127.0.0.1:{host_port}", "--allow-file-images", str(EXAMPLE)]
        host += ["--oci-cache-dir", str(directory / "cache"), "--web-addr", f"127.0.0.1:{web_port}"]
        commands = {name: [sys.executable, "-m", *argv] for name, argv in (("operator", operator), ("host", host))}
        with contextlib.ExitStack() as running:
            running.enter_context(Process("operator", commands["operator"], directory / "operator.log"))
            eventually(lambda: assert_ready(health_port), within_s=GIVE_UP_S)
            running.enter_context(Process("host", commands["host"], directory / "host.log"))
            eventually(lambda: assert_host_known(plane), within_s=GIVE_UP_S)
            yield plane, nats, host_port


def assert_ready(port: int) -> None:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
    except OSError as error:
        raise AssertionError(f"the operator is not ready: {error}") from None


def assert_host_known(plane: ControlPlane) -> None:
    plane.kubectl("wait", "host/bench", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=5s")


@contextlib.asynccontextmanager
async def bench(directory: Path) -> AsyncIterator[Bench]:
    with processes(directory) as (plane, nats, host_port):
        tls = ssl.create_default_context(cafile=plane.ca)
        headers = {"Authorization": f"Bearer {plane.token(ADMIN)}"}
        connector = aiohttp.TCPConnector(ssl=tls, keepalive_timeout=75)
        spy = Client()
        await spy.connect(nats.url)
        async with (
            aiohttp.ClientSession(plane.url, headers=headers, connector=connector) as api,
            aiohttp.ClientSession(f"http://127.0.0.1:{host_port}") as host,
        ):
            ours = Bench(plane, nats, host_port, api, host)

            async def hear(_message: Any) -> None:
                ours.starts_s.append(time.time())

            await spy.subscribe("runtime.host.bench.workload.start", cb=hear)
            try:
                yield ours
            finally:
                await spy.close()


def manifest(name: str) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load((EXAMPLE / "workload.yaml").read_text())
    body["metadata"]["name"] = name
    body["spec"]["template"]["spec"]["hostInterfaces"][0]["config"]["host"] = f"{name}.localhost"
    return body


async def post(ours: Bench, plural: str, body: dict[str, Any]) -> dict[str, Any]:
    async with ours.api.post(f"{GROUP}/{plural}", json=body) as answer:
        answer.raise_for_status()
        return dict(await answer.json())


async def first_answer(ours: Bench, name: str) -> None:
    deadline_s = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline_s:
        async with ours.host.get("/", headers={"Host": f"{name}.localhost"}) as answer:
            if answer.status == 200:
                return
        await asyncio.sleep(0.0005)
    sys.exit(f"{name} was not served within {GIVE_UP_S:g} s")


async def apply_once(ours: Bench, number: int, taken: Taken) -> None:
    name = f"run-{number}"
    seen_count = len(ours.plane.audited())
    ours.starts_s.clear()
    began = time.time()
    await post(ours, "workloaddeployments", manifest(name))
    posted = time.time()
    await first_answer(ours, name)
    ended = time.time()
    calls = [call for call in ours.plane.audited()[seen_count:] if call["verb"] == "create"]
    replica_set = next(call for call in calls if call["objectRef"]["resource"] == "workloadreplicasets")
    workload = next(call for call in calls if call["objectRef"]["resource"] == "workloads")
    moments = [began, at(replica_set, "requestReceived"), at(replica_set, "stage")]
    moments += [at(workload, "requestReceived"), at(workload, "stage"), ours.starts_s[0], ended]
    parts = ("POST, watch, decide", "replica set: API call", "decide", "workload: API call")
    parts += ("answer, place, NATS out", "start in the host, seen by the client")
    taken.setdefault("apply -> first 200", []).append(ended - began)
    for part, before, after in zip(parts, moments[:-1], moments[1:], strict=True):
        taken.setdefault(f"- {part}", []).append(after - before)
    taken.setdefault("limit: the same POST, answered", []).append(posted - began)


def at(call: dict[str, Any], stage: str) -> float:
    moment = call[f"{stage}Timestamp"]
    return datetime.fromisoformat(moment).timestamp()


async def bare_calls(ours: Bench, number: int, taken: Taken) -> None:
    """A watch event, a POST and a status PATCH, by a client that does nothing else."""
    name = f"bare-{number}"
    body = {"metadata": {"name": name}, "spec": {"image": "registry.local/a:1"}}
    body |= {"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": "Artifact"}
    async with ours.api.get(f"{GROUP}/artifacts", params={"limit": "1"}) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    async with ours.api.get(f"{GROUP}/artifacts", params={"watch": "1", "resourceVersion": version}) as watch:
        began = time.perf_counter()
        answered = asyncio.create_task(post(ours, "artifacts", body))
        await watch.content.readline()
        taken.setdefault("limit: a bare watch sees a POST", []).append(time.perf_counter() - began)
        await answered
    began = time.perf_counter()
    headers = {"Content-Type": "application/merge-patch+json"}
    status = json.dumps({"status": {"digest": "sha256:0"}})
    async with ours.api.patch(f"{GROUP}/artifacts/{name}/status", data=status, headers=headers) as answer:
        answer.raise_for_status()
        await answer.read()
    taken.setdefault("limit: a bare status PATCH", []).append(time.perf_counter() - began)


async def measured(runs: int) -> Taken:
    taken: Taken = {}
    with tempfile.TemporaryDirectory() as directory:
        async with bench(Path(directory)) as ours:
            for number in range(-3, runs):
                kept = taken if number >= 0 else {}
                await apply_once(ours, number + 3, kept)
                await bare_calls(ours, number + 3, kept)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="how often it is measured (default 50)")
    taken = asyncio.run(measured(parser.parse_args().runs))
    print("milliseconds\n\n| | best | p50 | p99 |\n|---|---|---|---|")
    for name, seconds in taken.items():
        ordered = sorted(seconds)
        p99 = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
        print(f"| {name} | {ordered[0] * 1e3:.1f} | {statistics.median(ordered) * 1e3:.1f} | {p99 * 1e3:.1f} |")


if __name__ == "__main__":
    main()
