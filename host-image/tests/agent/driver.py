"""Drives a host as an operator would: plain NATS requests with JSON that is written out here, field by field."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ground.process import Process
from ground.wait import eventually
from nats.aio.client import Client
from nats.aio.subscription import Subscription

GUESTS = Path(__file__).parents[3] / "tests" / "guests"

Json = dict[str, Any]

PATIENCE_S = 30.0


def status_of(reply: Json) -> tuple[str, str]:
    """State, without its prefix, and message of an answer about a workload."""
    said = reply["workloadStatus"]
    return said["workloadState"].removeprefix("WORKLOAD_STATE_"), said.get("message", "")


def said_in_log(process: Process, text: str) -> None:
    """Wait until the process has logged it."""

    def check() -> None:
        assert text in process.log.read_text(), f"no {text!r} in the log of {process.name}:\n{process.log_tail()}"

    eventually(check, within_s=PATIENCE_S)


def component(image: str = "file://http-p2.wasm", name: str = "hello", **fields: object) -> Json:
    return {"name": name, "image": image, **fields}


def http_interface(host: str, interface: str = "incoming-handler", **config: str) -> Json:
    return {"namespace": "wasi", "package": "http", "interfaces": [interface], "config": {"host": host, **config}}


def start_request(
    workload_id: str,
    *components: Json,
    host: str | None = "hello.localhost",
    namespace: str = "default",
    name: str = "hello",
    **workload: object,
) -> Json:
    interfaces = [http_interface(host)] if host else []
    world = {"components": list(components) or [component()], "hostInterfaces": interfaces}
    return {
        "workloadId": workload_id,
        "workload": {"namespace": namespace, "name": name, "witWorld": world} | workload,
    }


def get(port: int, path: str = "/", host: str = "hello.localhost", timeout_s: float = PATIENCE_S) -> tuple[int, str]:
    """Status and body of one request to a host's listener."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@dataclass(slots=True)
class Operator:
    """The other end of the wire."""

    nats: Client
    heartbeats: Subscription

    async def next_heartbeat(self, host_id: str | None = None) -> Json:
        """The next published heartbeat, of that host where one is named."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                said = json.loads((await self.heartbeats.next_msg(timeout=PATIENCE_S)).data)
                if host_id in {None, said["id"]}:
                    return dict(said)

    async def next_heartbeat_with(self, host_id: str, field: str, value: str) -> None:
        """Wait for that host's heartbeat that says so: earlier ones may still be in the queue."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.next_heartbeat(host_id)).get(field) != value:
                pass

    async def ask(
        self, host_id: str, command: str, body: Json | bytes | None = None, within_s: float = PATIENCE_S
    ) -> Json:
        """The reply to one command."""
        payload = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        reply = await self.nats.request(f"runtime.host.{host_id}.{command}", payload, timeout=within_s)
        return dict(json.loads(reply.data))

    async def start(self, host_id: str, request: Json) -> tuple[str, str]:
        return status_of(await self.ask(host_id, "workload.start", request))

    async def stop(self, host_id: str, workload_id: str) -> tuple[str, str]:
        return status_of(await self.ask(host_id, "workload.stop", {"workloadId": workload_id}))

    async def status(self, host_id: str, workload_id: str) -> tuple[str, str]:
        return status_of(await self.ask(host_id, "workload.status", {"workloadId": workload_id}))

    async def running(self, host_id: str) -> dict[str, str]:
        """States by id, out of `workload.list`."""
        listed = (await self.ask(host_id, "workload.list")).get("workloadStatus", [])
        return {each["workloadId"]: each["workloadState"].removeprefix("WORKLOAD_STATE_") for each in listed}


class HostProcess(Process):
    """A process whose end is looked at."""

    def exit_code(self, within_s: float = PATIENCE_S) -> int:
        """Wait for its end; what a signal ended has the signal's number, negative."""
        assert self._running is not None, f"{self.name} was not started"
        return self._running.wait(within_s)


@dataclass(slots=True)
class Host:
    """A host process. `id` is given, so it is known before the first heartbeat."""

    id: str
    process: HostProcess
    http_port: int
    web_port: int
    first_heartbeat: Json = field(default_factory=dict)

    def page(self, path: str) -> tuple[int, str]:
        return get(self.web_port, path)


def host_process(
    directory: Path, name: str, flags: Mapping[str, str | list[str]], env: Mapping[str, str] | None = None
) -> HostProcess:
    """A host, not started yet. `flags` without their dashes; a list repeats the flag, an empty one is a bare flag."""
    argv: list[str | Path] = [sys.executable, "-m", "wasmcloud_host"]
    for flag, values in flags.items():
        if values == []:
            argv.append(f"--{flag}")
        for value in [values] if isinstance(values, str) else values:
            argv += [f"--{flag}", value]
    return HostProcess(name, argv, directory / f"{name}.log", env)
