"""The hosts that the operator knows: what they last said, and whether they are there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from wasmcloud_api.names import HostId, HostName
from wasmcloud_api.wire import HostHeartbeat, WireError, decode

from wasmcloud_operator.decide.hosts import Contact, is_gone, is_silent_too_long
from wasmcloud_operator.decide.schedule import Candidate, Rules, is_under_pressure
from wasmcloud_operator.engine.measure import Measure
from wasmcloud_operator.engine.ports import Bus, Clock
from wasmcloud_operator.model.hosts import HostView, Liveness

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Member:
    """One host. Times on the monotonic clock, ``seen_s`` in seconds since the epoch."""

    host_id: HostId
    name: HostName
    liveness: Liveness
    contact: Contact
    view: HostView | None = None
    seen_s: float = 0.0
    lost_since_s: float = 0.0
    lost_because: str = ""

    @property
    def started_at(self) -> datetime | None:
        """When the host's process started, by its own word."""
        return self.view.beat.started_at if self.view else None


class Fleet:
    """All hosts, by id. Hears heartbeats, and tells its listeners what became of a host."""

    def __init__(self, bus: Bus, clock: Clock, measure: Measure, *, rules: Rules, silent_timeout_s: float) -> None:
        self._bus = bus
        self._clock = clock
        self._measure = measure
        self._rules = rules
        self._silent_timeout_s = silent_timeout_s
        self._members: dict[HostId, Member] = {}
        self._names: dict[HostName, HostId] = {}
        self._candidates: list[Candidate] | None = None
        self._connection = bus.connection_count()
        self._connected_since_s = clock.monotonic()
        self._started_s = clock.monotonic()
        self.on_joined: list[Callable[[Member], None]] = []
        self.on_changed: list[Callable[[Member], None]] = []
        self.on_lost: list[Callable[[Member], None]] = []
        self.on_beat: list[Callable[[Member], None]] = []
        self.on_returning: list[Callable[[Member], None]] = []
        self.on_forgotten: list[Callable[[HostId], None]] = []

    def hear(self, host_id: str, payload: bytes) -> None:
        """Take in a published heartbeat. It makes a host known; whether a lost one is back, only a probe tells."""
        try:
            beat = decode(HostHeartbeat, payload)
        except WireError as error:
            self._refuse("unreadable", host_id, str(error))
            return
        if beat.id != host_id:
            self._refuse("forged", host_id, "its id is not that of the subject")
            return
        member = self._members.get(HostId(beat.id))
        if member is None or member.liveness is Liveness.LIVE:
            self.take(beat)
        else:
            for tell in self.on_returning:
                tell(member)

    def take(self, beat: HostHeartbeat) -> None:
        """Take in a heartbeat that a host was heard to send now."""
        host_id, name = HostId(beat.id), HostName(beat.friendly_name)
        holder = self.named(name)
        if holder is not None and holder.host_id != host_id and holder.liveness is Liveness.LIVE:
            self._refuse("name_taken", beat.id, f'the name "{name}" belongs to the live host "{holder.host_id}"')
            return
        member = self._members.get(host_id)
        if member is None:
            contact = Contact(self._clock.monotonic(), self._bus.connection_count())
            member = Member(host_id, name, Liveness.UNKNOWN, contact)
            self._members[host_id] = member
        if self._names.get(member.name) == host_id:
            del self._names[member.name]
        self._names[name] = host_id
        before, view = member.view, HostView(beat)
        member.name, member.view, member.seen_s = name, view, self._clock.now()
        has_joined = member.liveness is not Liveness.LIVE
        if has_joined or before is None or _placing_facts(before, self._rules) != _placing_facts(view, self._rules):
            member.liveness = Liveness.LIVE
            self._tell(self.on_joined if has_joined else self.on_changed, member)
        elif before.beat != view.beat:
            self._candidates = None
        self._tell_only(self.on_beat, member)

    def answered(self, beat: HostHeartbeat) -> None:
        """Take in the answer to a probe."""
        member = self._members.get(HostId(beat.id))
        if member is not None:
            self._touch_contact(member)
        self.take(beat)

    def recorded(self, host_id: HostId, name: HostName) -> None:
        """Take in a host that a Host object speaks of. It gets its time to answer before it is judged."""
        if host_id and host_id not in self._members:
            contact = Contact(self._clock.monotonic(), -1)
            self._members[host_id] = Member(host_id, name, Liveness.UNKNOWN, contact)
            self._names.setdefault(name, host_id)
            self._candidates = None

    def forget(self, host_id: HostId) -> None:
        """Forget a lost host."""
        member = self._members.pop(host_id, None)
        if member is not None and self._names.get(member.name) == host_id:
            del self._names[member.name]
        self._candidates = None
        for tell in self.on_forgotten:
            tell(host_id)

    def no_responders(self, host_id: HostId) -> None:
        """Take in that nobody listens for a host any more."""
        member = self._members.get(host_id)
        if member is not None and is_gone(member.contact, connection=self._bus.connection_count()):
            self._lose(member, "the host's connection to NATS is gone")

    def judge(self) -> None:
        """Look which hosts were silent for too long. While we have no connection ourselves, nobody is judged."""
        self.notice_connection()
        if not self._bus.is_connected():
            return
        for member in list(self._members.values()):
            if member.liveness is not Liveness.LOST and self._is_silent(member):
                self._lose(member, f"the host has not answered for {self._silent_timeout_s:g} s")

    def doubt_all(self) -> None:
        """Give every host its full time to answer: nobody asked them so far, and published heartbeats prove little."""
        self._connected_since_s = self._clock.monotonic()
        self._candidates = None
        for member in self._members.values():
            member.liveness = Liveness.UNKNOWN

    def notice_connection(self) -> None:
        """Give every host its full time anew when our own connection was away."""
        now_s = self._clock.monotonic()
        if self._bus.connection_count() != self._connection or not self._bus.is_connected():
            self._connection = self._bus.connection_count()
            self._connected_since_s = now_s

    def liveness(self, host_id: HostId) -> Liveness:
        """Return what is known of a host; one that nobody ever spoke of is given as much time as a silent one."""
        member = self._members.get(host_id)
        if member is not None:
            return member.liveness
        since_s = max(self._started_s, self._connected_since_s)
        grace_is_over = self._clock.monotonic() - since_s > self._silent_timeout_s
        return Liveness.LOST if grace_is_over and self._bus.is_connected() else Liveness.UNKNOWN

    def member(self, host_id: HostId) -> Member | None:
        """Return a host by id."""
        return self._members.get(host_id)

    def named(self, name: str) -> Member | None:
        """Return the host that has a name: the last one where several have had it."""
        host_id = self._names.get(HostName(name))
        return None if host_id is None else self._members.get(host_id)

    def members(self) -> list[Member]:
        """All hosts."""
        return list(self._members.values())

    def candidates(self) -> list[Candidate]:
        """Return the hosts as placing sees them."""
        if self._candidates is None:
            views = ((m.view, m.liveness is Liveness.LIVE) for m in self._members.values())
            self._candidates = [Candidate(view, is_live) for view, is_live in views if view is not None]
        return self._candidates

    def draining(self) -> frozenset[HostId]:
        """Return the live hosts that want to be rid of their workloads."""
        return frozenset(c.view.host_id for c in self.candidates() if c.is_live and c.view.is_draining)

    def has_unknown(self) -> bool:
        """Whether a host may still turn out to be there."""
        return any(member.liveness is Liveness.UNKNOWN for member in self._members.values())

    def _is_silent(self, member: Member) -> bool:
        return is_silent_too_long(
            member.contact,
            connected_since_s=self._connected_since_s,
            now_s=self._clock.monotonic(),
            silent_timeout_s=self._silent_timeout_s,
        )

    def _touch_contact(self, member: Member) -> None:
        member.contact = Contact(self._clock.monotonic(), self._bus.connection_count())

    def _lose(self, member: Member, because: str) -> None:
        if member.liveness is Liveness.LOST:
            return
        log.warning("host_lost", extra={"fields": {"host_id": member.host_id, "because": because}})
        member.liveness, member.lost_because = Liveness.LOST, because
        member.lost_since_s = self._clock.monotonic()
        self._tell(self.on_lost, member)

    def _tell(self, listeners: list[Callable[[Member], None]], member: Member) -> None:
        self._candidates = None
        self._tell_only(listeners, member)

    def _tell_only(self, listeners: list[Callable[[Member], None]], member: Member) -> None:
        for tell in listeners:
            tell(member)

    def _refuse(self, why: str, host_id: str, message: str) -> None:
        self._measure.count("heartbeats_refused", why=why)
        log.warning("heartbeat_refused", extra={"fields": {"why": why, "host_id": host_id, "because": message}})


def _placing_facts(view: HostView, rules: Rules) -> tuple[object, ...]:
    """Return what may let a waiting workload in, or move a route, when it changes."""
    beat = view.beat
    where = (beat.friendly_name, beat.hostname, beat.http_port)
    return (where, beat.labels, beat.environment, view.offers, is_under_pressure(view, rules))
