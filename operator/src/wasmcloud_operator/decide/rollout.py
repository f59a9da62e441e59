"""How a deployment goes from old replica sets to the one of its present template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wasmcloud_api.crds import DeployPolicy, WorkloadDeploymentSpec

from wasmcloud_operator.model.views import ReplicaSetView


@dataclass(frozen=True)
class SetState:
    """A replica set and its Workloads, counted. Those that are being deleted count as existing only."""

    view: ReplicaSetView
    existing_count: int = 0
    ready_count: int = 0
    available_count: int = 0

    @property
    def wanted(self) -> int:
        """Replicas it was asked for."""
        return self.view.spec.replicas

    @property
    def size(self) -> int:
        """Replicas it may have running, now or soon."""
        return max(self.wanted, self.existing_count)

    @property
    def lasting_count(self) -> int:
        """Available replicas that stay when the set has shrunk to what it was asked for."""
        return min(self.available_count, self.wanted)


@dataclass(frozen=True)
class Bounds:
    """How far a rollout may leave the wanted number of replicas."""

    surge: int
    unavailable: int


@dataclass(frozen=True)
class Rescale:
    """A replica set that gets another number of replicas."""

    view: ReplicaSetView
    replicas: int


@dataclass(frozen=True)
class RolloutPlan:
    """What changes. ``create`` is the first size of the present template's set, None where it isn't made now."""

    create: int | None = None
    rescale: tuple[Rescale, ...] = ()
    delete: tuple[ReplicaSetView, ...] = ()


def bounds(spec: WorkloadDeploymentSpec) -> Bounds:
    """Return the bounds in replicas: surge rounded up, unavailable rounded down, and never both 0."""
    surge = _count(spec.rolling_update.max_surge, spec.replicas, round_up=True)
    unavailable = min(spec.replicas, _count(spec.rolling_update.max_unavailable, spec.replicas, round_up=False))
    return Bounds(surge, unavailable) if surge or unavailable else Bounds(0, 1)


def _count(value: int | str, total: int, *, round_up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total / 100
    return math.ceil(share) if round_up else math.floor(share)


def plan_rollout(spec: WorkloadDeploymentSpec, current: SetState | None, old: Sequence[SetState]) -> RolloutPlan:
    """Return the next moves; ``current`` is the set of the present template, None while there is none."""
    if spec.paused:
        return RolloutPlan(rescale=_scale_while_paused(spec.replicas, current, old))
    delete = _beyond_history(spec.revision_history_limit, old)
    kept = [state for state in old if state.view not in delete]
    if spec.deploy_policy is DeployPolicy.RECREATE:
        new, shrunk = _recreate(spec.replicas, kept)
    else:
        new, shrunk = _rolling(spec, current, kept)
    rescale = [Rescale(state.view, count) for state, count in shrunk if count != state.wanted]
    if current is None:
        return RolloutPlan(new, tuple(rescale), delete)
    if new is not None and new != current.wanted:
        rescale.append(Rescale(current.view, new))
    return RolloutPlan(None, tuple(rescale), delete)


def _recreate(replicas: int, old: Sequence[SetState]) -> tuple[int | None, list[tuple[SetState, int]]]:
    is_clear = not any(state.size for state in old)
    return (replicas if is_clear else None), [(state, 0) for state in old]


def _rolling(
    spec: WorkloadDeploymentSpec, current: SetState | None, old: Sequence[SetState]
) -> tuple[int, list[tuple[SetState, int]]]:
    limit = bounds(spec)
    wanted, lasting = (current.wanted, current.lasting_count) if current else (0, 0)
    total = (current.size if current else 0) + sum(state.size for state in old)
    room = max(0, spec.replicas + limit.surge - total)
    grown = min(spec.replicas, wanted + room)
    shrunk = _shrink(spec.replicas - limit.unavailable, current, old)
    excess = grown + sum(size for _, size in shrunk) - spec.replicas - limit.surge
    spare = max(0, min(excess, grown - max(lasting, limit.surge, 1)))
    return grown - spare, _without_idle(shrunk, excess - spare)


def _without_idle(sizes: list[tuple[SetState, int]], excess: int) -> list[tuple[SetState, int]]:
    """Return the sizes less up to ``excess`` replicas that don't serve: a smaller wish in the middle of a rollout."""
    smaller: list[tuple[SetState, int]] = []
    for state, size in sizes:
        idle = max(0, min(excess, size - state.lasting_count))
        smaller.append((state, size - idle))
        excess -= idle
    return smaller


def _shrink(least_available: int, current: SetState | None, old: Sequence[SetState]) -> list[tuple[SetState, int]]:
    """Return the old sets with their new sizes: replicas that don't serve go first, then what others replace.

    Replicas of the new set that aren't available yet are counted out, so that old ones that just lost their host
    aren't given up for a new version that may never start.
    """
    ordered = sorted(old, key=lambda state: (state.view.revision, state.view.meta.created_s, state.view.meta.key))
    sizes = [state.wanted for state in ordered]
    wanted, lasting = (current.wanted, current.lasting_count) if current else (0, 0)
    spare = sum(sizes) + wanted - least_available - (wanted - lasting)
    for index, state in enumerate(ordered):
        idle = max(0, min(spare, state.wanted - state.lasting_count))
        sizes[index] -= idle
        spare -= idle
    available = lasting + sum(state.lasting_count for state in ordered)
    spare = available - least_available
    for index, state in enumerate(ordered):
        replaced = max(0, min(spare, sizes[index], state.lasting_count))
        sizes[index] -= replaced
        spare -= replaced
    return list(zip(ordered, sizes, strict=True))


def _scale_while_paused(replicas: int, current: SetState | None, old: Sequence[SetState]) -> tuple[Rescale, ...]:
    """Return the set that takes the difference while no rollout goes on: the largest, so that shares change least."""
    sets = [*([current] if current else []), *old]
    if not sets:
        return ()
    difference = replicas - sum(state.wanted for state in sets)
    largest = max(sets, key=lambda state: (state.wanted, state.view.revision, state.view.meta.key))
    count = max(0, largest.wanted + difference)
    return (Rescale(largest.view, count),) if count != largest.wanted else ()


def _beyond_history(limit: int, old: Sequence[SetState]) -> tuple[ReplicaSetView, ...]:
    idle = [state.view for state in old if not state.size]
    idle.sort(key=lambda view: (view.revision, view.meta.created_s, view.meta.key))
    return tuple(idle[: max(0, len(idle) - limit)])


def next_revision(sets: Sequence[ReplicaSetView]) -> int:
    """Return the revision of a template that becomes the present one now."""
    return max((view.revision for view in sets), default=0) + 1
