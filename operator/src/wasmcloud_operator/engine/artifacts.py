"""One pass over an Artifact: its registry is asked when it is time to, then one status."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from wasmcloud_api.conditions import Reason

from wasmcloud_operator.decide.artifacts import Failure, Inquiry, answered, artifact_status, ask_in_s, failed
from wasmcloud_operator.engine.configuration import ConfigError, Configuration
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.invalid import report_invalid
from wasmcloud_operator.engine.ports import AccessDenied, NoSuchImage, Registry, RegistryError
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.views import ArtifactView, BrokenView

log = logging.getLogger(__name__)

ASK_COUNT: Final = 8
"""Most questions to registries at a time."""


class Artifacts:
    """Follows tags. A pass never waits for a registry: the answer brings about the next pass."""

    def __init__(self, context: Context, configuration: Configuration, registry: Registry) -> None:
        self._context = context
        self._configuration = configuration
        self._registry = registry
        self._inquiries: dict[str, Inquiry] = {}
        self._asking: set[str] = set()
        self._free = asyncio.Semaphore(ASK_COUNT)

    def forget(self, uid: str) -> None:
        """Forget an artifact that is gone."""
        self._inquiries.pop(uid, None)

    async def reconcile(self, key: Key) -> None:
        """Look at one artifact. Raises ClusterError when a write fails."""
        context, ref = self._context, Ref(Kind.ARTIFACT, key)
        view = context.store.artifact(key)
        if isinstance(view, BrokenView):
            await report_invalid(context, ref, view)
        if not isinstance(view, ArtifactView) or view.meta.is_deleting:
            return
        last = self._inquiries.get(view.meta.uid)
        in_s = ask_in_s(view, last, now_s=context.clock.monotonic())
        if in_s:
            context.queue.add_after(ref, in_s)
        elif in_s is not None and view.meta.uid not in self._asking:
            self._asking.add(view.meta.uid)
            context.tasks.spawn(self._ask(view), f"ask for {key}")
        await context.statuses.write(ref, view, artifact_status(view, last, now_s=context.clock.now()))

    async def _ask(self, view: ArtifactView) -> None:
        """Ask the registry, and have the artifact looked at again."""
        uid, ref = view.meta.uid, Ref(Kind.ARTIFACT, view.meta.key)
        try:
            async with self._free:
                outcome = await self._answer(view)
        finally:
            self._asking.discard(uid)
        latest = self._context.store.artifact(view.meta.key)
        if latest is not None and latest.meta.uid == uid:
            self._take(view, outcome)
            self._context.queue.add(ref)

    async def _answer(self, view: ArtifactView) -> str | Failure:
        try:
            return await self._registry.digest(view.spec.image, await self._configuration.login(view))
        except ConfigError as error:
            return Failure(error.reason, str(error))
        except NoSuchImage as error:
            return Failure(Reason.IMAGE_NOT_FOUND, str(error))
        except AccessDenied as error:
            return Failure(Reason.REGISTRY_ACCESS_DENIED, str(error))
        except RegistryError as error:
            return Failure(Reason.REGISTRY_UNAVAILABLE, str(error))

    def _take(self, view: ArtifactView, outcome: str | Failure) -> None:
        """Remember an answer; what is new in it becomes an Event."""
        clock, meta, before = self._context.clock, view.meta, self._inquiries.get(view.meta.uid)
        reason = outcome.reason.value if isinstance(outcome, Failure) else "Answered"
        self._context.measure.count("registry_requests", outcome=reason)
        if isinstance(outcome, Failure):
            inquiry = failed(view, before, outcome, now_s=clock.monotonic(), chance=clock.chance())
            if before is None or before.failure is None or before.failure.reason is not outcome.reason:
                self._context.apply.record(Kind.ARTIFACT, meta, outcome.reason, outcome.message, is_warning=True)
        else:
            inquiry = answered(view, outcome, now_s=clock.monotonic())
            if view.status.get("digest") != outcome:
                message = f"the image {view.spec.image} has the digest {outcome}"
                self._context.apply.record(Kind.ARTIFACT, meta, "Resolved", message)
        self._inquiries[meta.uid] = inquiry
