"""NATS: heartbeats in, requests out, one connection that is made anew for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nats.errors
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg
from wasmcloud_api.nats_credentials import read_credentials
from wasmcloud_api.subjects import ALL_HEARTBEATS

from wasmcloud_operator.adapters.cancellation import raise_if_cancelled
from wasmcloud_operator.engine.ports import Disconnected, Hear, NoReply, NoResponders

_log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 1.0
_PING_INTERVAL_S: Final = 2
"""With two pings unanswered a dead link shows after 6 s: before hosts are taken for silent (10 s)."""
_FIRST_RETRY_S: Final = 0.1
_LONGEST_RETRY_S: Final = 2.0
_NO_RESPONDERS: Final = "503"


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """Where NATS is and how to log in. Files are read anew for every connection, so they may be rotated."""

    url: str
    """May hold a user and a password: never shown."""
    creds: Path | None = None
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    is_tls_first: bool = False
    name: str = "wasmcloud-operator"

    def __repr__(self) -> str:
        return f"NatsOptions(name={self.name!r})"


class NatsBus:
    """Implements the port Bus.

    All requests share one inbox, as nats-py's own do; theirs keeps a request waiting when the connection is lost,
    while here it fails at once, because our own disconnection must never look like a host's silence.

    nats-py swallows a cancellation that comes while it sends, so it is looked for after each call that sends.
    """

    def __init__(self, options: NatsOptions) -> None:
        self._options = options
        self._client: Client | None = None
        self._inbox = ""
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._sent_count = 0
        self._connection_count = 0

    async def run(self, hear: Hear) -> None:
        """See the port."""
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                async with self._connection(hear) as closed:
                    retry_s = _FIRST_RETRY_S
                    await closed.wait()
                _log.warning("nats_disconnected")
            except Exception as error:  # noqa: BLE001  # nats-py, ssl and nkeys share no base, and this never gives up
                raise_if_cancelled()
                _log.warning("nats_connect_failed", extra={"fields": {"error": _sentence(error), "retry_s": retry_s}})
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, _LONGEST_RETRY_S)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """See the port."""
        client = self._client
        if client is None or not client.is_connected:
            raise Disconnected("not connected to NATS")
        self._sent_count += 1
        token = str(self._sent_count)
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[token] = reply
        try:
            async with asyncio.timeout(timeout_s):
                await client.publish(subject, payload, reply=f"{self._inbox}.{token}")
                raise_if_cancelled()
                return await reply
        except TimeoutError:
            raise NoReply(f"no reply on {subject} within {timeout_s:g} s") from None
        except nats.errors.MaxPayloadError:
            raise NoReply(f"the request on {subject} is larger than NATS' max_payload") from None
        except (OSError, nats.errors.Error):
            raise Disconnected("the connection to NATS was lost") from None
        finally:
            del self._waiting[token]

    def is_connected(self) -> bool:
        """See the port."""
        return self._client is not None and self._client.is_connected

    def connection_count(self) -> int:
        """See the port."""
        return self._connection_count

    @contextlib.asynccontextmanager
    async def _connection(self, hear: Hear) -> AsyncIterator[asyncio.Event]:
        """Connect and subscribe. Gives an event that is set when the connection is gone."""
        login = _login(self._options)
        client, closed = Client(), asyncio.Event()
        causes: list[Exception] = []

        async def on_error(error: Exception) -> None:
            causes.append(error)
            if client.is_connected:
                _log.warning("nats_error", extra={"fields": {"error": _sentence(error)}})

        async def on_closed() -> None:
            self._fail_waiting()
            closed.set()

        async def on_heartbeat(message: Msg) -> None:
            hear(message.subject.rpartition(".")[2], message.data)

        try:
            callbacks = {"error_cb": on_error, "disconnected_cb": on_closed, "closed_cb": on_closed}
            await self._connect(client, causes, **login, **callbacks)
            self._inbox = client.new_inbox()
            await client.subscribe(f"{self._inbox}.*", cb=self._on_reply)
            await client.subscribe(ALL_HEARTBEATS, cb=on_heartbeat)
            await client.flush()
            raise_if_cancelled()
            self._client = client
            self._connection_count += 1
            _log.info("nats_connected", extra={"fields": {"server": _address(client)}})
            yield closed
        finally:
            self._client = None
            self._fail_waiting()
            await _close(client)

    async def _connect(self, client: Client, causes: list[Exception], **further: Any) -> None:
        """Connect once: waiting and trying again is ``run``'s, so that files are read and names resolved anew."""
        options = self._options
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await client.connect(
                    [url.strip() for url in options.url.split(",")],
                    name=options.name,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    ping_interval=_PING_INTERVAL_S,
                    max_outstanding_pings=2,
                    tls_handshake_first=options.is_tls_first,
                    **further,
                )
        except nats.errors.NoServersError as error:
            raise causes[-1] if causes else error from None

    async def _on_reply(self, message: Msg) -> None:
        reply = self._waiting.get(message.subject.rpartition(".")[2])
        if reply is None or reply.done():
            return
        if message.headers and message.headers.get("Status") == _NO_RESPONDERS:
            reply.set_exception(NoResponders("nobody listens on the subject"))
        else:
            reply.set_result(message.data)

    def _fail_waiting(self) -> None:
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(Disconnected("the connection to NATS was lost"))


async def _close(client: Client) -> None:
    """Close the connection; after a failed TLS handshake asyncio waits for ever for the end of a closed socket."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await client.close()


def _login(options: NatsOptions) -> dict[str, Any]:
    """Return what the files come to, for `Client.connect`. Raises OSError or ValueError for one that can't be used."""
    credentials = None if options.creds is None else RawCredentials(read_credentials(options.creds))
    return {"tls": _tls(options), "user_credentials": credentials}


def _tls(options: NatsOptions) -> ssl.SSLContext | None:
    """Return the TLS context that the files ask for; None leaves it to the URL's scheme and the server."""
    if options.ca is None and options.client_cert is None and not options.is_tls_first:
        return None
    context = ssl.create_default_context(cafile=options.ca)
    if options.client_cert is not None:
        context.load_cert_chain(options.client_cert, options.client_key)
    return context


def _address(client: Client) -> str:
    """Return the server's address without the user and password that its URL may hold."""
    url = client.connected_url
    return f"{url.hostname}:{url.port}" if url is not None else ""


def _sentence(error: Exception) -> str:
    """Describe an error of the connection; nats-py's and the system's texts name addresses, never credentials."""
    return str(error) or type(error).__name__
