"""The API server's behaviour in memory: what ``wasmcloud up`` and the simulation run on instead of Kubernetes.

The contract tests hold it against a real kube-apiserver. Stored objects are never changed in place: a write puts a new
object that shares whatever stayed the same, so readers may keep what they were given.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from wasmcloud_operator.adapters.admission import admit
from wasmcloud_operator.adapters.merge_patch import merged, three_way
from wasmcloud_operator.decide.references import why_withheld
from wasmcloud_operator.engine.ports import (
    AlreadyExists,
    Clock,
    Conflict,
    JsonObject,
    NotFound,
    Occurrence,
    Rejected,
    See,
    Sight,
    Withheld,
)
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.metadata import timestamp

_SERVER_FIELDS = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")
"""Metadata that writers may not set: a patch or an apply that names them doesn't change them."""

_OUR_KINDS = frozenset(Kind)


@dataclass(slots=True)
class RecordedEvent:
    """One aggregated Event: ``occurrence`` is the newest of ``count`` with the same object and reason."""

    occurrence: Occurrence
    count: int


@dataclass(slots=True, eq=False)
class _Listener:
    """One running watch: what it was not told yet."""

    pending: deque[tuple[Kind, JsonObject, bool]] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryStore:
    """Implements the ports Cluster and Watch."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._objects: dict[Ref, dict[str, Any]] = {}
        self._alive: dict[str, Ref] = {}
        self._owned: dict[str, set[Ref]] = {}
        self._applied: dict[Ref, JsonObject] = {}
        self._config_maps: dict[Key, Mapping[str, str]] = {}
        self._secrets: dict[Key, tuple[Mapping[str, bytes], str | None]] = {}
        self._listeners: list[_Listener] = []
        self._version = 0
        self._events: dict[tuple[str, str], RecordedEvent] = {}

    # Cluster: reading

    async def get(self, ref: Ref) -> JsonObject | None:
        """See the port."""
        return self._objects.get(ref)

    async def list(self, kind: Kind, namespace: str) -> list[JsonObject]:
        """See the port."""
        return list(self.objects(kind, namespace))

    async def config_map(self, key: Key) -> Mapping[str, str] | None:
        """See the port."""
        return self._config_maps.get(key)

    async def secret(self, key: Key) -> Mapping[str, bytes] | None:
        """See the port."""
        data, withheld = self._secrets.get(key, (None, None))
        if withheld is not None:
            raise Withheld(withheld)
        return data

    # Cluster: writing

    async def create(self, kind: Kind, body: JsonObject) -> JsonObject:
        """See the port."""
        return self._create(kind, body)

    async def patch(self, ref: Ref, patch: JsonObject) -> JsonObject:
        """See the port."""
        return self._patch(ref, patch)

    async def patch_status(self, ref: Ref, patch: JsonObject) -> JsonObject:
        """See the port."""
        old = self._existing(ref)
        new: dict[str, Any] = merged(old, {"status": patch})
        return old if new is old else self._put(ref, old, admit(ref.kind, new))

    async def delete(self, ref: Ref, *, uid: str) -> None:
        """See the port."""
        old = self._objects.get(ref)
        if old is not None and old["metadata"]["uid"] == uid:
            self._delete(ref, old)

    async def record(self, occurrence: Occurrence) -> None:
        """See the port."""
        known = self._events.get((occurrence.uid, occurrence.reason))
        if known is None:
            self._events[occurrence.uid, occurrence.reason] = RecordedEvent(occurrence, 1)
        else:
            known.occurrence, known.count = occurrence, known.count + 1

    # Watch

    async def run(self, see: See) -> None:
        """See the port."""
        listener = _Listener()
        for ref, body in list(self._objects.items()):
            see(ref.kind, body, False)
        self._listeners.append(listener)
        try:
            while True:
                while listener.pending:
                    see(*listener.pending.popleft())
                listener.wake.clear()
                await listener.wake.wait()
        finally:
            self._listeners.remove(listener)

    def sight(self, namespace: str) -> Sight:  # noqa: ARG002 - nothing is refused here
        """See the port."""
        return Sight.SYNCED if self._listeners else Sight.PENDING

    # For the command line and for tests: what a person does with kubectl

    def objects(self, kind: Kind, namespace: str = "") -> Sequence[JsonObject]:
        """All objects of a kind, in the order of creation; "" means every namespace."""
        return [
            body for ref, body in self._objects.items() if ref.kind is kind and namespace in ("", ref.key.namespace)
        ]

    def events(self) -> Sequence[RecordedEvent]:
        """Every Event, in the order of its first occurrence."""
        return list(self._events.values())

    def apply(self, body: JsonObject) -> None:
        """Create the object, or change it like ``kubectl apply``: fields that this and the last apply don't name stay.

        Takes our kinds, ConfigMaps and Secrets. Raises Rejected for another kind or a body that the API refuses.
        """
        kind, key = _named(body)
        if kind == "ConfigMap":
            self.set_config_map(key, body.get("data") or {})
        elif kind == "Secret":
            self.set_secret(key, _secret_data(body), why_withheld(body))
        else:
            self._apply(Ref(_our_kind(kind), key), body)

    def remove(self, body: JsonObject) -> None:
        """Delete the object that the body names, like ``kubectl delete``; finalizers are waited for. Gone is fine."""
        kind, key = _named(body)
        if kind == "ConfigMap":
            self._config_maps.pop(key, None)
        elif kind == "Secret":
            self._secrets.pop(key, None)
        elif (old := self._objects.get(ref := Ref(_our_kind(kind), key))) is not None:
            self._delete(ref, old)

    def set_config_map(self, key: Key, data: Mapping[str, str]) -> None:
        """Create or replace a ConfigMap."""
        self._config_maps[key] = dict(data)

    def set_secret(self, key: Key, data: Mapping[str, bytes], withheld: str | None = None) -> None:
        """Create or replace a Secret; ``withheld`` says why workloads may not have it."""
        self._secrets[key] = (dict(data), withheld)

    # Inside

    def _existing(self, ref: Ref) -> dict[str, Any]:
        body = self._objects.get(ref)
        if body is None:
            raise NotFound(f"{ref} is not there")
        return body

    def _apply(self, ref: Ref, body: JsonObject) -> None:
        old = self._objects.get(ref)
        if old is None or "deletionTimestamp" in old["metadata"]:
            self._create(ref.kind, body)
        else:
            self._patch(ref, three_way(self._applied.get(ref, {}), body))
        self._applied[ref] = body

    def _create(self, kind: Kind, body: JsonObject) -> JsonObject:
        key = _named(body)[1]
        ref = Ref(kind, key)
        if not key.namespace or not key.name:
            raise Rejected(f"{ref} needs a namespace and a name")
        if body["metadata"].get("resourceVersion"):
            raise Rejected(f"{ref}: resourceVersion must not be set on an object to be created")
        if ref in self._objects:
            raise AlreadyExists(f"{ref} exists already")
        metadata = {name: value for name, value in body["metadata"].items() if name not in _SERVER_FIELDS}
        metadata |= {
            "uid": str(UUID(int=int(self._clock.chance() * 2**53) << 64 | self._version + 1, version=4)),
            "generation": 1,
            "creationTimestamp": self._timestamp(),
        }
        content = {name: value for name, value in body.items() if name != "status"}
        stored = self._put(ref, None, admit(kind, content | {"metadata": metadata}))
        self._alive[stored["metadata"]["uid"]] = ref
        for owner in _owners(stored):
            self._owned.setdefault(owner, set()).add(ref)
        self._collect([ref])
        return stored

    def _patch(self, ref: Ref, patch: JsonObject) -> JsonObject:
        old = self._existing(ref)
        wanted = patch.get("metadata") or {}
        if wanted.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            raise NotFound(f"{ref} has another uid than {wanted['uid']}")
        if wanted.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise Conflict(f"{ref} has changed since resourceVersion {wanted['resourceVersion']}")
        free = {name: value for name, value in wanted.items() if name not in _SERVER_FIELDS}
        content = {name: value for name, value in patch.items() if name != "status"}
        new: dict[str, Any] = merged(old, content | {"metadata": free})
        if new is old:
            return old
        if _named(new)[1] != ref.key:
            raise Rejected(f"{ref}: an object's name and namespace can't be changed")
        added = set(new["metadata"].get("finalizers", ())) - set(old["metadata"].get("finalizers", ()))
        if added and "deletionTimestamp" in old["metadata"]:
            raise Rejected(f"{ref} is being deleted: no finalizer can be added")
        stored = self._put(ref, old, admit(ref.kind, new))
        self._reindex(ref, old, stored)
        if "deletionTimestamp" in stored["metadata"] and not stored["metadata"].get("finalizers"):
            self._drop(ref)
        return stored

    def _put(self, ref: Ref, old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
        """Store an object that admission let pass, unless it is equal to what is there; tell the watches."""
        if old is not None and new == old:
            return old
        self._version += 1
        generation = new["metadata"]["generation"] + (old is not None and _content(old) != _content(new))
        metadata = new["metadata"] | {"resourceVersion": str(self._version), "generation": generation}
        stored = new | {"metadata": metadata}
        self._objects[ref] = stored
        self._tell(ref.kind, stored, is_gone=False)
        return stored

    def _delete(self, ref: Ref, old: dict[str, Any]) -> None:
        if not old["metadata"].get("finalizers"):
            self._drop(ref)
        elif "deletionTimestamp" not in old["metadata"]:
            generation = old["metadata"]["generation"] + 1
            mark = {"deletionTimestamp": self._timestamp(), "deletionGracePeriodSeconds": 0, "generation": generation}
            self._put(ref, old, old | {"metadata": old["metadata"] | mark})

    def _drop(self, ref: Ref) -> None:
        """Remove an object for good, then what only it owned."""
        body = self._objects.pop(ref)
        self._applied.pop(ref, None)
        uid = body["metadata"]["uid"]
        del self._alive[uid]
        for owner in _owners(body):
            self._owned.get(owner, set()).discard(ref)
        self._version += 1
        metadata = body["metadata"] | {"resourceVersion": str(self._version)}
        self._tell(ref.kind, body | {"metadata": metadata}, is_gone=True)
        self._collect(sorted(self._owned.pop(uid, ())))

    def _collect(self, refs: Iterable[Ref]) -> None:
        """Delete those of the objects that have owners of our kinds, none of which is there any more."""
        for ref in refs:
            body = self._objects.get(ref)
            if body is None:
                continue
            owners = body["metadata"].get("ownerReferences") or ()
            if owners and all(owner["kind"] in _OUR_KINDS and owner["uid"] not in self._alive for owner in owners):
                self._delete(ref, body)

    def _reindex(self, ref: Ref, old: JsonObject, new: JsonObject) -> None:
        before, after = _owners(old), _owners(new)
        for owner in before - after:
            self._owned.get(owner, set()).discard(ref)
        for owner in after - before:
            self._owned.setdefault(owner, set()).add(ref)

    def _tell(self, kind: Kind, body: JsonObject, *, is_gone: bool) -> None:
        for listener in self._listeners:
            listener.pending.append((kind, body, is_gone))
            listener.wake.set()

    def _timestamp(self) -> str:
        return timestamp(self._clock.now())


def _named(body: JsonObject) -> tuple[str, Key]:
    metadata = body.get("metadata") or {}
    return str(body.get("kind", "")), Key(metadata.get("namespace", ""), metadata.get("name", ""))


def _our_kind(kind: str) -> Kind:
    if kind not in _OUR_KINDS:
        raise Rejected(f'kind "{kind}" is not known here; known are {", ".join(Kind)}, ConfigMap and Secret')
    return Kind(kind)


def _secret_data(body: JsonObject) -> dict[str, bytes]:
    plain = {name: text.encode() for name, text in (body.get("stringData") or {}).items()}
    try:
        return {name: base64.b64decode(text, validate=True) for name, text in (body.get("data") or {}).items()} | plain
    except ValueError:
        raise Rejected(f"Secret {_named(body)[1]}: data must be base64") from None


def _owners(body: JsonObject) -> set[str]:
    return {owner["uid"] for owner in body["metadata"].get("ownerReferences") or ()}


def _content(body: JsonObject) -> dict[str, Any]:
    """Return what a generation counts: everything but metadata and status."""
    return {name: value for name, value in body.items() if name not in ("metadata", "status")}
