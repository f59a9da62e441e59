"""Topology spread: how many replicas are in each domain of hosts, and which host would make it uneven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wasmcloud_api.crds import TopologySpreadConstraint, WhenUnsatisfiable
from wasmcloud_api.names import HostId

from wasmcloud_operator.model.hosts import HostView


@dataclass(slots=True)
class Spread:
    """Replicas by domain, a table for each constraint. Grows while replicas of one batch are placed."""

    constraints: tuple[TopologySpreadConstraint, ...]
    counts: list[dict[str, int]]

    @classmethod
    def over(
        cls, constraints: tuple[TopologySpreadConstraint, ...], hosts: Sequence[HostView], peers: Mapping[HostId, int]
    ) -> Spread:
        """Return the spread of the replicas counted in ``peers`` over the hosts that may take another."""
        counts: list[dict[str, int]] = []
        for constraint in constraints:
            table: dict[str, int] = {}
            for host in hosts:
                domain = host.beat.labels.get(constraint.topology_key)
                if domain is not None:
                    table[domain] = table.get(domain, 0) + peers.get(host.host_id, 0)
            counts.append(table)
        return cls(constraints, counts)

    def broken_by(self, host: HostView) -> str | None:
        """Return the label of the first DoNotSchedule constraint that one more replica on the host would break."""
        for constraint, table in zip(self.constraints, self.counts, strict=True):
            if constraint.when_unsatisfiable is not WhenUnsatisfiable.DO_NOT_SCHEDULE:
                continue
            domain = host.beat.labels.get(constraint.topology_key)
            if domain is None or table[domain] + 1 - min(table.values()) > constraint.max_skew:
                return constraint.topology_key
        return None

    def crowd(self, host: HostView) -> int:
        """Return how many replicas the host's domains hold; a host without a label counts as the fullest domain."""
        total = 0
        for constraint, table in zip(self.constraints, self.counts, strict=True):
            domain = host.beat.labels.get(constraint.topology_key)
            total += table[domain] if domain is not None else max(table.values(), default=0)
        return total

    def add(self, host: HostView) -> None:
        """Count one more replica on a host."""
        for constraint, table in zip(self.constraints, self.counts, strict=True):
            domain = host.beat.labels.get(constraint.topology_key)
            if domain is not None:
                table[domain] += 1
