"""The engine: everything wired together, from the watch to the hosts."""

from __future__ import annotations

import asyncio
import logging

from wasmcloud_operator.engine.apply import Apply
from wasmcloud_operator.engine.artifacts import Artifacts
from wasmcloud_operator.engine.audit import Audit
from wasmcloud_operator.engine.commands import Commands
from wasmcloud_operator.engine.configuration import Configuration
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.deployments import Deployments
from wasmcloud_operator.engine.figures import Figures, figures_of
from wasmcloud_operator.engine.fleet import Fleet, Member
from wasmcloud_operator.engine.host_objects import HostObjects
from wasmcloud_operator.engine.leadership import Leadership, LeadershipLost
from wasmcloud_operator.engine.lifecycle import Lifecycle
from wasmcloud_operator.engine.liveness import Prober
from wasmcloud_operator.engine.measure import Measure, Unmeasured
from wasmcloud_operator.engine.namespaces import Namespaces
from wasmcloud_operator.engine.options import Options
from wasmcloud_operator.engine.placements import Placements
from wasmcloud_operator.engine.ports import Bus, Clock, Cluster, Registry, Watch
from wasmcloud_operator.engine.queue import Queue
from wasmcloud_operator.engine.reconcile import Reconciler
from wasmcloud_operator.engine.replica_sets import ReplicaSets
from wasmcloud_operator.engine.resync import Resync
from wasmcloud_operator.engine.routes import Routes
from wasmcloud_operator.engine.runs import Runs
from wasmcloud_operator.engine.statuses import Statuses
from wasmcloud_operator.engine.store import Store
from wasmcloud_operator.engine.tasks import Tasks
from wasmcloud_operator.engine.triggers import Triggers
from wasmcloud_operator.engine.workloads import Workloads
from wasmcloud_operator.model.keys import Kind, Ref
from wasmcloud_operator.model.views import HostRecord, View

log = logging.getLogger(__name__)


