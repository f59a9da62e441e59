"""Lists everything now and then: what a watch missed is found, and what is gone is forgotten."""

from __future__ import annotations

import logging

from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.ports import ClusterError
from wasmcloud_operator.model.keys import TENANTS_KINDS, Kind, Ref

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
        """List everything once. A list that fails is left for the next time; what is refused isn't asked for."""
        places = [(Kind.HOST, self._context.options.host_namespace)]
        places += [(kind, namespace) for kind in TENANTS_KINDS for namespace in self._context.namespaces.open()]
        for kind, namespace in places:
            try:
                await self._compare(kind, namespace)
            except ClusterError as error:
                log.warning("resync_failed", extra={"fields": {"kind": kind.value, "because": str(error)}})

    async def catch_up(self, namespace: str) -> None:
        """List all of one namespace: what went while it wasn't watched is forgotten. Raises ClusterError."""
        for kind in TENANTS_KINDS:
            await self._compare(kind, namespace)

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
