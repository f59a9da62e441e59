"""Gives each workload its buckets: those of its namespace, as its hostInterfaces have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from wasmcloud_api.names import WorkloadId
from wasmcloud_engine import StoreError

from wasmcloud_host.nats_connection import NatsConnection
from wasmcloud_host.plugins.keyvalue.entries import Backend, Entry, chosen
from wasmcloud_host.plugins.keyvalue.jetstream import JetStreamBuckets
from wasmcloud_host.plugins.keyvalue.memory import Shelf

if TYPE_CHECKING:
    from wasmcloud_engine import Bucket

MOST_KEY_BYTES: Final = 1024
"""Of a key in UTF-8, prefix and all: NATS takes a subject of 4096."""


class KeyValuePlugin:
    """Serves `wasi:keyvalue` on this host."""

    def __init__(self, data_nats: NatsConnection | None) -> None:
        self._jetstream = None if data_nats is None else JetStreamBuckets(data_nats)
        self._shelves: dict[str, Shelf] = {}
        self._users: dict[WorkloadId, str] = {}

    def check(self, entries: Sequence[Entry]) -> None:
        """Raise ValueError, in one sentence, for a backend that this host doesn't have."""
        if self._jetstream is None and any(entry.backend is Backend.NATS for entry in entries):
            raise ValueError(
                "hostInterfaces ask for wasi:keyvalue with backend nats, but this host has no NATS for workloads' data"
                " (--data-nats-url)"
            )

    def bind(self, workload_id: WorkloadId, namespace: str, entries: Sequence[Entry]) -> WorkloadBuckets | None:
        """Return what serves the workload until `release`; None when it declares no `wasi:keyvalue`."""
        if not entries:
            return None
        self._users[workload_id] = namespace
        shelf = self._shelves.setdefault(namespace, Shelf())
        return WorkloadBuckets(namespace, entries, shelf, self._jetstream)

    def release(self, workload_id: WorkloadId) -> None:
        """Forget the workload; with the last one of a namespace go its buckets in memory."""
        namespace = self._users.pop(workload_id, None)
        if namespace is not None and namespace not in self._users.values():
            del self._shelves[namespace]


class WorkloadBuckets:
    """The buckets of one workload."""

    def __init__(
        self, namespace: str, entries: Sequence[Entry], shelf: Shelf, jetstream: JetStreamBuckets | None
    ) -> None:
        self._namespace = namespace
        self._entries = entries
        self._shelf = shelf
        self._jetstream = jetstream

    async def open(self, identifier: str) -> Bucket:
        """Return the bucket that the identifier means. Raises StoreError."""
        entry = chosen(self._entries, identifier)
        name = entry.bucket_for(identifier)
        if entry.backend is Backend.MEMORY or self._jetstream is None:
            return EntryBucket(entry, self._shelf.bucket(name))
        # A namespace has no `_` in its name, so no two pairs of names make the same.
        return EntryBucket(entry, self._jetstream.bucket(f"{self._namespace}_{name}"))


class EntryBucket:
    """A bucket as its entry shows it: below the prefix, and maybe to read only."""

    def __init__(self, entry: Entry, inner: Bucket) -> None:
        self._entry = entry
        self._inner = inner

    async def get(self, key: str) -> bytes | None:
        return await self._inner.get(self._full(key))

    async def set(self, key: str, value: bytes) -> None:
        self._check_may_write()
        await self._inner.set(self._full(key), value)

    async def delete(self, key: str) -> None:
        self._check_may_write()
        await self._inner.delete(self._full(key))

    async def exists(self, key: str) -> bool:
        return await self._inner.exists(self._full(key))

    async def list_keys(self, cursor: int | None) -> tuple[list[str], int | None]:
        prefix = self._entry.prefix
        keys, following = await self._inner.list_keys(cursor)
        return [key.removeprefix(prefix) for key in keys if key.startswith(prefix)], following

    async def increment(self, key: str, delta: int) -> int:
        self._check_may_write()
        return await self._inner.increment(self._full(key), delta)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._inner.get_many([self._full(key) for key in keys])

    async def set_many(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        self._check_may_write()
        await self._inner.set_many([(self._full(key), value) for key, value in pairs])

    async def delete_many(self, keys: Sequence[str]) -> None:
        self._check_may_write()
        await self._inner.delete_many([self._full(key) for key in keys])

    def _full(self, key: str) -> str:
        if not key:
            raise StoreError("a key must not be empty")
        full = self._entry.prefix + key
        if len(full.encode()) > MOST_KEY_BYTES:
            raise StoreError(f"a key must not be over {MOST_KEY_BYTES} bytes")
        return full

    def _check_may_write(self) -> None:
        if self._entry.is_read_only:
            raise StoreError("hostInterfaces give this bucket to read only", "access-denied")
