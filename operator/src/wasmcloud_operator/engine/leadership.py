"""Holds a Lease, so that of several operators one acts. The others are standbys: they watch and listen."""

from __future__ import annotations

import logging
import math

from wasmcloud_operator.decide.leadership import (
    RENEW_DEADLINE_S,
    RETRY_S,
    LeaseRecord,
    Sighting,
    claim,
    given_back,
    may_take,
    sighted,
)
from wasmcloud_operator.engine.ports import Clock, ClusterError, Conflict, Lease, NotFound

log = logging.getLogger(__name__)


class LeadershipLost(Exception):
    """The Lease could not be renewed, or is another's."""


class Leadership:
    """Whether this process leads. Without a Lease it always does."""

    def __init__(self, lease: Lease | None, identity: str, clock: Clock) -> None:
        self._lease = lease
        self._identity = identity
        self._clock = clock
        self._sighting: Sighting | None = None
        self._held_until_s = math.inf if lease is None else -math.inf

    def is_held(self) -> bool:
        """Whether this process may act now. Asked before each act, for a process may be stopped and go on later."""
        return self._clock.monotonic() < self._held_until_s

    async def acquire(self) -> None:
        """Wait until this process leads. Waiters look at different moments."""
        if self._lease is None:
            return
        while not await self._try(self._lease):
            await self._clock.sleep(RETRY_S * (0.5 + self._clock.chance() / 2))
        log.info("leading", extra={"fields": {"identity": self._identity}})

    async def keep(self) -> None:
        """Renew until cancelled. Raises LeadershipLost; ends at once where there is nothing to renew."""
        while self._lease is not None:
            left_s = self._held_until_s - self._clock.monotonic()
            await self._clock.sleep(min(RETRY_S, max(0.0, left_s)))
            if not await self._try(self._lease) and not self.is_held():
                self._let_go("leadership_lost")
                raise LeadershipLost(f'"{self._identity}" does not lead any more')

    async def give_back(self) -> None:
        """Let another lead at once, if this process does. Nothing that it leads may be running any more."""
        if self._lease is None or self._sighting is None or not self.is_held():
            return
        self._let_go("leadership_given_back")
        try:
            await self._write(self._lease, given_back(self._sighting.record, now_s=self._clock.now()))
        except ClusterError as error:
            log.warning("lease_not_given_back", extra={"fields": {"because": str(error)}})

    async def _try(self, lease: Lease) -> bool:
        """Take or renew the Lease."""
        asked_s = self._clock.monotonic()
        try:
            is_done = self.is_held() and await self._renew(lease)
            if not is_done and not await self._take(lease):
                self._held_until_s = -math.inf
                return False
        except ClusterError as error:
            log.warning("lease_not_renewed", extra={"fields": {"because": str(error)}})
            return False
        self._held_until_s = asked_s + RENEW_DEADLINE_S
        return True

    async def _renew(self, lease: Lease) -> bool:
        """Write over what was written last; False when that is not there any more."""
        if self._sighting is None:
            return False
        try:
            await self._write(lease, claim(self._sighting.record, self._identity, now_s=self._clock.now()))
        except (Conflict, NotFound):
            return False
        return True

    async def _take(self, lease: Lease) -> bool:
        """Look who holds the Lease, and write it if it may be taken."""
        record = await lease.read()
        now_s = self._clock.monotonic()
        self._sighting = sighted(self._sighting, record, now_s=now_s)
        if not may_take(self._sighting, self._identity, now_s=now_s):
            return False
        await self._write(lease, claim(record, self._identity, now_s=self._clock.now()))
        return True

    async def _write(self, lease: Lease, record: LeaseRecord) -> None:
        stored = await lease.write(record)
        self._sighting = sighted(self._sighting, stored, now_s=self._clock.monotonic())

    def _let_go(self, event: str) -> None:
        self._held_until_s = -math.inf
        log.info(event, extra={"fields": {"identity": self._identity}})
