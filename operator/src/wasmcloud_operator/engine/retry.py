"""What an error means for the object that was worked on: when to look at it again."""

from __future__ import annotations

from wasmcloud_operator.decide.backoff import backoff_s
from wasmcloud_operator.engine.ports import AlreadyExists, Conflict, NotFound, Rejected, Unavailable

AFTER_REJECTION_S = 300.0
"""A request that the server never accepts is tried again this much later, in case a rule of the server changed."""


def retry_delay_s(error: Exception, attempt: int, chance: float) -> float:
    """Return seconds until the next look after an error; ``attempt`` counts errors in a row from 0."""
    match error:
        case Conflict() | AlreadyExists() | NotFound():
            return backoff_s(attempt, chance=chance, base_s=0.02, cap_s=5.0)
        case Unavailable(after_s=after_s):
            return max(after_s or 0.0, backoff_s(attempt, chance=chance, base_s=0.1, cap_s=15.0))
        case Rejected():
            return AFTER_REJECTION_S
        case _:
            return backoff_s(attempt, chance=chance, base_s=1.0, cap_s=60.0)
