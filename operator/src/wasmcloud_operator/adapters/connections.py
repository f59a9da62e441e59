"""Connections to the API server that end when they are closed, not when the server has said farewell."""

from __future__ import annotations

import asyncio
import socket
import ssl
import weakref
from contextlib import suppress
from typing import Final

import aiohttp
from aiohttp.connector import AddrInfoType

_CLOSE_WITHIN_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.001


class Connections(aiohttp.TCPConnector):
    """aiohttp's connections, all of them gone when ``close`` returns.

    aiohttp forgets a connection whose call was cancelled, while asyncio still exchanges TLS' closing messages on it;
    a loop that ends meanwhile leaves its socket open.
    """

    def __init__(self, *, limit: int, tls: ssl.SSLContext, keepalive_s: float) -> None:
        super().__init__(limit=limit, ssl=tls, keepalive_timeout=keepalive_s, socket_factory=self._opened)
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def _opened(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        opened = socket.socket(family=family, type=kind, proto=protocol)
        self._sockets.add(opened)
        return opened

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close all connections, and cut those that are still saying farewell."""
        await super().close(abort_ssl=abort_ssl)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                while left := [one for one in self._sockets if one.fileno() >= 0]:
                    for one in left:
                        with suppress(OSError):
                            one.shutdown(socket.SHUT_RDWR)
                    await asyncio.sleep(_LOOK_EVERY_S)
