"""Writes to the cluster: bounded in number, counted, and seen by the store at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from wasmcloud_operator.engine.leadership import Leadership
from wasmcloud_operator.engine.measure import Measure
from wasmcloud_operator.engine.ports import (
    AlreadyExists,
    Cluster,
    Conflict,
    JsonObject,
    NotFound,
    Occurrence,
    Unavailable,
)
from wasmcloud_operator.engine.store import Store
from wasmcloud_operator.engine.tasks import Tasks
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.metadata import Metadata

T = TypeVar("T")


class Apply:
    """The engine's only way to the cluster. Methods raise the port's ClusterErrors.

    Who doesn't lead may read, and writes nothing.

    A write that the cluster refuses because the object is another one than the store knows makes the store
    look again before the error goes on, so that the next decision is made on what is there.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        tasks: Tasks,
        measure: Measure,
        leadership: Leadership,
        *,
        call_count: int,
    ) -> None:
        self._cluster = cluster
        self._leadership = leadership
        self._store = store
        self._tasks = tasks
        self._measure = measure
        self._free = asyncio.Semaphore(call_count)

    async def create(self, kind: Kind, body: JsonObject) -> JsonObject:
        """Create an object and return it as stored."""
        meta = body["metadata"]
        ref = Ref(kind, Key(meta["namespace"], meta["name"]))
        stored = await self._write("create", ref, lambda: self._cluster.create(kind, body))
        self._store.see(kind, stored, False)
        return stored

    async def patch(self, ref: Ref, patch: JsonObject) -> None:
        """Merge ``patch`` into metadata and spec. An object that loses its last finalizer while it goes is gone."""
        stored = await self._write("patch", ref, lambda: self._cluster.patch(ref, patch))
        meta = stored["metadata"]
        is_gone = bool(meta.get("deletionTimestamp")) and not meta.get("finalizers")
        self._store.see(ref.kind, stored, is_gone)

    async def patch_status(self, ref: Ref, patch: JsonObject) -> None:
        """Merge ``patch`` into the status."""
        stored = await self._write("patch_status", ref, lambda: self._cluster.patch_status(ref, patch))
        self._store.see(ref.kind, stored, False)

    async def delete(self, ref: Ref, uid: str) -> None:
        """Delete an object, in the background for its children."""
        await self._write("delete", ref, lambda: self._cluster.delete(ref, uid=uid))
        self._store.mark_deleting(ref, uid)

    async def read_config_map(self, key: Key) -> dict[str, str] | None:
        """Return a ConfigMap's data, None when there is none."""
        data = await self._bounded("get", "ConfigMap", lambda: self._cluster.config_map(key))
        return None if data is None else dict(data)

    async def read_secret(self, key: Key) -> dict[str, bytes] | None:
        """Return a Secret's data, None when there is none."""
        data = await self._bounded("get", "Secret", lambda: self._cluster.secret(key))
        return None if data is None else dict(data)

    async def list(self, kind: Kind, namespace: str) -> list[JsonObject]:
        """Return all objects of a kind."""
        return await self._bounded("list", kind.value, lambda: self._cluster.list(kind, namespace))

    def record(self, kind: Kind, meta: Metadata, reason: str, message: str, *, is_warning: bool = False) -> None:
        """Write a Kubernetes Event beside everything else."""
        occurrence = Occurrence(Ref(kind, meta.key), meta.uid, reason, message, is_warning)
        if self._leadership.is_held():
            self._tasks.spawn(self._bounded("record", "Event", lambda: self._cluster.record(occurrence)), "event")

    async def _write(self, verb: str, ref: Ref, call: Callable[[], Awaitable[T]]) -> T:
        async def write() -> T:
            if not self._leadership.is_held():
                raise Unavailable(f"{verb} {ref}: this operator does not lead")
            return await call()

        try:
            return await self._bounded(verb, ref.kind.value, write)
        except (AlreadyExists, Conflict, NotFound):
            await self._look_again(ref)
            raise

    async def _look_again(self, ref: Ref) -> None:
        known = self._store.get(ref)
        stored = await self._bounded("get", ref.kind.value, lambda: self._cluster.get(ref))
        if stored is not None:
            self._store.see(ref.kind, stored, False)
        if known is not None and (stored is None or stored["metadata"]["uid"] != known.meta.uid):
            self._store.drop(ref, known.meta.uid)

    async def _bounded(self, verb: str, kind: str, call: Callable[[], Awaitable[T]]) -> T:
        async with self._free:
            self._measure.count("api_calls", verb=verb, kind=kind)
            return await call()
