"""A connection to NATS, made anew whenever it is gone, for as long as the host runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client, RawCredentials
from pydantic import SecretStr
from wasmcloud_api.nats_credentials import read_credentials

from wasmcloud_host.settings import Settings
from wasmcloud_host.telemetry import event

log: Final = logging.getLogger(__name__)

RETRY_S: Final = 0.5
CONNECT_WITHIN_S: Final = 10.0
CLOSE_WITHIN_S: Final = 2.0
PING_S: Final = 10


@dataclass(frozen=True, slots=True)
class Access:
    """Where a NATS server is, and as whom this host comes to it. The files are read anew for each connection."""

    urls: SecretStr
    """Several are separated by commas; they may hold passwords."""
    creds: Path | None
    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    tls_first: bool

    def urls_for_people(self) -> str:
        """Return the servers' addresses without user names and passwords."""
        urls = (urlsplit(url.strip()) for url in self.urls.get_secret_value().split(","))
        return ",".join(f"{url.scheme}://{url.netloc.rpartition('@')[2]}" for url in urls)


def scheduler_access(settings: Settings) -> Access:
    """Return the way to the operator's NATS."""
    return Access(
        urls=settings.scheduler_nats_url,
        creds=settings.scheduler_nats_creds,
        tls_ca=settings.scheduler_nats_tls_ca,
        tls_cert=settings.scheduler_nats_tls_cert,
        tls_key=settings.scheduler_nats_tls_key,
        tls_first=settings.scheduler_nats_tls_first,
    )


def data_access(settings: Settings) -> Access | None:
    """Return the way to the NATS of the workloads' data; None without one."""
    if settings.data_nats_url is None:
        return None
    return Access(
        urls=settings.data_nats_url,
        creds=settings.data_nats_creds,
        tls_ca=settings.data_nats_tls_ca,
        tls_cert=settings.data_nats_tls_cert,
        tls_key=settings.data_nats_tls_key,
        tls_first=settings.data_nats_tls_first,
    )


async def _nothing(_client: Client) -> None: ...


class NatsConnection:
    """Keeps one client connected.

    nats-py's own reconnect gives up on errors that the server sends, so each connection is a new client.
    """

    def __init__(self, access: Access, name: str, purpose: str) -> None:
        self._access = access
        self._name = name
        self._purpose = purpose
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._last_said = ""
        self._is_leaving = False

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands now."""
        return self._connected.is_set()

    async def run(
        self,
        set_up: Callable[[Client], Awaitable[object]] = _nothing,
        on_connected: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Stay connected until `leave` or a cancellation.

        `set_up` is a part of connecting: what it raises, or takes too long for, leads to the next attempt.
        """
        while not self._is_leaving:
            closed = asyncio.Event()
            client = Client()
            try:
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    await self._connect(client, closed)
                    await set_up(client)
            except Exception as error:  # noqa: BLE001 - whatever it is, the only remedy is to try again
                await self._say_waiting(error)
                with suppress(Exception):  # a half-made connection may never finish closing
                    async with asyncio.timeout(CLOSE_WITHIN_S):
                        await client.close()
                await asyncio.sleep(RETRY_S)
                continue
            self._client, self._last_said = client, ""
            self._connected.set()
            event(log, "nats_connected", url=self._access.urls_for_people(), purpose=self._purpose)
            if on_connected is not None:
                await on_connected()
            await closed.wait()
            self._connected.clear()
            if not self._is_leaving:
                event(
                    log,
                    "nats_disconnected",
                    level=logging.WARNING,
                    purpose=self._purpose,
                    reason=client.last_error,
                )

    async def client(self) -> Client:
        """Return the client, when there is a connection."""
        while self._client is None or not self.is_connected:
            await self._connected.wait()
        return self._client

    async def publish(self, subject: str, payload: bytes) -> None:
        """Publish a message; what can't be sent is logged."""
        if self._client is None:
            return
        try:
            await self._client.publish(subject, payload)
        except (nats.errors.Error, OSError) as error:
            event(log, "nats_message_not_sent", level=logging.WARNING, subject=subject, reason=error)

    async def leave(self) -> None:
        """Send what is on its way, close the connection and make no new one."""
        self._is_leaving = True
        if self._client is not None and self.is_connected:
            try:
                await self._client.flush(timeout=2)
            except (nats.errors.Error, OSError) as error:
                event(log, "nats_not_flushed", level=logging.WARNING, purpose=self._purpose, reason=error)
            await self._client.close()

    async def _connect(self, client: Client, closed: asyncio.Event) -> None:
        async def on_closed() -> None:
            closed.set()

        access = self._access
        await client.connect(
            [url.strip() for url in access.urls.get_secret_value().split(",")],
            name=self._name,
            error_cb=self._say_waiting,
            closed_cb=on_closed,
            allow_reconnect=False,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_S,  # type: ignore[arg-type]  # slept for, so a fraction will do
            ping_interval=PING_S,
            tls=_tls(access),
            tls_handshake_first=access.tls_first,
            user_credentials=_credentials(access.creds),
        )

    async def _say_waiting(self, error: Exception) -> None:
        """Once per reason: it may be hours until the server is there."""
        reason = str(error) or type(error).__name__
        if reason != self._last_said:
            self._last_said = reason
            fields = {"url": self._access.urls_for_people(), "purpose": self._purpose, "reason": reason}
            event(log, "nats_connect_failed", level=logging.WARNING, **fields)


def _credentials(path: Path | None) -> RawCredentials | None:
    """Return the credentials as the file has them now. Raises ValueError for a file that is none."""
    return None if path is None else RawCredentials(read_credentials(path))


def _tls(access: Access) -> ssl.SSLContext | None:
    """TLS as the flags say; None leaves it to the URL and the server. Raises OSError for a file that isn't PEM."""
    if access.tls_ca is None and access.tls_cert is None:
        return None
    context = ssl.create_default_context(cafile=access.tls_ca)
    if access.tls_cert is not None:
        context.load_cert_chain(access.tls_cert, access.tls_key)
    return context
