"""One pass over a WorkloadDeployment: replica sets are made, resized and deleted; then one status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wasmcloud_api.conditions import DeploymentCondition, Reason
from wasmcloud_api.crds import WorkloadTemplate

from wasmcloud_operator.decide.deployment_status import (
    DeploymentFacts,
    Problem,
    deployment_status,
    is_complete,
    progress_mark,
)
from wasmcloud_operator.decide.references import artifacts_of, references
from wasmcloud_operator.decide.render import effective_template, new_replica_set, replica_set_name
from wasmcloud_operator.decide.rollout import RolloutPlan, SetState, next_revision, plan_rollout
from wasmcloud_operator.engine.configuration import ConfigError, Configuration
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.invalid import report_invalid
from wasmcloud_operator.engine.ports import Rejected
from wasmcloud_operator.engine.tasks import all_done
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.marks import CONFIG_DIGEST, REVISION
from wasmcloud_operator.model.template import template_digest
from wasmcloud_operator.model.views import BrokenView, DeploymentView, ReplicaSetView


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the present template comes to."""

    template: WorkloadTemplate
    config: str | None


@dataclass(frozen=True, slots=True)
class _Digest:
    generation: int
    value: str | None
    read_s: float


@dataclass(frozen=True, slots=True)
class _Progress:
    mark: tuple[object, ...]
    since_s: float


