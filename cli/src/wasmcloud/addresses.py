"""The HTTP addresses of the local hosts."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass

from wasmcloud.complaints import BadInput, CannotRun

_EXAMPLE = "127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a host listens for HTTP."""

    ip: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    def __str__(self) -> str:
        return f"{_bracketed(self.ip)}:{self.port}"

    @property
    def reachable(self) -> str:
        """The address to put into a URL: an address that means every interface is reached over loopback."""
        if not self.ip.is_unspecified:
            return str(self)
        return f"127.0.0.1:{self.port}" if self.ip.version == 4 else f"[::1]:{self.port}"


def host_addresses(text: str, count: int) -> list[Address]:
    """Return the address that `--http` gives for the first host, then one port higher for each further host.

    Raises BadInput when it isn't an IP address with a port, or when the ports would pass 65535.
    """
    place, colon, port_text = text.rpartition(":")
    try:
        ip = ipaddress.ip_address(place.removeprefix("[").removesuffix("]") if place != "localhost" else "127.0.0.1")
        port = int(port_text) if colon and port_text.isascii() and port_text.isdigit() else -1
    except ValueError:
        ip, port = ipaddress.IPv4Address("127.0.0.1"), -1
    if not 1 <= port <= 65535:
        raise BadInput(f'--http wants an IP address and a port from 1 to 65535, such as {_EXAMPLE}, not "{text}".')
    if port + count - 1 > 65535:
        raise BadInput(f"{count} hosts starting at port {port} would need ports above 65535.")
    return [Address(ip, port + number) for number in range(count)]


def require_free(addresses: list[Address]) -> None:
    """Raise CannotRun unless every address can be listened on."""
    for address in addresses:
        family = socket.AF_INET if address.ip.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            # As the host does: TIME_WAIT is no hindrance.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((str(address.ip), address.port))
                listener.listen(1)
            except OSError as error:
                raise CannotRun(_why(address, error)) from None


def _why(address: Address, error: OSError) -> str:
    ip = _bracketed(address.ip)
    if error.errno == errno.EADDRINUSE:
        return f"Port {address.port} is taken by another program on {address.ip}; choose another with --http {ip}:PORT."
    if error.errno == errno.EACCES:
        return f"Port {address.port} needs more rights than you have; choose one from 1024 up with --http {ip}:PORT."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address.ip} is no address of this machine; choose another with --http, such as {_EXAMPLE}."
    return f"{address} can't be listened on: {error.strerror or error}."


def _bracketed(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return str(ip) if ip.version == 4 else f"[{ip}]"
