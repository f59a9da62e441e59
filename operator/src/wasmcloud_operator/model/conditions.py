"""Conditions: what is said about an object, and how two ways of saying it are merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wasmcloud_api.conditions import ConditionStatus, Reason

from wasmcloud_operator.model.metadata import seconds, timestamp

MESSAGE_LENGTH = 4096
"""Longer messages are cut: a host's chain of causes must not fill the object."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as the operator wants it to read."""

    type: str
    status: ConditionStatus
    reason: Reason
    message: str = ""


def holds(kind: str, message: str = "") -> Condition:
    """Return a condition that is True."""
    return Condition(kind, ConditionStatus.TRUE, Reason.AVAILABLE, message)


def fails(kind: str, reason: Reason, message: str) -> Condition:
    """Return a condition that is False."""
    return Condition(kind, ConditionStatus.FALSE, reason, message)


def unclear(kind: str, reason: Reason, message: str) -> Condition:
    """Return a condition that is Unknown."""
    return Condition(kind, ConditionStatus.UNKNOWN, reason, message)


def merge_conditions(
    old: Sequence[Mapping[str, Any]], new: Iterable[Condition], *, generation: int, now_s: float
) -> list[dict[str, Any]]:
    """Return ``new`` as JSON; `lastTransitionTime` stays while a condition's status does. Other types are kept.

    ``now_s`` is seconds since the epoch.
    """
    wanted = list(new)
    before = {str(condition.get("type")): condition for condition in old}
    kept = [dict(condition) for kind, condition in before.items() if kind not in {c.type for c in wanted}]
    return [_with_time(before.get(c.type), c, generation, now_s) for c in wanted] + kept


def _with_time(old: Mapping[str, Any] | None, new: Condition, generation: int, now_s: float) -> dict[str, Any]:
    is_same = old is not None and old.get("status") == new.status.value and old.get("lastTransitionTime")
    since = str(old["lastTransitionTime"]) if old is not None and is_same else timestamp(now_s)
    return {
        "type": str(new.type),
        "status": new.status.value,
        "reason": new.reason.value,
        "message": new.message[:MESSAGE_LENGTH],
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }


def find(conditions: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    """Return the condition of a type, or None."""
    return next((condition for condition in conditions if condition.get("type") == kind), None)


def is_true(conditions: Sequence[Mapping[str, Any]], kind: str) -> bool:
    """Whether the condition of a type is there and True."""
    condition = find(conditions, kind)
    return condition is not None and condition.get("status") == ConditionStatus.TRUE.value


def since_s(conditions: Sequence[Mapping[str, Any]], kind: str) -> float:
    """When the condition of a type took its present status: seconds since the epoch, 0 when that isn't known."""
    condition = find(conditions, kind)
    return 0.0 if condition is None else seconds(condition.get("lastTransitionTime"))
