"""Who leads: a Lease says so, and nobody's wall clock is trusted but for people to read.

As client-go's leader election: whoever waits counts the Lease's duration on a clock of its own, from when it saw the
Lease change last; whoever holds it stops `RENEW_DEADLINE_S` after it last asked to renew, which is earlier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

LEASE_DURATION_S: Final = 15
"""A Lease that was not renewed for this long is anybody's."""
RENEW_DEADLINE_S: Final = 10.0
"""A holder that could not renew for this long stops all it does."""
RETRY_S: Final = 2.0
"""How often a holder renews, and the longest that others wait between two looks."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What a Lease says. Times in seconds since the epoch; ``version`` is that of the stored object, "" for none."""

    holder: str
    duration_s: int
    acquired_s: float
    renewed_s: float
    transition_count: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The last Lease that was seen to be another one than before, and when: seconds on the monotonic clock."""

    record: LeaseRecord
    seen_s: float


def sighted(before: Sighting | None, record: LeaseRecord | None, *, now_s: float) -> Sighting | None:
    """Return what is known after a look. A Lease that vanished is held by its last holder until it would run out."""
    if record is None or (before is not None and before.record.version == record.version):
        return before
    return Sighting(record, now_s)


def may_take(sighting: Sighting | None, identity: str, *, now_s: float) -> bool:
    """Whether a Lease is free, has run out, or is one's own."""
    if sighting is None or sighting.record.holder in {"", identity}:
        return True
    return now_s - sighting.seen_s > sighting.record.duration_s


def claim(before: LeaseRecord | None, identity: str, *, now_s: float) -> LeaseRecord:
    """Return the Lease to write for its next or present holder. ``now_s`` is seconds since the epoch."""
    if before is None:
        return LeaseRecord(identity, LEASE_DURATION_S, now_s, now_s, 0)
    if before.holder == identity:
        return replace(before, duration_s=LEASE_DURATION_S, renewed_s=now_s)
    count = before.transition_count + 1
    return LeaseRecord(identity, LEASE_DURATION_S, now_s, now_s, count, before.version)


def given_back(record: LeaseRecord, *, now_s: float) -> LeaseRecord:
    """Return the Lease without a holder."""
    return replace(record, holder="", duration_s=1, renewed_s=now_s)
