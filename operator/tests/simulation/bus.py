"""NATS between the engine and simulated hosts."""

from __future__ import annotations

import asyncio
from collections import Counter

from wasmcloud_api.wire import encode
from wasmcloud_operator.engine.ports import Disconnected, Hear, NoReply, NoResponders

from simulation.hosts import SimHost

HEARTBEAT_EVERY_S = 15.0


class SimBus:
    """Implements the port Bus. Requests to a host that died meanwhile hang until their time limit, as in NATS."""

    def __init__(self, *, delay_s: float = 0.0005) -> None:
        self.hosts: dict[str, SimHost] = {}
        self.requests: Counter[str] = Counter()
        self.delay_s = delay_s
        self.is_up = True
        self._connections = 1
        self._hears: list[Hear] = []

    def add(self, host: SimHost) -> None:
        """Connect a host; it publishes a heartbeat at once."""
        self.hosts[host.host_id] = host
        host.is_connected = True
        self.publish(host)

    def publish(self, host: SimHost) -> None:
        if self.is_up and host.is_connected:
            for hear in self._hears:
                hear(host.host_id, encode(host.heartbeat()))

    def publish_raw(self, host_id: str, payload: bytes) -> None:
        for hear in self._hears:
            hear(host_id, payload)

    def down(self) -> None:
        """Lose the server: everybody is cut off."""
        self.is_up = False

    def up(self) -> None:
        """Start the server anew. Hosts find it again one by one."""
        self.is_up = True
        self._connections += 1

    async def run(self, hear: Hear) -> None:
        self._hears.append(hear)
        try:
            while True:
                for host in list(self.hosts.values()):
                    self.publish(host)
                await asyncio.sleep(HEARTBEAT_EVERY_S)
        finally:
            self._hears.remove(hear)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        host_id, _, command = subject.removeprefix("runtime.host.").partition(".")
        self.requests[command] += 1
        if not self.is_up:
            raise Disconnected("not connected to NATS")
        await asyncio.sleep(self.delay_s)
        host = self.hosts.get(host_id)
        if host is None or not host.is_connected:
            raise NoResponders(f"nobody listens on {subject}")
        try:
            async with asyncio.timeout(timeout_s):
                reply = await host.answer(command, payload)
                if reply is None or not self.is_up:
                    await asyncio.Event().wait()
                await asyncio.sleep(self.delay_s)
                assert reply is not None
                return reply
        except TimeoutError:
            raise NoReply(f"no reply on {subject} within {timeout_s:g} s") from None

    def is_connected(self) -> bool:
        return self.is_up

    def connection_count(self) -> int:
        return self._connections