class Deployments:
    """Rolls templates out."""

    def __init__(self, context: Context, configuration: Configuration) -> None:
        self._context = context
        self._configuration = configuration
        self._digests: dict[str, _Digest] = {}
        self._progress: dict[str, _Progress] = {}

    def forget(self, uid: str) -> None:
        """Forget a deployment that is gone."""
        self._digests.pop(uid, None)
        self._progress.pop(uid, None)

    async def reconcile(self, key: Key) -> None:
        """Look at one deployment. Raises ClusterError when a write fails."""
        context, ref = self._context, Ref(Kind.DEPLOYMENT, key)
        view = context.store.deployment(key)
        if isinstance(view, BrokenView):
            await report_invalid(context, ref, view)
        if not isinstance(view, DeploymentView) or view.meta.is_deleting:
            return
        problem: Problem | None = None
        wanted: _Wanted | None = None
        try:
            wanted = await self._wanted(view)
        except ConfigError as error:
            problem = Problem(DeploymentCondition.ARTIFACT, error.reason, str(error))
        states = self._states(view)
        current = self._current(wanted, states)
        old = [state for state in states if state is not current]
        try:
            await self._carry_out(view, wanted, current, old)
        except Rejected as error:
            problem = Problem(DeploymentCondition.SYNC, Reason.INVALID_SPEC, str(error))
        await self._write_status(ref, view, wanted, problem)

    async def _wanted(self, view: DeploymentView) -> _Wanted:
        namespace = view.meta.key.namespace
        images = {
            name: self._configuration.image(Key(namespace, artifact))
            for name, artifact in artifacts_of(view.spec).items()
        }
        return _Wanted(effective_template(view, images), await self._config(view))

    async def _config(self, view: DeploymentView) -> str | None:
        """Return the digest of the configuration that the template names, read anew now and then."""
        refs, uid = references(view.spec.template.spec), view.meta.uid
        if not view.spec.restart_on_config_change or not refs.has_config:
            return None
        now_s, every_s = self._context.clock.monotonic(), self._context.options.config_interval_s
        known = self._digests.get(uid)
        if known is None or known.generation != view.meta.generation or now_s - known.read_s >= every_s:
            value = await self._configuration.digest(view.meta.key.namespace, refs, uid)
            known = _Digest(view.meta.generation, value, now_s)
            self._digests[uid] = known
        self._context.queue.add_after(Ref(Kind.DEPLOYMENT, view.meta.key), known.read_s + every_s - now_s)
        return known.value

    def _states(self, view: DeploymentView) -> list[SetState]:
        sets = self._context.store.replica_sets_of(view.meta.uid)
        return [self._state(view, one) for one in sets if not one.meta.is_deleting]

    def _state(self, view: DeploymentView, replica_set: ReplicaSetView) -> SetState:
        """Count a set's Workloads, and come back when the next of them has been ready long enough.

        One that became ready in the future, by a clock that was set back since, has been so for long.
        """
        children = self._context.store.workloads_of(replica_set.meta.uid)
        ready = [child for child in children if child.is_ready]
        needed_s, now_s = view.spec.min_ready_seconds, self._context.clock.now()
        ages_s = [now_s - child.ready_since_s for child in ready]
        later = [needed_s - age_s for age_s in ages_s if 0 <= age_s < needed_s]
        if later:
            self._context.queue.add_after(Ref(Kind.DEPLOYMENT, view.meta.key), min(later))
        return SetState(replica_set, len(children), len(ready), len(ready) - len(later))

    @staticmethod
    def _current(wanted: _Wanted | None, states: Sequence[SetState]) -> SetState | None:
        """Return the set of the present template. A set without a digest of its configuration fits any."""
        if wanted is None:
            return None
        digest, config = template_digest(wanted.template), wanted.config
        fitting = [
            state
            for state in states
            if state.view.template_digest == digest and (config is None or state.view.config_digest in (None, config))
        ]
        return max(
            fitting,
            key=lambda state: (state.view.config_digest == config, state.view.revision, state.view.meta.key),
            default=None,
        )

    async def _carry_out(
        self, view: DeploymentView, wanted: _Wanted | None, current: SetState | None, old: Sequence[SetState]
    ) -> None:
        """Make the next moves. Without a present template the sets there are stay as they are, and are scaled."""
        context = self._context
        spec = view.spec if wanted is not None else view.spec.model_copy(update={"paused": True})
        plan = plan_rollout(spec, current, old)
        patches = self._patches(plan, wanted, current, old)
        writes = [context.apply.patch(ref, patch) for ref, patch in patches.items() if patch]
        writes += [context.apply.delete(Ref(Kind.REPLICA_SET, v.meta.key), v.meta.uid) for v in plan.delete]
        if plan.create is not None and wanted is not None:
            writes.append(self._create(view, wanted, plan.create, [state.view for state in old]))
        await all_done(writes)

    def _patches(
        self, plan: RolloutPlan, wanted: _Wanted | None, current: SetState | None, old: Sequence[SetState]
    ) -> dict[Ref, dict[str, Any]]:
        """Return one patch a set: its size, and on the present one its revision and its configuration's digest."""
        patches: dict[Ref, dict[str, Any]] = {}
        for change in plan.rescale:
            patches[Ref(Kind.REPLICA_SET, change.view.meta.key)] = {"spec": {"replicas": change.replicas}}
        if current is None or wanted is None:
            return patches
        marks: dict[str, str] = {}
        if wanted.config is not None and current.view.config_digest is None:
            marks[CONFIG_DIGEST] = wanted.config
        others = [state.view for state in old]
        if current.view.revision == 0 or current.view.revision < next_revision(others) - 1:
            marks[REVISION] = str(next_revision(others))
        if marks:
            patches.setdefault(Ref(Kind.REPLICA_SET, current.view.meta.key), {})["metadata"] = {"annotations": marks}
        return patches

    async def _create(
        self, view: DeploymentView, wanted: _Wanted, replicas: int, old: Sequence[ReplicaSetView]
    ) -> None:
        """Create the set of the present template under a name that no other template has taken."""
        namespace, attempt = view.meta.key.namespace, 0
        while True:
            name = replica_set_name(view.meta.key.name, wanted.template, wanted.config, attempt)
            if self._context.store.replica_set(Key(namespace, name)) is None:
                break
            attempt += 1
        body = new_replica_set(
            view, wanted.template, name=name, replicas=replicas, revision=next_revision(old), config=wanted.config
        )
        await self._context.apply.create(Kind.REPLICA_SET, body)

    async def _write_status(
        self, ref: Ref, view: DeploymentView, wanted: _Wanted | None, problem: Problem | None
    ) -> None:
        states = self._states(view)
        current = self._current(wanted, states)
        workloads = [w for s in states for w in self._context.store.workloads_of(s.view.meta.uid)]
        old = [state for state in states if state is not current]
        facts = DeploymentFacts(view, current, old, workloads, problem)
        stalled_s = self._stalled_s(ref, facts)
        facts = DeploymentFacts(view, current, old, workloads, problem, stalled_s)
        latest = self._context.store.deployment(ref.key)
        if isinstance(latest, DeploymentView) and latest.meta.uid == view.meta.uid:
            status = deployment_status(facts, now_s=self._context.clock.now())
            await self._context.statuses.write(ref, latest, status)

    def _stalled_s(self, ref: Ref, facts: DeploymentFacts) -> float:
        """Return for how long the rollout made no progress, and come back when its deadline is due."""
        uid, now_s = facts.view.meta.uid, self._context.clock.monotonic()
        if is_complete(facts) or facts.view.spec.paused:
            self._progress.pop(uid, None)
            return 0.0
        mark, known = progress_mark(facts), self._progress.get(uid)
        if known is None or known.mark != mark:
            known = _Progress(mark, now_s)
            self._progress[uid] = known
        left_s = known.since_s + facts.view.spec.progress_deadline_seconds - now_s
        if left_s > 0:
            self._context.queue.add_after(ref, left_s)
        return now_s - known.since_s
