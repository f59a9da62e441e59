"""Keeps the EndpointSlices of Services, and holds back a stop until they say that nothing new should come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import HostId

from wasmcloud_operator.decide.routes import (
    Address,
    Replica,
    SlicePlan,
    Standing,
    Trouble,
    Unroutable,
    address_of,
    endpoints,
    is_routed,
    known_endpoints,
    plan_slices,
    standing,
    trouble_of,
)
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.fleet import Member
from wasmcloud_operator.engine.runs import Runs
from wasmcloud_operator.engine.tasks import all_done
from wasmcloud_operator.model.hosts import Liveness
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.metadata import Metadata
from wasmcloud_operator.model.views import ServiceView, SliceView, View, WorkloadView

PATIENCE_S: Final = 30.0
"""A stop waits this long for slices that can't be written; then it goes on, because nobody may be kept for ever."""

UNKNOWN_RETRY_S: Final = 1.0


class Routes:
    """Knows which Workloads and slices belong to a Service, and since when an endpoint is as it is."""

    def __init__(self, context: Context, runs: Runs) -> None:
        self._context = context
        self._runs = runs
        self._members: dict[Key, dict[Key, None]] = {}
        self._slices: dict[Key, dict[Key, None]] = {}
        self._since_s: dict[Key, dict[Address, tuple[bool, float]]] = {}
        self._writing: set[Key] = set()
        self._asked_s: dict[str, float] = {}
        self._told: dict[str, Reason] = {}
        context.store.listen(self._object_changed)

    async def reconcile(self, key: Key) -> None:
        """Look at the slices of one Service. Raises ClusterError when a write fails."""
        plan = self._plan(key)
        if plan is None:
            self._context.queue.add_after(Ref(Kind.SERVICE, key), UNKNOWN_RETRY_S)
        elif not plan.is_empty:
            self._writing.add(key)
            try:
                await self._carry_out(plan)
            finally:
                self._writing.discard(key)
            self._look_at_held(key)

    def look_at(self, view: WorkloadView) -> None:
        """Look at the Service of a Workload, whose run may have changed."""
        if view.service is not None:
            self._context.queue.add(Ref(Kind.SERVICE, view.service))

    def host_changed(self, member: Member) -> None:
        """Look at the Services that lead to a host. First of all: an endpoint on a lost host goes at once."""
        for key in self._context.placements.on(member.host_id):
            view = self._context.store.workload(key)
            if isinstance(view, WorkloadView):
                self.look_at(view)

    def hold_s(self, view: WorkloadView, host_id: HostId) -> float:
        """Return how long a host must not be told yet to stop a Workload; the Workload is looked at again then.

        Until the slices are written, nobody knows; then kube-proxy and the like get their time to follow.
        """
        now_s, key, uid = self._context.clock.monotonic(), view.service, view.meta.uid
        if key is None or not (self._slices.get(key) or key in self._writing):
            return 0.0
        plan = None if key in self._writing else self._plan(key)
        if plan is None or not plan.is_empty:
            due_s = self._asked_s.setdefault(uid, now_s) + PATIENCE_S
        else:
            due_s = self._settled_s(key, view, host_id) + self._context.options.route_delay_s
        if due_s <= now_s:
            self._asked_s.pop(uid, None)
        return max(0.0, due_s - now_s)

    def note(self, view: WorkloadView) -> str:
        """Return what keeps the Service of a running Workload from leading to it, "" for nothing; tell it once."""
        trouble, uid = self._trouble(view), view.meta.uid
        if trouble is None:
            self._told.pop(uid, None)
            return ""
        if self._told.get(uid) is not trouble.reason:
            self._told[uid] = trouble.reason
            self._context.apply.record(Kind.WORKLOAD, view.meta, trouble.reason, trouble.message, is_warning=True)
        return trouble.message

    def _trouble(self, view: WorkloadView) -> Trouble | None:
        if view.service is None or view.host_id is None:
            return None
        return trouble_of(view.service.name, self._service(view.service), self._address(view.host_id), view.host_id)

    def _settled_s(self, key: Key, view: WorkloadView, host_id: HostId) -> float:
        """Return since when the slices send nothing new to a host, and, after a move, since when to the other one."""
        moments = [self._moment(key, host_id, is_ready=False)]
        if view.host_id is not None and view.host_id != host_id:
            moments.append(self._moment(key, view.host_id, is_ready=True))
        return max(moments)

    def _moment(self, key: Key, host_id: HostId, *, is_ready: bool) -> float:
        """Return since when a host's endpoint is as named; long ago when it is not so, or isn't there at all."""
        address = self._address(host_id)
        known = self._since_s.get(key, {}).get(address) if isinstance(address, Address) else None
        return known[1] if known is not None and known[0] is is_ready else float("-inf")

    def _plan(self, key: Key) -> SlicePlan | None:
        """Return what has to be written; None while the address of a host that serves isn't known yet."""
        service, existing = self._service(key), self._existing(key)
        if service is None or not is_routed(service):
            return SlicePlan(delete=tuple(existing))
        replicas: list[Replica] = []
        for host_id, stands in self._serving(key):
            where = self._address(host_id)
            if where is None:
                return None
            if isinstance(where, Address):
                replicas.append(Replica(where, stands))
        wanted = endpoints(replicas, existing)
        return plan_slices(service.meta, wanted, existing, is_headless=service.is_headless)

    def _serving(self, key: Key) -> Iterator[tuple[HostId, Standing]]:
        """Return which hosts serve for a Service; a Workload that moves does so on its old host too."""
        fleet = self._context.fleet
        draining = fleet.draining()
        for member in self._members.get(key, ()):
            view = self._context.store.workload(member)
            if not isinstance(view, WorkloadView) or view.host_id is None:
                continue
            liveness = fleet.liveness(view.host_id)
            run = self._runs.get(view.meta.uid)
            stands = standing(view, run, liveness, is_draining=view.host_id in draining)
            if stands is not None:
                yield view.host_id, stands
            for old in self._runs.leftovers(view.meta.uid):
                if fleet.liveness(old) is not Liveness.LOST:
                    yield old, Standing.LEAVING

    async def _carry_out(self, plan: SlicePlan) -> None:
        apply = self._context.apply
        creations = [apply.create(Kind.ENDPOINT_SLICE, body) for body in plan.create]
        await all_done([*creations, *(apply.patch(_ref(view.meta), change) for view, change in plan.patch)])
        await all_done(apply.delete(_ref(view.meta), view.meta.uid) for view in plan.delete)

    def _service(self, key: Key) -> ServiceView | None:
        view = self._context.store.get(Ref(Kind.SERVICE, key))
        return view if isinstance(view, ServiceView) else None

    def _existing(self, key: Key) -> list[SliceView]:
        views = (self._context.store.get(Ref(Kind.ENDPOINT_SLICE, one)) for one in sorted(self._slices.get(key, ())))
        return [view for view in views if isinstance(view, SliceView) and not view.meta.is_deleting]

    def _address(self, host_id: HostId) -> Address | Unroutable | None:
        """Return where a host is: by its heartbeat, else by its Host object."""
        member = self._context.fleet.member(host_id)
        if member is None:
            return None
        if member.view is not None:
            return address_of(member.view.beat.hostname, member.view.beat.http_port)
        record = self._context.store.host(member.name, self._context.options.host_namespace)
        if record is None:
            return None
        return address_of(str(record.body.get("hostname") or ""), int(record.body.get("httpPort") or 0))

    def _object_changed(self, ref: Ref, before: View | None, now: View | None) -> None:
        match now or before:
            case WorkloadView():
                self._workload_changed(ref, before, now)
            case SliceView() as view:
                self._slice_changed(ref, view.service, is_gone=now is None)
            case ServiceView():
                self._context.queue.add(ref)
                self._context.queue.add_all([Ref(Kind.WORKLOAD, key) for key in self._members.get(ref.key, ())])

    def _workload_changed(self, ref: Ref, before: View | None, now: View | None) -> None:
        if isinstance(before, WorkloadView):
            self._unlink(self._members, before.service, ref.key)
            self.look_at(before)
        if isinstance(now, WorkloadView):
            if now.service is not None:
                self._members.setdefault(now.service, {})[ref.key] = None
            self.look_at(now)
        elif before is not None:
            self._told.pop(before.meta.uid, None)
            self._asked_s.pop(before.meta.uid, None)

    def _slice_changed(self, ref: Ref, service: Key, *, is_gone: bool) -> None:
        if is_gone:
            self._unlink(self._slices, service, ref.key)
        else:
            self._slices.setdefault(service, {})[ref.key] = None
        before, now_s = self._since_s.pop(service, {}), self._context.clock.monotonic()
        known = known_endpoints(self._existing(service))
        if known:
            fresh = {address: (is_ready, now_s) for address, is_ready in known.items()}
            kept = {address: since for address, since in before.items() if known.get(address) is since[0]}
            self._since_s[service] = fresh | kept
        self._context.queue.add(Ref(Kind.SERVICE, service))
        self._look_at_held(service)

    def _look_at_held(self, service: Key) -> None:
        """Look at the Workloads whose stop waits for the slices of a Service."""
        for key in self._members.get(service, ()):
            view = self._context.store.workload(key)
            if view is not None and view.meta.uid in self._asked_s:
                self._context.queue.add(Ref(Kind.WORKLOAD, key))

    @staticmethod
    def _unlink(index: dict[Key, dict[Key, None]], service: Key | None, key: Key) -> None:
        if service is not None and service in index:
            index[service].pop(key, None)
            if not index[service]:
                del index[service]


def _ref(meta: Metadata) -> Ref:
    return Ref(Kind.ENDPOINT_SLICE, meta.key)