class Engine:
    """Brings the cluster to what its objects ask for, while it leads. One at a time in a process.

    Before that it is a standby: it watches and hears heartbeats, writes nothing and sends nothing.
    """

    def __init__(  # noqa: PLR0917 - one argument a port
        self,
        cluster: Cluster,
        watch: Watch,
        bus: Bus,
        registry: Registry,
        clock: Clock,
        options: Options,
        measure: Measure | None = None,
        leadership: Leadership | None = None,
    ) -> None:
        """Without a leadership it leads from the beginning."""
        self._watch = watch
        self._bus = bus
        self._is_ready = asyncio.Event()
        self._leadership = leadership or Leadership(None, "", clock)
        self._context = context = _context(
            cluster, watch, bus, clock, options, measure or Unmeasured(), self._leadership
        )
        self._runs = Runs()
        configuration = Configuration(context.apply, context.store)
        lifecycle = Lifecycle(context, self._runs, configuration)
        self._audit = Audit(context, self._runs, lifecycle)
        self._routes = Routes(context, self._runs)
        self._workloads = Workloads(context, self._runs, lifecycle, self._audit, self._routes)
        self._replica_sets = ReplicaSets(context, self._runs, self._workloads)
        self._deployments = Deployments(context, configuration)
        self._artifacts = Artifacts(context, configuration, registry)
        self._host_objects = HostObjects(context)
        self._prober = Prober(context)
        self._reconciler = Reconciler(
            context,
            {
                Kind.HOST: self._host_objects.reconcile,
                Kind.WORKLOAD: self._workloads.reconcile,
                Kind.REPLICA_SET: self._replica_sets.reconcile,
                Kind.DEPLOYMENT: self._deployments.reconcile,
                Kind.ARTIFACT: self._artifacts.reconcile,
                Kind.SERVICE: self._routes.reconcile,
            },
        )
        self._listen(Triggers(context, self._workloads, self._replica_sets))

    @property
    def is_ready(self) -> bool:
        """Whether work has begun and NATS is connected."""
        return self._is_ready.is_set() and self._bus.is_connected()

    async def ready(self) -> None:
        """Wait until all objects were listed and work has begun."""
        await self._is_ready.wait()

    def is_idle(self) -> bool:
        """Whether no object waits to be looked at."""
        return self._context.queue.is_idle()

    def figures(self) -> Figures:
        """Count what there is now: hosts, workloads, waiting objects."""
        return figures_of(self._context)

    async def run(self) -> None:
        """Work until cancelled, or until another leads; then nothing is left running, and the lead is given back."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._bus.run(self._context.fleet.hear), name="bus")
                group.create_task(self._watch.run(self._context.store.see), name="watch")
                group.create_task(self._work(), name="work")
        except* LeadershipLost as lost:
            log.warning("standing_down", extra={"fields": {"because": str(lost.exceptions[0])}})
        finally:
            self._is_ready.clear()
            await self._context.tasks.close()
            await self._leadership.give_back()

    async def _work(self) -> None:
        """Begin once everything is known: to act on half of the objects would be to act on wrong ones."""
        namespaces, resync = self._context.namespaces, Resync(self._context)
        await namespaces.begin()
        log.info("synced")
        async with asyncio.TaskGroup() as group:
            group.create_task(namespaces.follow(resync.catch_up), name="namespaces")
            group.create_task(resync.run(), name="resync")
            if not self._leadership.is_held():
                await self._leadership.acquire()
                self._context.fleet.doubt_all()
            group.create_task(self._leadership.keep(), name="leadership")
            self._workloads.begin()
            group.create_task(self._prober.run(), name="prober")
            group.create_task(self._audit.run(), name="audit")
            for number in range(self._context.options.call_count):
                group.create_task(self._reconciler.run(), name=f"worker {number}")
            self._is_ready.set()

    def _listen(self, triggers: Triggers) -> None:
        fleet, store = self._context.fleet, self._context.store
        store.listen(triggers.object_changed)
        store.listen(self._forget)
        self._context.namespaces.on_opened.append(triggers.namespace_opened)
        fleet.on_joined += [self._joined, self._routes.host_changed, triggers.host_changed]
        fleet.on_changed += [self._routes.host_changed, triggers.host_changed]
        fleet.on_lost += [self._routes.host_changed, triggers.host_changed]
        fleet.on_beat += [self._audit.heard, triggers.host_beat]
        fleet.on_returning.append(self._returning)
        fleet.on_forgotten += [self._audit.forget, triggers.forget]

    def _joined(self, member: Member) -> None:
        log.info("host_joined", extra={"fields": {"host_id": member.host_id, "name": member.name}})
        if self._leadership.is_held():
            self._prober.follow(member)
        if self._is_ready.is_set():
            self._audit.ask(member.host_id)

    def _returning(self, member: Member) -> None:
        if self._leadership.is_held():
            self._prober.ask(member.host_id)

    def _forget(self, ref: Ref, before: View | None, now: View | None) -> None:
        if now is not None or before is None:
            return
        self._context.statuses.forget(before.meta.uid)
        match ref.kind:
            case Kind.WORKLOAD:
                self._runs.forget(before.meta.uid)
                self._workloads.forget(ref.key, before.meta.uid)
            case Kind.REPLICA_SET:
                self._replica_sets.forget(ref.key)
            case Kind.DEPLOYMENT:
                self._deployments.forget(before.meta.uid)
            case Kind.ARTIFACT:
                self._artifacts.forget(before.meta.uid)
            case Kind.HOST:
                self._host_objects.forget(ref.key.name)
                if isinstance(before, HostRecord) and not self._leadership.is_held():
                    self._context.fleet.forget(before.host_id)  # the leader buried it; if it lives, it is heard again


def _context(  # noqa: PLR0917 - what is outside of the engine
    cluster: Cluster, watch: Watch, bus: Bus, clock: Clock, options: Options, measure: Measure, leadership: Leadership
) -> Context:
    tasks, store = Tasks(), Store()
    queue = Queue(clock, tasks)
    apply = Apply(cluster, store, tasks, measure, leadership, call_count=options.call_count)
    return Context(
        options=options,
        clock=clock,
        measure=measure,
        leadership=leadership,
        tasks=tasks,
        namespaces=Namespaces(watch, clock, options),
        store=store,
        queue=queue,
        apply=apply,
        statuses=Statuses(apply, queue, clock),
        fleet=Fleet(bus, clock, measure, rules=options.rules, silent_timeout_s=options.silent_host_timeout_s),
        placements=Placements(store),
        commands=Commands(bus, clock, measure, leadership),
    )
