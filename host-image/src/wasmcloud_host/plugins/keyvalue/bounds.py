"""What one call may carry, and one namespace have: a component can't take the host's memory or its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wasmcloud_engine import StoreError

MOST_KEY_BYTES: Final = 1024
"""Of a key in UTF-8, prefix and all: NATS takes a subject of 4096."""

MOST_KEYS: Final = 1000
"""Of one batch."""

MOST_BATCH_BYTES: Final = 16 << 20
"""All values of one batch together, those that are asked for twice counted twice."""

MOST_BUCKETS: Final = 64
"""Buckets that one namespace writes to from one host."""


class Answer:
    """Counts the values of a batch while they come."""

    def __init__(self) -> None:
        self._bytes = 0

    def counted(self, value: bytes | None) -> bytes | None:
        """Return the value. Raises StoreError when it is one too many."""
        self._bytes += len(value or b"")
        if self._bytes > MOST_BATCH_BYTES:
            raise StoreError(f"a batch's values must not be over {MOST_BATCH_BYTES >> 20} MiB together")
        return value


class Namespace:
    """The buckets that a namespace writes to from this host."""

    def __init__(self) -> None:
        self._written: set[str] = set()

    def admit(self, bucket: str) -> None:
        """Count a bucket that is written to. Raises StoreError when it is one too many."""
        if bucket not in self._written and len(self._written) >= MOST_BUCKETS:
            raise StoreError(f"the namespace writes to {MOST_BUCKETS} buckets on this host, and not to more")
        self._written.add(bucket)


def check_key(key: str) -> None:
    """Raise StoreError for a key that is too long."""
    if len(key.encode()) > MOST_KEY_BYTES:
        raise StoreError(f"a key must not be over {MOST_KEY_BYTES} bytes")


def check_batch(items: Sequence[object]) -> None:
    """Raise StoreError for too many keys."""
    if len(items) > MOST_KEYS:
        raise StoreError(f"a batch must not have over {MOST_KEYS} keys")
