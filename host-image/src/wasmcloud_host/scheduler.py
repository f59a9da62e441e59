"""What this host says to the operator over NATS, and hears from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from nats.aio.msg import Msg
from wasmcloud_api import subjects
from wasmcloud_api.names import HostId

from wasmcloud_host.nats_connection import NatsConnection, scheduler_access
from wasmcloud_host.settings import Settings

REPLY_PATIENCE_S: Final = 30.0
"""How long an answer waits for the connection to come back: the operator has given up by then."""

Answer = Callable[[str | None, bytes], Awaitable[bytes]]


class Scheduler:
    """Hears commands and says heartbeats."""

    def __init__(self, settings: Settings, host_id: HostId) -> None:
        self._nats = NatsConnection(scheduler_access(settings), f"wasmcloud-host {host_id}", "scheduler")
        self._host_id = host_id
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def is_connected(self) -> bool:
        """Whether commands can arrive now."""
        return self._nats.is_connected

    async def run(self, answer: Answer, on_connected: Callable[[], Awaitable[None]]) -> None:
        """Stay connected until `leave` or a cancellation.

        `on_connected` is called each time the commands are subscribed to.
        """
        hear = self._hear(answer)
        commands = subjects.commands(self._host_id)
        await self._nats.run(lambda client: client.subscribe(commands, cb=hear), on_connected)

    async def say_heartbeat(self, payload: bytes) -> None:
        """Publish a heartbeat; without a connection it is dropped, since the next one says the same and more."""
        if self.is_connected:
            await self._nats.publish(subjects.published_heartbeat(self._host_id), payload)

    async def leave(self) -> None:
        """Send what is on its way, close the connection and make no new one."""
        if self._answering:
            await asyncio.wait(self._answering, timeout=1)
        await self._nats.leave()

    def _hear(self, answer: Answer) -> Callable[[Msg], Awaitable[None]]:
        async def hear(message: Msg) -> None:
            task = asyncio.create_task(self._answer(answer, message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        return hear

    async def _answer(self, answer: Answer, message: Msg) -> None:
        payload = await answer(subjects.command(message.subject, self._host_id), message.data)
        if not message.reply:
            return
        try:
            async with asyncio.timeout(REPLY_PATIENCE_S):
                await self._nats.client()
        except TimeoutError:
            return
        await self._nats.publish(message.reply, payload)
