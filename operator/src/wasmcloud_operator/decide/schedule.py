"""Where a workload goes: filters, then scores, then a total order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import Environment, HostId

from wasmcloud_operator.decide.demand import Demand, missing_interface
from wasmcloud_operator.decide.spread import Spread
from wasmcloud_operator.model.hosts import HostView


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's settings that placing goes by. Thresholds in percent."""

    allow_shared_hosts: bool = True
    cpu_backpressure_percent: float = 80.0
    memory_backpressure_percent: float = 80.0


@dataclass(frozen=True, slots=True)
class Load:
    """What was placed on a host already."""

    workload_count: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host, and whether it answers."""

    view: HostView
    is_live: bool = True


@dataclass(frozen=True)
class Scene:
    """All that placing looks at beside the workload itself. ``peers`` counts the replicas of its own group by host."""

    hosts: Sequence[Candidate]
    loads: Mapping[HostId, Load] = field(default_factory=dict)
    peers: Mapping[HostId, int] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True, order=True)
class Obstacle:
    """Why a host can't take a workload: ``one`` and ``many`` end the sentence that a count begins."""

    rank: int
    reason: Reason
    one: str
    many: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """No host can take the workload, and why."""

    reason: Reason
    message: str


_Score = tuple[bool, int, int, int, int, HostId]
"""The least is the best: no pressure, fewest peers, emptiest domain, fewest workloads, most memory, then the id."""

NOT_READY = Obstacle(0, Reason.NO_MATCHING_HOST, "is not ready", "are not ready")
DRAINING = Obstacle(1, Reason.HOST_DRAINING, "is draining", "are draining")


def place(demand: Demand, scene: Scene, *, avoid: frozenset[HostId] = frozenset()) -> HostId | Unfit:
    """Return the best host for one workload; hosts in ``avoid`` are taken only where no other fits."""
    if avoid:
        rest = [candidate for candidate in scene.hosts if candidate.view.host_id not in avoid]
        chosen, _ = place_many(demand, 1, Scene(rest, scene.loads, scene.peers, scene.rules))
        if chosen:
            return chosen[0]
    chosen, unfit = place_many(demand, 1, scene)
    return chosen[0] if unfit is None else unfit


def place_many(demand: Demand, count: int, scene: Scene) -> tuple[list[HostId], Unfit | None]:
    """Return hosts for ``count`` equal workloads, one each, and why the rest fits nowhere if there is a rest."""
    denied = _denied(demand, scene.rules)
    if denied is not None:
        return [], denied
    found = [(c.view, _fixed_obstacle(demand, c, scene.rules)) for c in scene.hosts]
    able = [view for view, obstacle in found if obstacle is None]
    blocked = [obstacle for _, obstacle in found if obstacle is not None]
    board = _Board(demand, able, scene)
    chosen: list[HostId] = []
    for _ in range(count):
        best = board.take()
        if best is None:
            return chosen, _unfit(demand, [*blocked, *board.full.values()], scene)
        chosen.append(best)
    return chosen, None


class _Board:
    """The hosts that can take a workload, scored. One taken changes its own score, and others' only by a spread."""

    def __init__(self, demand: Demand, able: Sequence[HostView], scene: Scene) -> None:
        self._demand = demand
        self._views = {view.host_id: view for view in able}
        self._rules = scene.rules
        self._spread = Spread.over(demand.spread, able, scene.peers)
        self._loads, self._peers = dict(scene.loads), dict(scene.peers)
        self._scores: dict[HostId, _Score] = {}
        self.full: dict[HostId, Obstacle] = {}
        for host_id, view in self._views.items():
            self._rate(host_id, view)

    def take(self) -> HostId | None:
        """Return the best host with one more workload on it; None when all are full."""
        if not self._scores:
            return None
        host_id = min(self._scores.values())[-1]
        load = self._loads.get(host_id, Load())
        self._loads[host_id] = Load(load.workload_count + 1, load.memory_bytes + self._demand.memory_bytes)
        self._peers[host_id] = self._peers.get(host_id, 0) + 1
        self._spread.add(self._views[host_id])
        for changed in self._views if self._spread.constraints else (host_id,):
            self._rate(changed, self._views[changed])
        return host_id

    def _rate(self, host_id: HostId, view: HostView) -> None:
        load = self._loads.get(host_id, Load())
        obstacle = _room_obstacle(self._demand, view, load, self._spread)
        if obstacle is not None:
            self.full[host_id] = obstacle
            self._scores.pop(host_id, None)
            return
        self.full.pop(host_id, None)
        self._scores[host_id] = (
            is_under_pressure(view, self._rules),
            self._peers.get(host_id, 0),
            self._spread.crowd(view),
            load.workload_count,
            -view.beat.system_memory_free,
            host_id,
        )


