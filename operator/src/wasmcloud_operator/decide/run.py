"""What is known of one workload on its host, and how an answer of the host changes that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import HostId

from wasmcloud_operator.decide.backoff import backoff_s

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
STEADY_S: Final = 60.0
"""A workload that ran this long starts over with the shortest delay when it fails."""

CONFIG_REASONS: Final = frozenset(
    {
        Reason.CONFIG_MAP_NOT_FOUND,
        Reason.SECRET_NOT_FOUND,
        Reason.PULL_SECRET_INVALID,
        Reason.CONFIG_UNREADABLE,
        Reason.ARTIFACT_NOT_FOUND,
        Reason.ARTIFACT_NOT_READY,
    }
)
"""Reasons for which no host is to blame: the start was never sent."""


class RunState(StrEnum):
    """Where a workload stands on the host it is on record for."""

    NEW = "New"
    """Placed; the host was not asked yet."""
    STARTING = "Starting"
    """The host was asked to start it and has not answered."""
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    """It is not running, and the next try is due at ``retry_at_s``."""
    UNSURE = "Unsure"
    """A request went unanswered: the host has to be asked what became of it."""
    STOPPING = "Stopping"
    STOPPED = "Stopped"


@dataclass(frozen=True, slots=True)
class Run:
    """One workload on one host. Times are seconds on the monotonic clock."""

    host_id: HostId
    state: RunState
    since_s: float
    generation: int
    """The `metadata.generation` that the host was given."""
    reason: Reason | None = None
    message: str = ""
    failure_count: int = 0
    retry_at_s: float = 0.0
    failed_on: frozenset[HostId] = frozenset()
    restarts: int = 0


def fresh(host_id: HostId, *, generation: int, now_s: float, before: Run | None = None) -> Run:
    """Return the run of a workload that was just placed; its history of failures goes with it."""
    if before is None:
        return Run(host_id, RunState.NEW, now_s, generation)
    return replace(before, host_id=host_id, state=RunState.NEW, since_s=now_s, generation=generation)


def started(run: Run, *, state: RunState, now_s: float) -> Run:
    """Return the run after the host said that it runs or has completed."""
    return replace(run, state=state, since_s=now_s, reason=None, message="", failed_on=frozenset())


def failed(run: Run, reason: Reason, message: str, *, now_s: float, chance: float) -> Run:
    """Return the run after a try that the host is to blame for: another host is tried next, after a delay.

    A second crash in a row is a crash loop.
    """
    steady = run.state is RunState.RUNNING and now_s - run.since_s >= STEADY_S
    count = 1 if steady else run.failure_count + 1
    delay_s = backoff_s(count - 1, chance=chance, base_s=FIRST_RETRY_S, cap_s=LONGEST_RETRY_S)
    return replace(
        run,
        state=RunState.FAILED,
        since_s=now_s,
        reason=Reason.CRASH_LOOP_BACK_OFF if reason is Reason.CRASHED and count > 1 else reason,
        message=message,
        failure_count=count,
        retry_at_s=now_s + delay_s,
        failed_on=run.failed_on | {run.host_id},
        restarts=run.restarts + 1 if run.state in {RunState.RUNNING, RunState.COMPLETED} else run.restarts,
    )


def vanished(run: Run, message: str, *, now_s: float, chance: float) -> Run:
    """Return the run of a workload that its host knows no more, as after a restart of the host: tried there at once.

    Only a workload that keeps vanishing waits.
    """
    again = failed(run, Reason.CRASHED, message, now_s=now_s, chance=chance)
    retry_at_s = now_s if again.failure_count == 1 else again.retry_at_s
    return replace(again, retry_at_s=retry_at_s, failed_on=run.failed_on)


def unsure(run: Run, reason: Reason, message: str, *, now_s: float, retry_s: float) -> Run:
    """Return the run after a request that went unanswered: it may have been carried out or not."""
    return replace(
        run, state=RunState.UNSURE, since_s=now_s, reason=reason, message=message, retry_at_s=now_s + retry_s
    )


def blocked(run: Run, reason: Reason, message: str, *, now_s: float, retry_s: float) -> Run:
    """Return the run of a workload whose configuration can't be read yet: the same host is tried later."""
    return replace(
        run, state=RunState.FAILED, since_s=now_s, reason=reason, message=message, retry_at_s=now_s + retry_s
    )


_NOT_COMPONENT: Final = (
    "not a component",
    "not webassembly",
    "not a webassembly component",
    "no component",
    "truncated",
)
"""How hosts, v2's too, say that a file is something else."""

_NOT_PROVIDED: Final = (
    "nothing provides",
    "did not ask for",
    "does not have",
    "this host has",
    "not found",
    "unavailable",
    "no host",
    "matching",
)
"""How hosts, v2's too, say that an import is met by nobody."""


def start_failure(message: str) -> Reason:
    """Return the reason behind a host's ERROR. Hosts send text only, so the text decides."""
    text = message.lower()
    if "failed to pull" in text:
        return Reason.IMAGE_PULL_FAILED
    if "invalid local_resources" in text or "invalid allowed_" in text:
        return Reason.INVALID_EGRESS_RULE
    if any(words in text for words in _NOT_COMPONENT):
        return Reason.IMAGE_NOT_COMPONENT
    if "import" in text and any(words in text for words in _NOT_PROVIDED):
        return Reason.INTERFACE_UNAVAILABLE
    return Reason.START_FAILED
