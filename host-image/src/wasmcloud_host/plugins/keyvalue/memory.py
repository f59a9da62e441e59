"""Buckets in the memory of this host. They are gone with the last workload of the namespace that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final, NamedTuple

from wasmcloud_engine import StoreError

from wasmcloud_host.plugins.keyvalue.numbers import parse_number, sum_of

PAGE: Final = 1000
"""Keys in one answer."""

MOST_BYTES: Final = 64 << 20
"""Keys and values of a namespace together: one tenant can't take the host's memory."""

PAIR_BYTES: Final = 300
"""What a pair costs beside its key and value."""


class _Kept(NamedTuple):
    value: bytes
    place: int
    """Keys are listed in the order of their places; an overwritten key keeps its own."""


@dataclass(slots=True, eq=False)
class Shelf:
    """All buckets of a namespace."""

    buckets: dict[str, MemoryBucket] = field(default_factory=dict)
    used_bytes: int = 0

    def bucket(self, name: str) -> MemoryBucket:
        """Return the bucket, new or as it is."""
        if name not in self.buckets:
            self.buckets[name] = MemoryBucket(self)
        return self.buckets[name]


class MemoryBucket:
    """A bucket of a shelf. Its methods never await, so each is one step for all who use the bucket."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._kept: dict[str, _Kept] = {}
        self._places = count(1)

    async def get(self, key: str) -> bytes | None:
        return self._value(key)

    async def set(self, key: str, value: bytes) -> None:
        self._put({key: value})

    async def delete(self, key: str) -> None:
        self._drop([key])

    async def exists(self, key: str) -> bool:
        return key in self._kept

    async def list_keys(self, cursor: int | None) -> tuple[list[str], int | None]:
        later = (item for item in self._kept.items() if item[1].place > (cursor or 0))
        page = list(islice(later, PAGE))
        return [key for key, _ in page], page[-1][1].place if len(page) == PAGE else None

    async def increment(self, key: str, delta: int) -> int:
        total = sum_of(parse_number(key, self._value(key)), delta)
        self._put({key: b"%d" % total})
        return total

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self._value(key) for key in keys]

    async def set_many(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        self._put(dict(pairs))

    async def delete_many(self, keys: Sequence[str]) -> None:
        self._drop(keys)

    def _value(self, key: str) -> bytes | None:
        kept = self._kept.get(key)
        return None if kept is None else kept.value

    def _put(self, pairs: dict[str, bytes]) -> None:
        before = sum(_cost(key, self._kept[key].value) for key in pairs if key in self._kept)
        used = self._shelf.used_bytes - before + sum(_cost(key, value) for key, value in pairs.items())
        if used > MOST_BYTES:
            raise StoreError(f"the namespace's buckets in memory are full: they hold {MOST_BYTES >> 20} MiB")
        for key, value in pairs.items():
            place = self._kept[key].place if key in self._kept else next(self._places)
            self._kept[key] = _Kept(value, place)
        self._shelf.used_bytes = used

    def _drop(self, keys: Sequence[str]) -> None:
        for key in keys:
            kept = self._kept.pop(key, None)
            if kept is not None:
                self._shelf.used_bytes -= _cost(key, kept.value)


def _cost(key: str, value: bytes) -> int:
    return len(key.encode()) + len(value) + PAIR_BYTES
