"""A host as its last heartbeat describes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from wasmcloud_api.names import DRAINING_LABEL, MAX_WORKLOADS_LABEL, Environment, HostId, HostName
from wasmcloud_api.wire import HostHeartbeat


class Liveness(StrEnum):
    """What is known about a host's connection."""

    LIVE = "Live"
    UNKNOWN = "Unknown"
    """On record, but not heard since this operator, or its connection, started. Not judged yet."""
    LOST = "Lost"


@dataclass(frozen=True)
class HostView:
    """A host by its last heartbeat: what placing looks at."""

    beat: HostHeartbeat

    @cached_property
    def host_id(self) -> HostId:
        """The host's id on the wire."""
        return HostId(self.beat.id)

    @property
    def name(self) -> HostName:
        """The name of its Host object."""
        return HostName(self.beat.friendly_name)

    @property
    def environment(self) -> Environment:
        """The tenant it serves; empty for a shared host."""
        return Environment(self.beat.environment)

    @cached_property
    def is_draining(self) -> bool:
        """Whether it wants to be rid of its workloads."""
        return self.beat.labels.get(DRAINING_LABEL) == "true"

    @cached_property
    def max_workloads(self) -> int | None:
        """How many workloads it takes at most; None for any number."""
        text = self.beat.labels.get(MAX_WORKLOADS_LABEL, "")
        return int(text) if text.isdecimal() else None

    @cached_property
    def memory_used_percent(self) -> float:
        """Used memory in percent; 0 when the host doesn't say."""
        total = self.beat.system_memory_total
        return 100.0 * (total - self.beat.system_memory_free) / total if total else 0.0

    @cached_property
    def offers(self) -> frozenset[tuple[str, str, str, str]]:
        """The interfaces it reports, as (namespace, package, interface, version)."""
        every = (*self.beat.imports, *self.beat.exports)
        return frozenset((w.namespace, w.package, name, w.version) for w in every for name in w.interfaces)
