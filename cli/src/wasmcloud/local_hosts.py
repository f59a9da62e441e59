"""The hosts of one `wasmcloud up`: processes of the real host, each with an HTTP address of its own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from wasmcloud_api.names import HostId

from wasmcloud.addresses import Address
from wasmcloud.children import Child, start_child

DRAIN_TIMEOUT_S = 1.0
"""How long a request in flight may take after Ctrl-C."""


@dataclass(frozen=True, slots=True)
class LocalHost:
    """A host process."""

    host_id: HostId
    address: Address
    child: Child


async def start_host(number: int, address: Address, *, nats_url: str, components: Path, folder: Path) -> LocalHost:
    """Start the host with that number, counted from 1. It joins when its first heartbeat is heard."""
    name = f"host-{number}"
    arguments = [
        *(sys.executable, "-m", "wasmcloud_host"),
        *("--host-id", name),
        *("--friendly-name", name),
        *("--http-addr", str(address)),
        *("--allow-file-images", str(components)),
        *("--allow-insecure-registry", "localhost", "--allow-insecure-registry", "127.0.0.1"),
        *("--oci-cache-dir", str(cache_folder())),
        *("--drain-timeout", str(DRAIN_TIMEOUT_S)),
        *("--log-format", "json"),
    ]
    environment = {"WASMCLOUD_HOST_SCHEDULER_NATS_URL": nats_url}
    child = await start_child(name, arguments, log=folder / f"{name}.log", is_read=True, environment=environment)
    return LocalHost(HostId(name), address, child)


def cache_folder() -> Path:
    """Return where pulled and compiled components stay from one run to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmcloud" / "host"
