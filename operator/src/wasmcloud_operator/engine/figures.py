"""How much there is of what at one moment; an adapter shows it as gauges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.model.keys import Kind


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of objects, and whether this operator is the one that acts on them."""

    is_leading: bool
    queue_depth: int
    """Objects that wait to be looked at."""
    hosts: Mapping[tuple[str, str], int]
    """Hosts by state (Live, Draining, Unknown, Lost) and environment."""
    workloads: Mapping[str, int]
    """Workloads by the phase in their status."""
    refused: Mapping[str, bool]
    """The namespaces that are watched, and whether the API server refuses them."""


def figures_of(context: Context) -> Figures:
    """Count what the engine knows."""
    hosts: Counter[tuple[str, str]] = Counter()
    for member in context.fleet.members():
        view = member.view
        state = "Draining" if view is not None and view.is_draining else member.liveness.value
        hosts[state, view.environment if view is not None else ""] += 1
    phases = (str(view.status.get("phase") or "Pending") for view in context.store.every(Kind.WORKLOAD))
    return Figures(
        is_leading=context.leadership.is_held(),
        queue_depth=context.queue.depth(),
        hosts=hosts,
        workloads=Counter(phases),
        refused=context.namespaces.refused(),
    )