def is_under_pressure(host: HostView, rules: Rules) -> bool:
    """Whether a host is so busy that another that fits is taken instead."""
    return (
        host.beat.system_cpu_usage > rules.cpu_backpressure_percent
        or host.memory_used_percent > rules.memory_backpressure_percent
    )


def _denied(demand: Demand, rules: Rules) -> Unfit | None:
    wanted = demand.environment
    if rules.allow_shared_hosts or not wanted or wanted == demand.namespace:
        return None
    message = (
        f'the environment "{wanted}" is not the workload\'s namespace "{demand.namespace}", '
        "and this operator does not share hosts between namespaces"
    )
    return Unfit(Reason.ENVIRONMENT_DENIED, message)


def _fixed_obstacle(demand: Demand, candidate: Candidate, rules: Rules) -> Obstacle | None:
    """Return why this host is out, whatever else runs on it."""
    host = candidate.view
    if not candidate.is_live:
        return NOT_READY
    if host.is_draining:
        return DRAINING
    if demand.pin is not None and host.host_id != demand.pin:
        text = f'not the host "{demand.pin}" that the workload is pinned to'
        return Obstacle(2, Reason.HOST_PIN_UNAVAILABLE, f"is {text}", f"are {text}")
    environment = demand.environment or ("" if rules.allow_shared_hosts else Environment(demand.namespace))
    if environment and host.environment != environment:
        text = f'in another environment (want "{environment}")'
        return Obstacle(3, Reason.NO_MATCHING_HOST, f"is {text}", f"are {text}")
    for key, value in sorted(demand.selector.items()):
        if host.beat.labels.get(key) != value:
            return Obstacle(4, Reason.NO_MATCHING_HOST, f"lacks label {key}={value}", f"lack label {key}={value}")
    missing = missing_interface(demand, host)
    if missing is not None:
        return Obstacle(5, Reason.INTERFACE_UNAVAILABLE, f"lacks interface {missing}", f"lack interface {missing}")
    return None


def _room_obstacle(demand: Demand, host: HostView, load: Load, spread: Spread) -> Obstacle | None:
    """Return why this host is out because of what runs on it or beside it."""
    if host.max_workloads is not None and load.workload_count >= host.max_workloads:
        return Obstacle(6, Reason.INSUFFICIENT_CAPACITY, "has all its workloads", "have all their workloads")
    if demand.memory_bytes and demand.memory_bytes > _free_bytes(host, load):
        text = f"too little free memory (want {demand.memory_bytes >> 20} MiB)"
        return Obstacle(7, Reason.INSUFFICIENT_CAPACITY, f"has {text}", f"have {text}")
    broken = spread.broken_by(host)
    if broken is not None:
        text = f"break the spread over label {broken}"
        return Obstacle(8, Reason.NO_MATCHING_HOST, f"would {text}", f"would {text}")
    return None


def _free_bytes(host: HostView, load: Load) -> int:
    """Return the memory that limits may still ask for: what is free now, less what was promised and isn't used yet."""
    if not host.beat.system_memory_total:
        return 1 << 62
    return min(host.beat.system_memory_free, host.beat.system_memory_total - load.memory_bytes)


def _unfit(demand: Demand, obstacles: Iterable[Obstacle], scene: Scene) -> Unfit:
    counts = Counter(obstacles)
    total = len(scene.hosts)
    if not total:
        return Unfit(Reason.NO_HOSTS, "no host has joined the operator")
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    causes = ", ".join(f"{count} {o.one if count == 1 else o.many}" for o, count in ordered)
    hosts = "host fits" if total == 1 else "hosts fit"
    return Unfit(_reason(demand, counts), f"0 of {total} {hosts}: {causes}")


def _reason(demand: Demand, counts: Mapping[Obstacle, int]) -> Reason:
    """Return the reason of the hosts that came closest to fitting: those that failed at the latest filter."""
    if demand.pin is not None:
        return Reason.HOST_PIN_UNAVAILABLE
    closest = max(counts)
    return Reason.NO_MATCHING_HOST if closest == DRAINING else closest.reason
