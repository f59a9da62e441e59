"""Health and metrics over HTTP, on threads of their own: they answer, too, when the event loop hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv6Address, ip_address
from socket import AddressFamily
from typing import Final

PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer: what is said, and whether all is well."""

    text: bytes
    is_well: bool = True
    content_type: str = PLAIN


class WebServer:
    """Serves GET on a few paths. Pages are made on the server's threads, so they must be safe there."""

    def __init__(self, address: str, pages: Mapping[str, Callable[[], Page]]) -> None:
        """Bind. Raises OSError when the address can't be had."""
        host, _, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")

        class Server(ThreadingHTTPServer):
            address_family = AddressFamily.AF_INET6 if _is_ipv6(host) else AddressFamily.AF_INET
            daemon_threads = True

        self._server = Server((host, int(port)), _handler(pages))
        self._thread = threading.Thread(target=self._server.serve_forever, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End the listener; returns when it has ended."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _is_ipv6(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv6Address)
    except ValueError:
        return False


def _handler(pages: Mapping[str, Callable[[], Page]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                self._send(HTTPStatus.NOT_FOUND, Page(f"there is {', '.join(pages)}\n".encode()))
                return
            made = page()
            self._send(HTTPStatus.OK if made.is_well else HTTPStatus.SERVICE_UNAVAILABLE, made)

        def _send(self, status: HTTPStatus, page: Page) -> None:
            self.send_response(status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.text)))
            self.end_headers()
            self.wfile.write(page.text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Probes every few seconds are no news."""

    return Handler
