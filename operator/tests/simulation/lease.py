"""One Lease for several simulated operators, and what each of them did while it held it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace

from wasmcloud_operator.decide.leadership import LeaseRecord
from wasmcloud_operator.engine.engine import Engine
from wasmcloud_operator.engine.leadership import Leadership
from wasmcloud_operator.engine.ports import AlreadyExists, Conflict, Hear, NotFound, Unavailable
from wasmcloud_operator.model.keys import Ref

from simulation.bus import SimBus
from simulation.faults import ShakyCluster
from simulation.world import World

CALL_S = 0.005


@dataclass
class Logbook:
    """The Lease as it is stored, and all acts in their order: who took it, who wrote or spoke to a host."""

    record: LeaseRecord | None = None
    version: int = 0
    acts: list[tuple[str, str]] = field(default_factory=list)

    def leader_broken(self) -> list[tuple[str, str]]:
        """Return the acts of those who did not lead: each must follow its own taking, with no other's between."""
        leader, broken = "", []
        for who, act in self.acts:
            if act == "take":
                leader = who
            elif who != leader:
                broken.append((who, act))
        return broken


@dataclass
class SimLease:
    """Implements the port Lease for one operator, which may be cut off from the API server."""

    book: Logbook
    who: str
    is_cut: bool = False
    delay_s: float = CALL_S

    async def read(self) -> LeaseRecord | None:
        await self._reach()
        return self.book.record

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        await self._reach()
        known, book = self.book.record, self.book
        if known is None and record.version:
            raise NotFound("the lease is gone")
        if known is not None and not record.version:
            raise AlreadyExists("there is a lease")
        if known is not None and known.version != record.version:
            raise Conflict("the lease has changed")
        if record.holder and (known is None or known.holder != record.holder):
            book.acts.append((self.who, "take"))
        book.version += 1
        book.record = replace(record, version=str(book.version))
        stored = book.record
        await self._reach()
        return stored

    async def _reach(self) -> None:
        await asyncio.sleep(self.delay_s)
        if self.is_cut:
            raise Unavailable("connection refused")


class _Writes(list[tuple[str, Ref]]):
    """Writes of one operator, which go into the logbook too."""

    def __init__(self, book: Logbook, who: str) -> None:
        super().__init__()
        self._book, self._who = book, who

    def append(self, write: tuple[str, Ref]) -> None:
        super().append(write)
        self._book.acts.append((self._who, f"{write[0]} {write[1]}"))


@dataclass
class _LoggedBus:
    """The bus of one operator: notes that it spoke to a host."""

    bus: SimBus
    book: Logbook
    who: str

    async def run(self, hear: Hear) -> None:
        await self.bus.run(hear)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        self.book.acts.append((self.who, subject))
        return await self.bus.request(subject, payload, timeout_s=timeout_s)

    def is_connected(self) -> bool:
        return self.bus.is_connected()

    def connection_count(self) -> int:
        return self.bus.connection_count()


class Operator:
    """One of several operators in one world, with a Lease between them."""

    def __init__(self, who: str, world: World, book: Logbook) -> None:
        self.who = who
        self.lease = SimLease(book, who)
        self.cluster = ShakyCluster(world.store, world.clock, random.Random(who), writes=_Writes(book, who))
        self._world = world
        self._bus = _LoggedBus(world.bus, book, who)
        self._leadership = Leadership(self.lease, who, world.clock)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it; as a program does, it begins anew whenever it loses the lead."""
        self._task = asyncio.create_task(self._terms())

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def kill(self) -> None:
        """End it as SIGKILL does: nothing more reaches the Lease."""
        self.lease.is_cut = True
        await self.stop()

    @property
    def is_running(self) -> bool:
        return self._task is not None

    def is_leading(self) -> bool:
        return self._leadership.is_held()

    async def _terms(self) -> None:
        world = self._world
        while True:
            ports = (self.cluster, self.cluster, self._bus, world.registry, world.clock)
            await Engine(*ports, world.options, leadership=self._leadership).run()
