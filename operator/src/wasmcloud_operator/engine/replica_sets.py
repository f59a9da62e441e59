"""One pass over a WorkloadReplicaSet: Workloads are made, already placed, and deleted; then one status."""

from __future__ import annotations

from collections.abc import Coroutine
from itertools import zip_longest
from typing import Any

from wasmcloud_api.names import HostId

from wasmcloud_operator.decide.demand import demand_of
from wasmcloud_operator.decide.render import new_workload
from wasmcloud_operator.decide.replicas import ReplicaPlan, plan_replicas
from wasmcloud_operator.decide.run import fresh
from wasmcloud_operator.decide.schedule import place_many
from wasmcloud_operator.decide.status import replica_set_status
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.invalid import report_invalid
from wasmcloud_operator.engine.owners import deployment_of
from wasmcloud_operator.engine.ports import Rejected
from wasmcloud_operator.engine.runs import Runs
from wasmcloud_operator.engine.tasks import all_done
from wasmcloud_operator.engine.workloads import Workloads
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.metadata import parse_metadata
from wasmcloud_operator.model.views import BrokenView, ReplicaSetView, memory_bytes


class ReplicaSets:
    """Keeps as many Workloads as a replica set asks for."""

    def __init__(self, context: Context, runs: Runs, workloads: Workloads) -> None:
        self._context = context
        self._runs = runs
        self._workloads = workloads
        self._stuck: dict[Key, None] = {}

    def stuck(self) -> list[Ref]:
        """Return the sets with replicas on draining hosts that fit nowhere else yet."""
        return [Ref(Kind.REPLICA_SET, key) for key in self._stuck]

    def forget(self, key: Key) -> None:
        """Forget a set that is gone."""
        self._stuck.pop(key, None)

    async def reconcile(self, key: Key) -> None:
        """Look at one replica set. Raises ClusterError when a write fails."""
        context, ref = self._context, Ref(Kind.REPLICA_SET, key)
        view = context.store.replica_set(key)
        if isinstance(view, BrokenView):
            await report_invalid(context, ref, view)
        if not isinstance(view, ReplicaSetView) or view.meta.is_deleting:
            return
        children = context.store.workloads_of(view.meta.uid)
        loads = context.placements.loads()
        plan = plan_replicas(view, children, leaving=context.fleet.draining(), loads=loads)
        if plan.create and not self._workloads.is_settled():
            context.queue.add_after(ref, 0.05)
            return
        deletions = [context.apply.delete(Ref(Kind.WORKLOAD, w.meta.key), w.meta.uid) for w in plan.delete]
        try:
            await all_done([*self._creations(view, plan), *deletions])
        except Rejected as error:
            context.apply.record(Kind.REPLICA_SET, view.meta, "FailedCreate", str(error), is_warning=True)
            raise
        children = context.store.workloads_of(view.meta.uid)
        status = replica_set_status(view, children, now_s=context.clock.now())
        await context.statuses.write(ref, context.store.replica_set(key) or view, status)

    def _creations(self, view: ReplicaSetView, plan: ReplicaPlan) -> list[Coroutine[Any, Any, None]]:
        """Return the creations of new Workloads, each with its host reserved.

        What is missing and fits nowhere is made to wait; a replacement that fits nowhere isn't made at all.
        """
        key, spec, group = view.meta.key, view.spec.template.spec, view.meta.uid
        self._stuck.pop(key, None)
        if not plan.create:
            return []
        hosts = self._hosts_for(view, len(plan.create))
        names = plan.create[: max(len(hosts), plan.missing_count)]
        if len(names) < len(plan.create):
            self._stuck[key] = None
        for name, host_id in zip(names, hosts, strict=False):
            self._context.placements.reserve(Key(key.namespace, name), host_id, group, memory_bytes(spec))
        return [self._create(view, name, host_id) for name, host_id in zip_longest(names, hosts)]

    def _hosts_for(self, view: ReplicaSetView, count: int) -> list[HostId]:
        context = self._context
        deployment = deployment_of(context.store, view)
        spread = deployment.spec.topology_spread_constraints if deployment is not None else ()
        demand = demand_of(view.meta.key.namespace, view.spec.template.spec, spread)
        scene = context.placements.scene(context.fleet.candidates(), view.meta.uid, context.options.rules)
        return place_many(demand, count, scene)[0]

    async def _create(self, view: ReplicaSetView, name: str, host_id: HostId | None) -> None:
        context, key = self._context, Key(view.meta.key.namespace, name)
        try:
            body = await context.apply.create(Kind.WORKLOAD, new_workload(view, name, host_id))
        finally:
            context.placements.settle(key)
        meta = parse_metadata(body)
        if host_id is not None and self._runs.get(meta.uid) is None:
            now_s = context.clock.monotonic()
            self._runs.take(meta.uid, fresh(host_id, generation=meta.generation, now_s=now_s))
            context.queue.add(Ref(Kind.WORKLOAD, key))
