"""The workers: take an object, look at it, and come back later when that failed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.ports import ClusterError, NotFound
from wasmcloud_operator.engine.retry import retry_delay_s
from wasmcloud_operator.model.keys import Key, Kind, Ref

log = logging.getLogger(__name__)

Pass = Callable[[Key], Awaitable[None]]
"""Looks at one object. Raises ClusterError to be called again later."""


class Reconciler:
    """Runs passes, one per object at a time. No error of one object stops another."""

    def __init__(self, context: Context, passes: Mapping[Kind, Pass]) -> None:
        self._context = context
        self._passes = passes
        self._failures: dict[Ref, int] = {}

    async def run(self) -> None:
        """Be one worker, until cancelled."""
        while True:
            ref = await self._context.queue.take()
            try:
                await self._look_at(ref)
            finally:
                self._context.queue.done(ref)

    async def _look_at(self, ref: Ref) -> None:
        look = self._passes.get(ref.kind)
        is_known = ref.kind is Kind.HOST or self._context.namespaces.is_open(ref.key.namespace)
        if look is None or not is_known:
            return
        clock, measure = self._context.clock, self._context.measure
        began_s = clock.monotonic()
        try:
            await look(ref.key)
        except Exception as error:  # noqa: BLE001 - whatever one object brings about, the others go on
            self._failed(ref, error)
            measure.count("reconciles", kind=ref.kind.value, outcome=type(error).__name__)
        else:
            self._failures.pop(ref, None)
            measure.count("reconciles", kind=ref.kind.value, outcome="Done")
        measure.observe("reconcile_seconds", clock.monotonic() - began_s, kind=ref.kind.value)

    def _failed(self, ref: Ref, error: Exception) -> None:
        attempt = self._failures.get(ref, 0)
        self._failures[ref] = attempt + 1
        delay_s = retry_delay_s(error, attempt, self._context.clock.chance())
        fields = {"kind": ref.kind.value, "ns": ref.key.namespace, "obj": ref.key.name, "again_in_s": round(delay_s, 2)}
        if isinstance(error, ClusterError):
            level = logging.INFO if isinstance(error, NotFound) else logging.WARNING
            log.log(level, "pass_failed", extra={"fields": {**fields, "because": str(error)}})
        else:
            log.error("pass_crashed", exc_info=error, extra={"fields": fields})
        self._context.queue.add_after(ref, delay_s)
