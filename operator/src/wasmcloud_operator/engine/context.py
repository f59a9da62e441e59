"""What every reconciler works with."""

from __future__ import annotations

from dataclasses import dataclass

from wasmcloud_operator.engine.apply import Apply
from wasmcloud_operator.engine.commands import Commands
from wasmcloud_operator.engine.fleet import Fleet
from wasmcloud_operator.engine.leadership import Leadership
from wasmcloud_operator.engine.measure import Measure
from wasmcloud_operator.engine.namespaces import Namespaces
from wasmcloud_operator.engine.options import Options
from wasmcloud_operator.engine.placements import Placements
from wasmcloud_operator.engine.ports import Clock
from wasmcloud_operator.engine.queue import Queue
from wasmcloud_operator.engine.statuses import Statuses
from wasmcloud_operator.engine.store import Store
from wasmcloud_operator.engine.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the engine that its reconcilers share."""

    options: Options
    clock: Clock
    measure: Measure
    leadership: Leadership
    tasks: Tasks
    namespaces: Namespaces
    store: Store
    queue: Queue
    apply: Apply
    statuses: Statuses
    fleet: Fleet
    placements: Placements
    commands: Commands
