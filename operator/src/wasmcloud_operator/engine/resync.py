"""Lists everything now and then: what a watch missed is found, and what is gone is forgotten."""

from __future__ import annotations

import logging

from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.ports import ClusterError
from wasmcloud_operator.model.keys import Kind, Ref

log = logging.getLogger(__name__)


class Resync:
    """Compares the store with the cluster."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """List everything at each interval, until cancelled."""
        while True:
            await self._context.clock.sleep(self._context.options.resync_interval_s)
            await self.once()

    async def once(self) -> None:
        """List everything once. A list that fails is left for the next time."""
        options = self._context.options
        for kind in Kind:
            namespaces = (options.host_namespace,) if kind is Kind.HOST else options.watch_namespaces or ("",)
            for namespace in namespaces:
                try:
                    await self._compare(kind, namespace)
                except ClusterError as error:
                    log.warning("resync_failed", extra={"fields": {"kind": kind.value, "because": str(error)}})

    async def _compare(self, kind: Kind, namespace: str) -> None:
        """Take in what the list has, and drop what was known before the list was asked for and isn't in it."""
        store = self._context.store
        known = {
            view.meta.uid: view.meta.key for view in store.every(kind) if namespace in {"", view.meta.key.namespace}
        }
        listed = await self._context.apply.list(kind, namespace)
        for body in listed:
            store.see(kind, body, False)
        found = {body["metadata"]["uid"] for body in listed}
        for uid in known.keys() - found:
            log.info("ghost_dropped", extra={"fields": {"kind": kind.value, "obj": str(known[uid])}})
            store.drop(Ref(kind, known[uid]), uid)
