"""The objects that the operator knows: what the watch told, and what its own writes returned."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from wasmcloud_operator.engine.ports import JsonObject
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.metadata import parse_metadata
from wasmcloud_operator.model.views import (
    ArtifactView,
    BrokenView,
    DeploymentView,
    HostRecord,
    ReplicaSetView,
    ServiceView,
    SliceView,
    View,
    WorkloadView,
    is_route,
    parse,
)

log = logging.getLogger(__name__)

OnChange = Callable[[Ref, View | None, View | None], None]
"""Told of an object, what it was, and what it is now; None where it isn't."""

_REMEMBERED_COUNT = 20_000
V = TypeVar("V")


class Store:
    """Objects by kind and key. The newest resourceVersion wins, whatever order they are told in."""

    def __init__(self) -> None:
        self._views: dict[Kind, dict[Key, View]] = {kind: {} for kind in Kind}
        self._children: dict[str, dict[Ref, None]] = {}
        self._workloads: dict[str, Key] = {}
        self._gone: dict[str, None] = {}
        self._listeners: list[OnChange] = []

    def listen(self, on_change: OnChange) -> None:
        """Tell ``on_change`` of every change from now on."""
        self._listeners.append(on_change)

    def see(self, kind: Kind, body: JsonObject, gone: bool) -> None:
        """Take in an object. Stale news, and news of an object that was replaced, change nothing.

        EndpointSlices that others keep are passed over: no watch can be asked for ours alone.
        """
        if kind is Kind.ENDPOINT_SLICE and not is_route(body):
            return
        meta = parse_metadata(body)
        if not meta.uid or not meta.key.name:
            log.warning("object_without_identity", extra={"fields": {"kind": kind.value, "obj": str(meta.key)}})
            return
        ref = Ref(kind, meta.key)
        if gone:
            self.drop(ref, meta.uid)
        elif meta.uid not in self._gone and self._is_news(ref, meta.uid, meta.resource_version):
            known = self._views[kind].get(meta.key)
            if known is not None and known.meta.uid != meta.uid:
                self.drop(ref, known.meta.uid)
            self._put(ref, self._parsed(ref, body))

    def drop(self, ref: Ref, uid: str) -> None:
        """Forget an object, if it is still the one with this uid; later news of that uid are ignored."""
        self._gone[uid] = None
        if len(self._gone) > _REMEMBERED_COUNT:
            del self._gone[next(iter(self._gone))]
        view = self._views[ref.kind].get(ref.key)
        if view is not None and view.meta.uid == uid:
            del self._views[ref.kind][ref.key]
            self._unlink(ref, view)
            self._tell(ref, view, None)

    def is_gone(self, uid: str) -> bool:
        """Whether an object is known to have been there and to be gone."""
        return uid in self._gone

    def mark_deleting(self, ref: Ref, uid: str) -> None:
        """Note that the API accepted the deletion of an object, before the watch says so."""
        view = self._views[ref.kind].get(ref.key)
        if view is not None and view.meta.uid == uid and not view.meta.is_deleting:
            self._put(ref, dataclasses.replace(view, meta=dataclasses.replace(view.meta, is_deleting=True)))

    def get(self, ref: Ref) -> View | None:
        """Return the view of an object, None when it isn't known."""
        return self._views[ref.kind].get(ref.key)

    def workload(self, key: Key) -> WorkloadView | BrokenView | None:
        """Return a Workload."""
        view = self._views[Kind.WORKLOAD].get(key)
        return view if isinstance(view, WorkloadView | BrokenView) else None

    def workload_of(self, uid: str) -> WorkloadView | BrokenView | None:
        """Return the Workload with a uid."""
        key = self._workloads.get(uid)
        return None if key is None else self.workload(key)

    def replica_set(self, key: Key) -> ReplicaSetView | BrokenView | None:
        """Return a WorkloadReplicaSet."""
        view = self._views[Kind.REPLICA_SET].get(key)
        return view if isinstance(view, ReplicaSetView | BrokenView) else None

    def deployment(self, key: Key) -> DeploymentView | BrokenView | None:
        """Return a WorkloadDeployment."""
        view = self._views[Kind.DEPLOYMENT].get(key)
        return view if isinstance(view, DeploymentView | BrokenView) else None

    def artifact(self, key: Key) -> ArtifactView | BrokenView | None:
        """Return an Artifact."""
        view = self._views[Kind.ARTIFACT].get(key)
        return view if isinstance(view, ArtifactView | BrokenView) else None

    def host(self, name: str, namespace: str) -> HostRecord | None:
        """Return a Host."""
        view = self._views[Kind.HOST].get(Key(namespace, name))
        return view if isinstance(view, HostRecord) else None

    def replica_sets_of(self, uid: str) -> list[ReplicaSetView]:
        """Return the replica sets that a deployment controls, by name."""
        return self._owned(uid, Kind.REPLICA_SET, ReplicaSetView)

    def workloads_of(self, uid: str) -> list[WorkloadView]:
        """Return the Workloads that a replica set controls, by name."""
        return self._owned(uid, Kind.WORKLOAD, WorkloadView)

    def every(self, kind: Kind) -> Iterable[View]:
        """Return all objects of a kind."""
        return list(self._views[kind].values())

    def _owned(self, uid: str, kind: Kind, view_type: type[V]) -> list[V]:
        refs = sorted((ref for ref in self._children.get(uid, ()) if ref.kind is kind), key=lambda ref: ref.key.name)
        views = (self._views[kind].get(ref.key) for ref in refs)
        return [view for view in views if isinstance(view, view_type)]

    def _is_news(self, ref: Ref, uid: str, version: str) -> bool:
        known = self._views[ref.kind].get(ref.key)
        if known is None:
            return True
        if _is_older(version, known.meta.resource_version):
            return False
        return uid != known.meta.uid or version != known.meta.resource_version or not version

    def _parsed(self, ref: Ref, body: JsonObject) -> View:
        """Return the view of a body; a spec that was parsed already, by its generation, isn't parsed again."""
        known = self._views[ref.kind].get(ref.key)
        if known is None or isinstance(known, HostRecord | ServiceView | SliceView | BrokenView):
            return parse(ref.kind, body)
        meta = parse_metadata(body)
        if meta.uid != known.meta.uid or not meta.generation or meta.generation != known.meta.generation:
            return parse(ref.kind, body)
        return dataclasses.replace(known, meta=meta, status=body.get("status") or {})

    def _put(self, ref: Ref, view: View) -> None:
        before = self._views[ref.kind].get(ref.key)
        if before is not None:
            self._unlink(ref, before)
        self._views[ref.kind][ref.key] = view
        if view.meta.owner is not None:
            self._children.setdefault(view.meta.owner.uid, {})[ref] = None
        if ref.kind is Kind.WORKLOAD:
            self._workloads[view.meta.uid] = ref.key
        self._tell(ref, before, view)

    def _unlink(self, ref: Ref, view: View) -> None:
        if view.meta.owner is not None:
            siblings = self._children.get(view.meta.owner.uid, {})
            siblings.pop(ref, None)
            if not siblings:
                self._children.pop(view.meta.owner.uid, None)
        if ref.kind is Kind.WORKLOAD:
            self._workloads.pop(view.meta.uid, None)

    def _tell(self, ref: Ref, before: View | None, now: View | None) -> None:
        for listener in self._listeners:
            listener(ref, before, now)


def _is_older(version: str, known: str) -> bool:
    """Whether a resourceVersion is older than another; they are numbers that grow with every write."""
    return version.isdecimal() and known.isdecimal() and int(version) < int(known)
