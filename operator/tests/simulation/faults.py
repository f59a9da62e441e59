"""The API server and its watch on bad days: slow, refusing, forgetful. Without faults it only counts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wasmcloud_operator.adapters.memory_store import MemoryStore
from wasmcloud_operator.engine.ports import Conflict, JsonObject, Occurrence, See, Sight, Unavailable
from wasmcloud_operator.model.keys import Key, Kind, Ref

from simulation.virtual_time import SimClock

T = TypeVar("T")


@dataclass
class Weather:
    """How bad things are. Probabilities of each call or event."""

    error: float = 0.0
    lost_answer: float = 0.0
    """The write happens, and the answer is an error."""
    late_event: float = 0.0
    lost_event: float = 0.0
    double_event: float = 0.0
    call_s: float = 0.0
    is_api_down: bool = False
    forbidden: frozenset[Kind] = frozenset()
    """Kinds that the operator has no right to."""


@dataclass
class ShakyCluster:
    """Implements the ports Cluster and Watch in front of a memory store."""

    store: MemoryStore
    clock: SimClock
    chance: random.Random
    weather: Weather = field(default_factory=Weather)
    writes: list[tuple[str, Ref]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """Namespaces in which the operator has no rights at all."""
    _sees: list[See] = field(default_factory=list)

    def refuse(self, namespace: str) -> None:
        """Take the operator's rights in a namespace away."""
        self.refused.add(namespace)

    def allow(self, namespace: str) -> None:
        """Give them back: whoever watches is told what there is now, but not what went."""
        if namespace in self.refused:
            self.refused.discard(namespace)
            for see in self._sees:
                self._tell_all(see, namespace)

    async def create(self, kind: Kind, body: JsonObject) -> JsonObject:
        ref = Ref(kind, Key(body["metadata"]["namespace"], body["metadata"]["name"]))
        return await self._write("create", ref, lambda: self.store._create(kind, body))

    async def patch(self, ref: Ref, patch: JsonObject) -> JsonObject:
        return await self._write("patch", ref, lambda: self.store._patch(ref, patch))

    async def patch_status(self, ref: Ref, patch: JsonObject) -> JsonObject:
        await self._delay(ref)
        self.writes.append(("patch_status", ref))
        stored = await self.store.patch_status(ref, patch)
        await self._answer(ref)
        return stored

    async def delete(self, ref: Ref, *, uid: str) -> None:
        await self._delay(ref)
        self.writes.append(("delete", ref))
        await self.store.delete(ref, uid=uid)
        await self._answer(ref)

    async def get(self, ref: Ref) -> JsonObject | None:
        await self._delay(ref)
        return await self.store.get(ref)

    async def list(self, kind: Kind, namespace: str) -> list[JsonObject]:
        await self._delay(Ref(kind, Key(namespace, "")))
        return await self.store.list(kind, namespace)

    async def config_map(self, key: Key) -> Mapping[str, str] | None:
        await self._delay(Ref(Kind.WORKLOAD, key))
        return await self.store.config_map(key)

    async def secret(self, key: Key) -> Mapping[str, bytes] | None:
        await self._delay(Ref(Kind.WORKLOAD, key))
        return await self.store.secret(key)

    async def record(self, occurrence: Occurrence) -> None:
        self.writes.append(("record", occurrence.regarding))
        await self.store.record(occurrence)

    async def run(self, see: See) -> None:
        loop = asyncio.get_running_loop()

        def shaky(kind: Kind, body: JsonObject, gone: bool) -> None:
            weather, chance = self.weather, self.chance
            if body["metadata"]["namespace"] in self.refused:
                return
            if chance.random() < weather.lost_event:
                return
            delay_s = chance.uniform(0.0, 2.0) if chance.random() < weather.late_event else 0.0
            times = 2 if chance.random() < weather.double_event else 1
            for number in range(times):
                if delay_s or number:
                    loop.call_later(delay_s + number * 0.5, see, kind, body, gone)
                else:
                    see(kind, body, gone)

        self._tell_all(see, "")
        self._sees.append(see)
        try:
            await self.store.run(shaky)
        finally:
            self._sees.remove(see)

    def sight(self, namespace: str) -> Sight:
        if not self._sees:
            return Sight.PENDING
        return Sight.REFUSED if namespace in self.refused else self.store.sight(namespace)

    def _tell_all(self, see: See, namespace: str) -> None:
        for kind in Kind:
            for body in self.store.objects(kind, namespace):
                if body["metadata"]["namespace"] not in self.refused:
                    see(kind, body, False)

    async def _write(self, verb: str, ref: Ref, write: Callable[[], T]) -> T:
        await self._delay(ref)
        self.writes.append((verb, ref))
        stored = write()
        await self._answer(ref)
        return stored

    async def _delay(self, ref: Ref) -> None:
        await asyncio.sleep(self.weather.call_s * self.chance.uniform(0.5, 1.5))
        if self.weather.is_api_down:
            raise Unavailable(f"{ref}: connection refused")
        if ref.key.namespace in self.refused:
            raise Unavailable(f"{ref}: 403")
        if ref.kind in self.weather.forbidden:
            raise Unavailable(f"{ref}: 403")
        if self.chance.random() < self.weather.error:
            raise self._error(ref)

    async def _answer(self, ref: Ref) -> None:
        await asyncio.sleep(self.weather.call_s * self.chance.uniform(0.5, 1.5))
        if self.chance.random() < self.weather.lost_answer:
            raise Unavailable(f"{ref}: connection reset")

    def _error(self, ref: Ref) -> Exception:
        return self.chance.choice(
            [
                Conflict(f"{ref}: 409"),
                Unavailable(f"{ref}: 429", after_s=self.chance.choice([None, 1.0])),
                Unavailable(f"{ref}: 503"),
            ]
        )


def by_object(writes: list[tuple[str, Ref]]) -> Mapping[Ref, list[str]]:
    """Return the verbs of the writes to each object."""
    found: dict[Ref, list[str]] = {}
    for verb, ref in writes:
        found.setdefault(ref, []).append(verb)
    return found


def only(writes: list[tuple[str, Ref]], *kinds: Kind) -> list[tuple[str, Any]]:
    """Return the writes to objects of some kinds."""
    return [(verb, ref) for verb, ref in writes if ref.kind in kinds]
