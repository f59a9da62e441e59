"""The hosts of one `wasmcloud up`: processes of the real host, each with an HTTP address of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wasmcloud_api.names import HostId

from wasmcloud.addresses import Address
from wasmcloud.children import Child, start_child

_DRAIN_TIMEOUT_S = 1.0
"""How long a request in flight may take after Ctrl-C."""
_HEARTBEAT_INTERVAL_S = 0.2
"""A host may be up before the operator listens; its next heartbeat is then what makes it known."""
_STOP_WITHIN_S = _DRAIN_TIMEOUT_S + 9.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every host of a run is told alike."""

    nats_url: str = field(repr=False)
    components: Path
    """The one folder that images may be files of."""
    insecure_registries: Sequence[str]
    logs: Path


@dataclass(frozen=True, slots=True)
class LocalHost:
    """A host process."""

    host_id: HostId
    address: Address
    child: Child


@asynccontextmanager
async def running_hosts(addresses: Sequence[Address], surroundings: Surroundings) -> AsyncIterator[Sequence[LocalHost]]:
    """Start a host for each address, and stop them all in the end. A host joins with its first heartbeat."""
    hosts: list[LocalHost] = []
    try:
        for number, address in enumerate(addresses, start=1):
            hosts.append(await _start(HostId(f"host-{number}"), address, surroundings))
        yield hosts
    finally:
        await asyncio.gather(*(host.child.stop(_STOP_WITHIN_S) for host in hosts))


async def _start(host_id: HostId, address: Address, surroundings: Surroundings) -> LocalHost:
    arguments = [
        *(sys.executable, "-m", "wasmcloud_host"),
        *("--host-id", host_id),
        *("--friendly-name", host_id),
        *("--http-addr", str(address)),
        *("--allow-file-images", str(surroundings.components)),
        *(part for registry in surroundings.insecure_registries for part in ("--allow-insecure-registry", registry)),
        *("--oci-cache-dir", str(_cache_folder())),
        *("--heartbeat-interval", str(_HEARTBEAT_INTERVAL_S)),
        *("--drain-timeout", str(_DRAIN_TIMEOUT_S)),
        *("--log-format", "json"),
    ]
    child = await start_child(
        host_id,
        arguments,
        log=surroundings.logs / f"{host_id}.log",
        is_read=True,
        # Not a flag: other users can see command lines.
        environment={
            "WASMCLOUD_HOST_SCHEDULER_NATS_URL": surroundings.nats_url,
            "WASMCLOUD_HOST_DATA_NATS_URL": surroundings.nats_url,
        },
    )
    return LocalHost(host_id, address, child)


def _cache_folder() -> Path:
    """Return where pulled and compiled components stay from one run to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmcloud" / "host"
