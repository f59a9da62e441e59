"""Asks every host for a heartbeat, often: a host that died is noticed in a fraction of a second.

NATS answers "no responders" at once for a host whose connection is gone. A request that was on its way when the host
died hangs until its time limit, so probes never wait for one another.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from wasmcloud_api.names import HostId
from wasmcloud_api.wire import WireError

from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.fleet import Member
from wasmcloud_operator.engine.ports import BusError, NoResponders
from wasmcloud_operator.model.hosts import Liveness

log = logging.getLogger(__name__)

SECOND_LOOK_S: Final = 0.1
"""Between the two "no responders" that mean a host is gone."""

LOST_INTERVAL_S: Final = 5.0
"""How often a lost host is asked whether it is back, beside the heartbeat that it publishes then."""

SILENCE_CHECK_S: Final = 0.25


class Prober:
    """Probes hosts, and judges those that stay silent."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loops: dict[HostId, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Probe all hosts, those that join later too, until cancelled."""
        while True:
            self._context.fleet.judge()
            for member in self._context.fleet.members():
                self.follow(member)
            await self._context.clock.sleep(SILENCE_CHECK_S)

    def follow(self, member: Member) -> None:
        """Probe a host from now on, as long as the fleet knows it."""
        if member.host_id not in self._loops:
            name = f"probe {member.host_id}"
            self._loops[member.host_id] = self._context.tasks.spawn(self._loop(member.host_id), name)

    def ask(self, host_id: HostId) -> None:
        """Probe a host once, now."""
        self._context.tasks.spawn(self._probe(host_id), f"probe {host_id} once")

    async def _loop(self, host_id: HostId) -> None:
        first = True
        while (member := self._context.fleet.member(host_id)) is not None:
            if member.liveness is Liveness.LIVE and first:
                await self._context.clock.sleep(self._interval_s(member) * self._context.clock.chance())
            first = False
            self.ask(host_id)
            await self._context.clock.sleep(self._interval_s(member))
        del self._loops[host_id]

    def _interval_s(self, member: Member) -> float:
        if member.liveness is Liveness.LOST:
            return LOST_INTERVAL_S
        options = self._context.options
        return max(options.probe_interval_s, len(self._loops) / options.probe_budget_per_s)

    async def _probe(self, host_id: HostId) -> None:
        try:
            await self._heartbeat(host_id)
        except NoResponders:
            await self._look_twice(host_id)
        except WireError as error:
            log.warning("probe_unreadable", extra={"fields": {"host_id": host_id, "because": str(error)}})
        except BusError as error:
            log.debug("probe_unanswered", extra={"fields": {"host_id": host_id, "because": str(error)}})

    async def _look_twice(self, host_id: HostId) -> None:
        await self._context.clock.sleep(SECOND_LOOK_S)
        try:
            await self._heartbeat(host_id)
        except NoResponders:
            self._context.fleet.notice_connection()
            self._context.fleet.no_responders(host_id)
        except (BusError, WireError):
            log.debug("second_probe_unanswered", extra={"fields": {"host_id": host_id}})

    async def _heartbeat(self, host_id: HostId) -> None:
        self._context.fleet.answered(await self._context.commands.heartbeat(host_id))
