"""The numbers that `wasi:keyvalue/atomics` counts with: decimal text, as Redis keeps them."""

from __future__ import annotations

from typing import Final

from wasmcloud_engine import StoreError

MOST: Final = 2**64 - 1


def parse_number(key: str, value: bytes | None) -> int:
    """Return the number that a value is, 0 for none. Raises StoreError."""
    if value is None:
        return 0
    if not value.isdigit() or len(value) > len(str(MOST)):
        raise StoreError(f"the value of {key!r} is no number that could be incremented")
    return int(value)


def sum_of(number: int, delta: int) -> int:
    """Return the sum, when it fits into 64 bits. Raises StoreError."""
    if number + delta > MOST:
        raise StoreError("the sum is over 18446744073709551615")
    return number + delta
