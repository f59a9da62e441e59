"""The operator in this process: the same engine as on Kubernetes, on the memory store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wasmcloud_api.logs import configure
from wasmcloud_operator.adapters.memory_store import MemoryStore
from wasmcloud_operator.adapters.nats_bus import NatsBus, NatsOptions
from wasmcloud_operator.adapters.system_clock import SystemClock
from wasmcloud_operator.decide.references import Credentials
from wasmcloud_operator.decide.schedule import Rules
from wasmcloud_operator.engine.engine import Engine
from wasmcloud_operator.engine.options import Options

if TYPE_CHECKING:
    from wasmcloud_operator.adapters.oci_registry import OciRegistry

_HOST_NAMESPACE = "wasmcloud"
_CONFIG_INTERVAL_S = 0.5
"""Reading ConfigMaps and Secrets again costs nothing here, so a changed one rolls in at once."""
_RULES = Rules(cpu_backpressure_percent=100, memory_backpressure_percent=100)
"""All hosts are on this machine, so one that seems busier than another has only looked a moment later."""


class _Registry:
    """The port Registry, imported when an Artifact asks: oras takes a fifth of the start, and few runs need it."""

    def __init__(self, insecure: Sequence[str]) -> None:
        self._insecure = insecure
        self._real: OciRegistry | None = None

    async def digest(self, image: str, credentials: Credentials | None) -> str:
        """See the port."""
        if self._real is None:
            from wasmcloud_operator.adapters.oci_registry import OciRegistry  # noqa: PLC0415

            self._real = OciRegistry(self._insecure)
        return await self._real.digest(image, credentials)

    def close(self) -> None:
        """Ask nothing more."""
        if self._real is not None:
            self._real.close()


class ControlPlane:
    """The store and the engine that works on it."""

    def __init__(self, nats_url: str, *, insecure_registries: Sequence[str], log: Path) -> None:
        """Build both; what they log goes to the file ``log``. ``insecure_registries`` are asked in plain HTTP."""
        _log_to(log)
        clock = SystemClock()
        self.store = MemoryStore(clock)
        self._registry = _Registry(insecure_registries)
        self._engine = Engine(
            self.store,
            self.store,
            NatsBus(NatsOptions(nats_url)),
            self._registry,
            clock,
            Options(host_namespace=_HOST_NAMESPACE, rules=_RULES, config_interval_s=_CONFIG_INTERVAL_S),
        )

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            await self._engine.run()
        finally:
            self._registry.close()


def _log_to(log: Path) -> None:
    configure("text", "wasmcloud_operator")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(log.open("a"))
