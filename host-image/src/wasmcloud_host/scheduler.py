"""The connection to the operator's NATS: made anew whenever it is gone, for as long as the host runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg
from wasmcloud_api import subjects
from wasmcloud_api.names import HostId
from wasmcloud_api.nats_credentials import read_credentials

from wasmcloud_host.settings import Settings
from wasmcloud_host.telemetry import event

log: Final = logging.getLogger(__name__)

RETRY_S: Final = 0.5
CONNECT_WITHIN_S: Final = 10.0
CLOSE_WITHIN_S: Final = 2.0
PING_S: Final = 10
REPLY_PATIENCE_S: Final = 30.0
"""How long an answer waits for the connection to come back: the operator has given up by then."""

Answer = Callable[[str | None, bytes], Awaitable[bytes]]


class Scheduler:
    """Hears commands and says heartbeats.

    nats-py's own reconnect gives up on errors that the server sends, so each connection is a new client.
    """

    def __init__(self, settings: Settings, host_id: HostId) -> None:
        self._settings = settings
        self._host_id = host_id
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._answering: set[asyncio.Task[None]] = set()
        self._last_said = ""
        self._is_leaving = False

    @property
    def is_connected(self) -> bool:
        """Whether commands can arrive now."""
        return self._connected.is_set()

    async def run(self, answer: Answer, on_connected: Callable[[], Awaitable[None]]) -> None:
        """Stay connected until `leave` or a cancellation.

        `on_connected` is called each time the commands are subscribed to.
        """
        while not self._is_leaving:
            closed = asyncio.Event()
            client = Client()
            try:
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    await self._connect(client, closed)
                    await client.subscribe(subjects.commands(self._host_id), cb=self._hear(answer))
            except Exception as error:  # noqa: BLE001 - whatever it is, the only remedy is to try again
                await self._say_waiting(error)
                with suppress(Exception):  # a half-made connection may never finish closing
                    async with asyncio.timeout(CLOSE_WITHIN_S):
                        await client.close()
                await asyncio.sleep(RETRY_S)
                continue
            self._client, self._last_said = client, ""
            self._connected.set()
            event(log, "nats_connected", url=self._url_for_people())
            await on_connected()
            await closed.wait()
            self._connected.clear()
            if not self._is_leaving:
                event(log, "nats_disconnected", level=logging.WARNING, reason=client.last_error)

    async def say_heartbeat(self, payload: bytes) -> None:
        """Publish a heartbeat; without a connection it is dropped, since the next one says the same and more."""
        if self.is_connected:
            await self._publish(subjects.published_heartbeat(self._host_id), payload)

    async def leave(self) -> None:
        """Send what is on its way, close the connection and make no new one."""
        self._is_leaving = True
        if self._answering:
            await asyncio.wait(self._answering, timeout=1)
        if self._client is not None and self.is_connected:
            try:
                await self._client.flush(timeout=2)
            except (nats.errors.Error, OSError) as error:
                event(log, "nats_not_flushed", level=logging.WARNING, reason=error)
            await self._client.close()

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
                await self._connected.wait()
        except TimeoutError:
            return
        await self._publish(message.reply, payload)

    async def _publish(self, subject: str, payload: bytes) -> None:
        if self._client is None:
            return
        try:
            await self._client.publish(subject, payload)
        except (nats.errors.Error, OSError) as error:
            event(log, "nats_message_not_sent", level=logging.WARNING, subject=subject, reason=error)

    async def _connect(self, client: Client, closed: asyncio.Event) -> None:
        async def on_closed() -> None:
            closed.set()

        settings = self._settings
        await client.connect(
            [url.strip() for url in settings.scheduler_nats_url.get_secret_value().split(",")],
            name=f"wasmcloud-host {self._host_id}",
            error_cb=self._say_waiting,
            closed_cb=on_closed,
            allow_reconnect=False,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_S,  # type: ignore[arg-type]  # slept for, so a fraction will do
            ping_interval=PING_S,
            tls=_tls(settings),
            tls_handshake_first=settings.scheduler_nats_tls_first,
            user_credentials=_credentials(settings.scheduler_nats_creds),
        )

    async def _say_waiting(self, error: Exception) -> None:
        """Once per reason: it may be hours until the server is there."""
        reason = str(error) or type(error).__name__
        if reason != self._last_said:
            self._last_said = reason
            event(log, "nats_connect_failed", level=logging.WARNING, url=self._url_for_people(), reason=reason)

    def _url_for_people(self) -> str:
        """Return the servers' addresses without user names and passwords."""
        urls = (urlsplit(url.strip()) for url in self._settings.scheduler_nats_url.get_secret_value().split(","))
        return ",".join(f"{url.scheme}://{url.netloc.rpartition('@')[2]}" for url in urls)


def _credentials(path: Path | None) -> RawCredentials | None:
    """Return the credentials as the file has them now. Raises ValueError for a file that is none."""
    return None if path is None else RawCredentials(read_credentials(path))


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS as the flags say; None leaves it to the URL and the server. Raises OSError for a file that isn't PEM."""
    ca, certificate = settings.scheduler_nats_tls_ca, settings.scheduler_nats_tls_cert
    if ca is None and certificate is None:
        return None
    context = ssl.create_default_context(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate, settings.scheduler_nats_tls_key)
    return context
