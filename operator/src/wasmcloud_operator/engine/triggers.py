"""Which objects to look at when something changes: the object itself, and those that depend on it."""

from __future__ import annotations

from wasmcloud_api.names import HostId, HostName

from wasmcloud_operator.decide.references import artifacts_of, references
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.fleet import Member
from wasmcloud_operator.engine.owners import deployment_of, replica_set_of
from wasmcloud_operator.engine.replica_sets import ReplicaSets
from wasmcloud_operator.engine.workloads import Workloads
from wasmcloud_operator.model.keys import TENANTS_KINDS, Key, Kind, Ref
from wasmcloud_operator.model.views import (
    BrokenView,
    DeploymentView,
    HostRecord,
    ReplicaSetView,
    View,
    WorkloadView,
)

FREED_HOLD_S = 0.05
"""Room that many leaving workloads make is offered to the waiting ones at once, not once for each."""


class Triggers:
    """Fills the queue."""

    def __init__(self, context: Context, workloads: Workloads, replica_sets: ReplicaSets) -> None:
        self._context = context
        self._workloads = workloads
        self._replica_sets = replica_sets
        self._counts: dict[HostId, tuple[int, int]] = {}
        self._is_freeing = False

    def object_changed(self, ref: Ref, before: View | None, now: View | None) -> None:
        """Look at an object that changed or went, and at what depends on it."""
        if now is not None:
            self._context.queue.add(ref)
        match now or before:
            case HostRecord() as record:
                self._host_object_changed(ref, record, is_gone=now is None)
            case WorkloadView() as workload:
                self._workload_changed(workload, is_gone=now is None)
            case ReplicaSetView() as replica_set:
                self._replica_set_changed(replica_set)
            case BrokenView() | DeploymentView():
                pass
        if ref.kind is Kind.ARTIFACT:
            self._artifact_changed(ref.key)

    def namespace_opened(self, namespace: str) -> None:
        """Look at everything in a namespace ("" is all of them): what was passed over while it wasn't seen in full."""
        for kind in TENANTS_KINDS:
            for view in self._context.store.every(kind):
                if namespace in {"", view.meta.key.namespace}:
                    self._context.queue.add(Ref(kind, view.meta.key))

    def host_changed(self, member: Member) -> None:
        """Look at a host's object, and at everything that may be placed, or has to be moved, now."""
        self._context.queue.add(self._host_ref(member.name))
        for record in self._context.store.every(Kind.HOST):
            if isinstance(record, HostRecord) and record.host_id == member.host_id:
                self._context.queue.add(Ref(Kind.HOST, record.meta.key))
        for key in self._context.placements.on(member.host_id):
            self._look_at_workload(key)
        self._context.queue.add_all(self._waiting())

    def host_beat(self, member: Member) -> None:
        """Look at a host's object when its counts changed; figures that always move wait for its timer."""
        if member.view is None:
            return
        counts = (member.view.beat.component_count, member.view.beat.workload_count)
        if self._counts.get(member.host_id) != counts:
            self._counts[member.host_id] = counts
            self._context.queue.add(self._host_ref(member.name))

    def forget(self, host_id: HostId) -> None:
        """Forget a host."""
        self._counts.pop(host_id, None)

    def _look_at_workload(self, key: Key) -> None:
        self._context.queue.add(Ref(Kind.WORKLOAD, key))
        view = self._context.store.workload(key)
        if isinstance(view, WorkloadView):
            self._workload_changed(view, is_gone=False)

    def _workload_changed(self, view: WorkloadView, *, is_gone: bool) -> None:
        replica_set = replica_set_of(self._context.store, view)
        if replica_set is not None:
            self._context.queue.add(Ref(Kind.REPLICA_SET, replica_set.meta.key))
            self._replica_set_changed(replica_set)
        if is_gone and not self._is_freeing and self._waiting():
            self._is_freeing = True
            self._context.tasks.spawn(self._offer_room(), "offer room")

    def _replica_set_changed(self, view: ReplicaSetView) -> None:
        deployment = deployment_of(self._context.store, view)
        if deployment is not None:
            self._context.queue.add(Ref(Kind.DEPLOYMENT, deployment.meta.key))

    def _host_object_changed(self, ref: Ref, record: HostRecord, *, is_gone: bool) -> None:
        if ref.key.namespace != self._context.options.host_namespace:
            return
        if is_gone:
            self._context.queue.add(ref)
        else:
            self._context.fleet.recorded(record.host_id, HostName(record.meta.key.name))

    def _artifact_changed(self, artifact: Key) -> None:
        for kind in (Kind.DEPLOYMENT, Kind.WORKLOAD):
            for view in self._context.store.every(kind):
                if view.meta.key.namespace == artifact.namespace and _names(view, artifact.name):
                    self._context.queue.add(Ref(kind, view.meta.key))

    async def _offer_room(self) -> None:
        await self._context.clock.sleep(FREED_HOLD_S)
        self._is_freeing = False
        self._context.queue.add_all(self._waiting())

    def _waiting(self) -> list[Ref]:
        return [*self._workloads.waiting(), *self._replica_sets.stuck()]

    def _host_ref(self, name: str) -> Ref:
        return Ref(Kind.HOST, Key(self._context.options.host_namespace, name))


def _names(view: View, artifact: str) -> bool:
    if isinstance(view, DeploymentView):
        return artifact in artifacts_of(view.spec).values()
    return isinstance(view, WorkloadView) and artifact in references(view.spec).artifacts
