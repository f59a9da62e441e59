"""The objects that a run keeps in its store, and how they become those of changed manifests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from wasmcloud_operator.adapters.memory_store import MemoryStore
from wasmcloud_operator.engine.ports import Rejected
from wasmcloud_operator.model.keys import Key, Kind, Ref

from wasmcloud.complaints import BadInput
from wasmcloud.manifests import CONFIGURATION_KINDS, RUN_KINDS, Identity, Manifests

_REPLACED_KIND = "WorkloadReplicaSet"
"""Its changed template takes no effect on the replicas that run already, so it is made anew."""
_POLL_S = 0.02


class Applied:
    """Knows what was applied, so that only what changed is applied again."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._objects: Mapping[Identity, Mapping[str, Any]] = {}

    async def become(self, manifests: Manifests) -> list[str]:
        """Create, change and delete until the store has these objects. Returns a line for each that differs.

        Raises BadInput when the store refuses one; those before it are applied.
        """
        before, self._objects = self._objects, dict(manifests.objects)
        told = []
        for identity in before.keys() - manifests.objects.keys():
            self._store.remove(before[identity])
            told.append(f"{identity} deleted")
        # What workloads name comes first, so that none starts and finds it missing.
        for identity, body in sorted(manifests.objects.items(), key=lambda item: item[0].kind in RUN_KINDS):
            old = before.get(identity)
            if old != body:
                await self._apply(identity, body, is_there=old is not None)
                told.append(f"{identity} {'changed' if old is not None else 'created'}")
        return told

    def images_in_use(self) -> set[str]:
        """Return the images that replicas, old ones too, may still be started from."""
        specs = (body["spec"] for body in self._store.objects(Kind.WORKLOAD))
        return {
            part["image"] for spec in specs for part in (*spec.get("components", ()), spec.get("service") or {}) if part
        }

    async def _apply(self, identity: Identity, body: Mapping[str, Any], *, is_there: bool) -> None:
        if is_there and identity.kind == _REPLACED_KIND:
            self._store.remove(body)
        try:
            if identity.kind in CONFIGURATION_KINDS:
                self._store.apply(body)
                return
            ref = Ref(Kind(identity.kind), Key(identity.namespace, identity.name))
            await self._wait_until_not_leaving(ref)
            self._store.apply(body)
        except Rejected as error:
            raise BadInput(f"{identity}: {error}.") from None

    async def _wait_until_not_leaving(self, ref: Ref) -> None:
        """Wait for an object's finalizers: until they have done their work it keeps its name."""
        while (old := await self._store.get(ref)) is not None and "deletionTimestamp" in old["metadata"]:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)  # short, and rarer than once a minute: no watch is worth its lines
