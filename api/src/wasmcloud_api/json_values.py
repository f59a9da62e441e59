"""Nulls and times in JSON, which Kubernetes' objects and protobuf's messages treat alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def without_nulls(value: Any) -> Any:
    """Return an object without the fields that are null, which count as absent; anything else as it is."""
    if isinstance(value, dict) and None in value.values():
        return {key: field for key, field in value.items() if field is not None}
    return value


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC. Raises ValueError for one that its time zone puts beyond the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time from the year 1 to the year 9999 in UTC") from None


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC as text, with a Z."""
    return moment.isoformat().replace("+00:00", "Z")
