"""What the status of a deployment says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wasmcloud_api.conditions import DeploymentCondition, Reason
from wasmcloud_api.names import DEPLOYMENT_LABEL

from wasmcloud_operator.decide.rollout import SetState, bounds
from wasmcloud_operator.decide.status import readiness
from wasmcloud_operator.model.conditions import Condition, fails, holds, merge_conditions
from wasmcloud_operator.model.views import DeploymentView, WorkloadView


@dataclass(frozen=True)
class Problem:
    """Something that keeps a deployment from having a set for its present template."""

    condition: DeploymentCondition
    reason: Reason
    message: str


@dataclass(frozen=True)
class DeploymentFacts:
    """What is known when the status of a deployment is written. ``stalled_s`` is how long a rollout stood still."""

    view: DeploymentView
    current: SetState | None
    old: Sequence[SetState]
    workloads: Sequence[WorkloadView]
    problem: Problem | None = None
    stalled_s: float = 0.0

    @property
    def sets(self) -> list[SetState]:
        """All sets of the deployment."""
        return [*([self.current] if self.current else []), *self.old]


def deployment_status(facts: DeploymentFacts, *, now_s: float) -> dict[str, Any]:
    """Return the whole status of a deployment. ``now_s`` is seconds since the epoch."""
    view, current = facts.view, facts.current
    meta, wanted = view.meta, view.spec.replicas
    ready = sum(state.ready_count for state in facts.sets)
    status: dict[str, Any] = {
        "replicas": {
            "expected": wanted,
            "current": sum(state.existing_count for state in facts.sets),
            "ready": ready,
            "unavailable": max(0, wanted - ready),
        },
        "currentReplicas": current.existing_count if current else 0,
        "updatedReplicas": current.existing_count if current else 0,
        "selector": f"{DEPLOYMENT_LABEL}={meta.key.name}",
        "observedGeneration": meta.generation,
        "conditions": merge_conditions(view.conditions, _conditions(facts), generation=meta.generation, now_s=now_s),
    }
    if current is not None:
        status |= {"currentReplicaSet": {"name": current.view.meta.key.name}, "revision": current.view.revision}
        status |= _previous(view.status, current, facts.old)
    return status


def _previous(old_status: Mapping[str, Any], current: SetState, old: Sequence[SetState]) -> dict[str, Any]:
    earlier = [state.view for state in old if state.view.revision < current.view.revision]
    if not earlier:
        return {"previousReplicaSet": None} if old_status.get("previousReplicaSet") else {}
    last = max(earlier, key=lambda view: (view.revision, view.meta.created_s, view.meta.key))
    return {"previousReplicaSet": {"name": last.meta.key.name}}


def _conditions(facts: DeploymentFacts) -> list[Condition]:
    kinds = DeploymentCondition
    problem = facts.problem
    artifact, sync = holds(kinds.ARTIFACT), holds(kinds.SYNC)
    if problem is not None and problem.condition is kinds.ARTIFACT:
        artifact = fails(kinds.ARTIFACT, problem.reason, problem.message)
        sync = fails(kinds.SYNC, problem.reason, "the template waits for its artifacts")
    elif problem is not None:
        sync = fails(kinds.SYNC, problem.reason, problem.message)
    elif facts.current is None:
        reason = Reason.PAUSED if facts.view.spec.paused else Reason.RECONCILE
        sync = fails(kinds.SYNC, reason, "there is no replica set for the present template yet")
    return [artifact, sync, _deploy(facts), _scale(facts), _ready(facts)]


def is_complete(facts: DeploymentFacts) -> bool:
    """Whether the rollout of the present template is over: all replicas are of it and available, no old one is left."""
    current, wanted = facts.current, facts.view.spec.replicas
    if current is None or facts.problem is not None:
        return False
    return current.wanted == wanted and current.available_count >= wanted and not any(s.size for s in facts.old)


def progress_mark(facts: DeploymentFacts) -> tuple[object, ...]:
    """Return what changes whenever a rollout makes progress."""
    current = facts.current
    if current is None:
        return (facts.view.meta.generation, None)
    old = sum(state.existing_count for state in facts.old)
    return (current.view.meta.uid, current.existing_count, current.ready_count, current.available_count, old)


def _deploy(facts: DeploymentFacts) -> Condition:
    spec, kind = facts.view.spec, DeploymentCondition.DEPLOY
    if is_complete(facts):
        return holds(kind)
    updated = facts.current.available_count if facts.current else 0
    text = f"{updated} of {spec.replicas} replicas of the present template are available"
    if spec.paused:
        return fails(kind, Reason.PAUSED, f"spec.paused holds the rollout; {text}")
    if facts.problem is not None:
        return fails(kind, facts.problem.reason, facts.problem.message)
    if facts.stalled_s >= spec.progress_deadline_seconds:
        late = f"no progress for {spec.progress_deadline_seconds} s; {text}; {_cause(facts)}"
        return fails(kind, Reason.PROGRESS_DEADLINE_EXCEEDED, late)
    return fails(kind, Reason.ROLLOUT_IN_PROGRESS, text)


def _cause(facts: DeploymentFacts) -> str:
    uid = facts.current.view.meta.uid if facts.current else ""
    new = [w for w in facts.workloads if w.meta.owner is not None and w.meta.owner.uid == uid]
    return readiness("", len(new), sum(w.is_ready for w in new), new).message


def _scale(facts: DeploymentFacts) -> Condition:
    kind, wanted = DeploymentCondition.SCALE, facts.view.spec.replicas
    existing = sum(state.existing_count for state in facts.sets)
    if existing == wanted:
        return holds(kind)
    reason = Reason.SCALING_UP if existing < wanted else Reason.SCALING_DOWN
    return fails(kind, reason, f"{existing} of {wanted} replicas exist")


def _ready(facts: DeploymentFacts) -> Condition:
    kind, spec = DeploymentCondition.READY, facts.view.spec
    available = sum(state.available_count for state in facts.sets)
    needed = max(spec.replicas - bounds(spec).unavailable, min(1, spec.replicas))
    if not facts.sets and spec.replicas and facts.problem is not None:
        return fails(kind, facts.problem.reason, facts.problem.message)
    return readiness(kind, spec.replicas, available, facts.workloads, needed=needed)
