"""Where the operator works: in the watched namespaces of which it sees every object.

To act on half of the objects would be to act on wrong ones. So nothing is done in a namespace that isn't seen in full,
and nothing that may belong to one is taken for deleted; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from wasmcloud_operator.engine.options import Options
from wasmcloud_operator.engine.ports import Clock, ClusterError, Sight, Watch

log = logging.getLogger(__name__)

BEGIN_CHECK_S: Final = 0.01
FOLLOW_CHECK_S: Final = 0.25


class Namespaces:
    """Opens and closes the watched namespaces. Where all are watched, "" stands for them."""

    def __init__(self, watch: Watch, clock: Clock, options: Options) -> None:
        self._watch = watch
        self._clock = clock
        self._hosts = options.host_namespace
        self._watched = options.watch_namespaces or ("",)
        self._open: dict[str, None] = {}
        self._refused: set[str] = set()
        self.on_opened: list[Callable[[str], None]] = []

    def open(self) -> list[str]:
        """Return the namespaces that are seen in full."""
        return list(self._open)

    def is_open(self, namespace: str) -> bool:
        """Whether the objects in a namespace are all known."""
        return namespace in self._open or "" in self._open

    def are_all_open(self) -> bool:
        """Whether every object there is is known."""
        return all(namespace in self._open for namespace in self._watched)

    def refused(self) -> Mapping[str, bool]:
        """Return for each watched namespace, and that of the hosts, whether the API server refuses it."""
        return {namespace: namespace in self._refused for namespace in (self._hosts, *self._watched)}

    async def begin(self) -> None:
        """Wait until the hosts are known, and each namespace is known or refused: placing goes by all of them."""
        sights = self._look()
        while sights[self._hosts] is not Sight.SYNCED or Sight.PENDING in sights.values():
            await self._clock.sleep(BEGIN_CHECK_S)
            sights = self._look()
        self._open = {namespace: None for namespace in self._watched if sights[namespace] is Sight.SYNCED}

    async def follow(self, catch_up: Callable[[str], Awaitable[None]]) -> None:
        """Close what is refused and open what isn't any more, until cancelled.

        ``catch_up`` drops what went from a namespace while nobody told; it may raise ClusterError.
        """
        while True:
            sights = self._look()
            for namespace in self._watched:
                if sights[namespace] is not Sight.SYNCED:
                    self._open.pop(namespace, None)
                elif namespace not in self._open:
                    await self._try_to_open(namespace, catch_up)
            await self._clock.sleep(FOLLOW_CHECK_S)

    def _look(self) -> dict[str, Sight]:
        """Return what is seen of each namespace, and tell of refusals that begin or end."""
        sights = {namespace: self._watch.sight(namespace) for namespace in (self._hosts, *self._watched)}
        for namespace, sight in sights.items():
            fields = {"namespace": namespace or "(all)"}
            if sight is Sight.REFUSED and namespace not in self._refused:
                self._refused.add(namespace)
                log.warning("namespace_refused", extra={"fields": fields})
            elif sight is Sight.SYNCED and namespace in self._refused:
                self._refused.discard(namespace)
                log.info("namespace_back", extra={"fields": fields})
        return sights

    async def _try_to_open(self, namespace: str, catch_up: Callable[[str], Awaitable[None]]) -> None:
        try:
            await catch_up(namespace)
        except ClusterError as error:
            log.warning("list_failed", extra={"fields": {"namespace": namespace or "(all)", "because": str(error)}})
            return
        self._open[namespace] = None
        for tell in self.on_opened:
            tell(namespace)
