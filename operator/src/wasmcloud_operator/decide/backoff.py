"""How long to wait before the next try."""

from __future__ import annotations


def backoff_s(attempt: int, *, chance: float, base_s: float = 0.5, cap_s: float = 60.0) -> float:
    """Return seconds to wait: doubled with each attempt (counted from 0), capped, and less by up to half by chance."""
    return min(cap_s, base_s * 2.0 ** min(attempt, 20)) * (0.5 + chance / 2)
