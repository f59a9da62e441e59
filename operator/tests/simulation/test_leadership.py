"""Several operators, one Lease: never do two act, and whoever takes over doubles nothing."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import AsyncIterator

import pytest
from wasmcloud_operator.decide.leadership import LEASE_DURATION_S, RENEW_DEADLINE_S
from wasmcloud_operator.model.keys import Kind

from simulation import virtual_time
from simulation.hosts import SimHost
from simulation.lease import Logbook, Operator
from simulation.world import World, condition, deployment, told

READY = ("True", "Available")


@contextlib.asynccontextmanager
async def running(world: World, book: Logbook, *names: str) -> AsyncIterator[list[Operator]]:
    """Operators, of which the first leads."""
    operators = [Operator(name, world, book) for name in names]
    try:
        for operator in operators:
            operator.start()
            await world.until(operators[0].is_leading)
        yield operators
    finally:
        for operator in operators:
            await operator.stop()
    assert book.leader_broken() == []


def is_ready(world: World) -> bool:
    return condition(world.get(Kind.DEPLOYMENT, "hello")) == READY


def hosts(world: World) -> list[SimHost]:
    return [world.add_host(SimHost(f"h{n}", f"host-{n}")) for n in range(3)]


def assert_nothing_doubled(world: World, found: list[SimHost], count: int) -> None:
    assert sum(len(host.running) for host in found) == count
    assert len(world.workloads()) == count


@told
async def test_a_standby_writes_nothing_and_says_nothing_to_hosts(world: World) -> None:
    book = Logbook()
    found = hosts(world)
    async with running(world, book, "a", "b") as (a, b):
        world.apply(deployment(replicas=6))
        await world.until(lambda: is_ready(world))
        await virtual_time.sleep(600)
        assert {who for who, _ in book.acts} == {"a"}
        assert a.is_leading()
        assert not b.is_leading()
        assert_nothing_doubled(world, found, 6)


@told
async def test_a_stopped_leader_hands_over_within_two_seconds(world: World) -> None:
    book = Logbook()
    found = hosts(world)
    async with running(world, book, "a", "b") as (a, b):
        world.apply(deployment(replicas=6))
        await world.until(lambda: is_ready(world))
        await virtual_time.sleep(60)
        starts = world.bus.requests["workload.start"]
        await a.stop()
        await world.until(b.is_leading, within_s=2.1)
        world.apply(deployment(replicas=9))
        await world.until(lambda: is_ready(world) and len(world.workloads()) == 9, within_s=2)
        assert world.bus.requests["workload.start"] == starts + 3
        assert_nothing_doubled(world, found, 9)


@told
async def test_after_a_crash_the_lease_runs_out_first(world: World) -> None:
    book = Logbook()
    found = hosts(world)
    async with running(world, book, "a", "b") as (a, b):
        world.apply(deployment(replicas=6))
        await world.until(lambda: is_ready(world))
        await a.kill()
        found[0].die()
        await virtual_time.sleep(LEASE_DURATION_S - 3)
        assert not b.is_leading()
        await world.until(b.is_leading, within_s=6)
        await world.until(lambda: len(found[1].running) + len(found[2].running) == 6, within_s=15)
        await world.until(lambda: is_ready(world))
        assert_nothing_doubled(world, found[1:], 6)


@told
async def test_who_can_not_renew_stops_before_another_begins(world: World) -> None:
    book = Logbook()
    hosts(world)
    async with running(world, book, "a", "b") as (a, b):
        await virtual_time.sleep(30)
        a.lease.is_cut = True
        await world.until(lambda: not a.is_leading(), within_s=RENEW_DEADLINE_S + 0.1)
        acts = len(book.acts)
        assert not b.is_leading()
        world.apply(deployment(replicas=3))
        await world.until(b.is_leading, within_s=10)
        assert {who for who, _ in book.acts[acts:]} == {"b"}
        await world.until(lambda: is_ready(world))
        a.lease.is_cut = False
        await virtual_time.sleep(120)
        assert b.is_leading()
        assert not a.is_leading()
        await b.stop()
        await world.until(a.is_leading, within_s=2.1)


@told
async def test_a_lease_that_vanishes_makes_no_second_leader(world: World) -> None:
    book = Logbook()
    hosts(world)
    async with running(world, book, "a", "b") as (a, b):
        world.apply(deployment(replicas=6))
        for _ in range(20):
            await virtual_time.sleep(world.chance.uniform(0.5, 5))
            book.record = None
            assert not b.is_leading()
        await virtual_time.sleep(30)
        assert a.is_leading()
        assert not b.is_leading()


@told
async def test_a_lease_that_another_wrote_ends_the_term_at_once(world: World) -> None:
    book = Logbook()
    async with running(world, book, "a") as (a,):
        assert book.record is not None
        await a.lease.write(dataclasses.replace(book.record, holder="stranger"))
        await world.until(lambda: not a.is_leading(), within_s=2.2)
        await world.until(a.is_leading, within_s=LEASE_DURATION_S + 3)


@told
async def test_a_process_that_was_stopped_for_long_does_nothing_when_it_goes_on(world: World) -> None:
    book = Logbook()
    hosts(world)
    async with running(world, book, "a", "b") as (a, b):
        a.lease.delay_s = 60.0
        world.apply(deployment(replicas=3))
        await world.until(b.is_leading, within_s=40)
        assert not a.is_leading()
        await world.until(lambda: is_ready(world))


@told
async def test_dead_hosts_that_a_standby_heard_of_are_not_brought_back(world: World) -> None:
    book = Logbook()
    found = hosts(world)
    async with running(world, book, "a", "b") as (a, b):
        await world.until(lambda: len(world.store.objects(Kind.HOST)) == 3)
        found[0].die()
        await virtual_time.sleep(400)
        assert len(world.store.objects(Kind.HOST)) == 2
        await a.stop()
        await world.until(b.is_leading)
        await virtual_time.sleep(30)
        assert len(world.store.objects(Kind.HOST)) == 2


@pytest.mark.parametrize("luck", range(25))
def test_whatever_befalls_them_never_do_two_act(luck: int) -> None:
    async def story(world: World) -> None:
        chance, book = random.Random(luck), Logbook()
        found = hosts(world)
        async with running(world, book, "a", "b", "c") as operators:
            for _ in range(chance.randint(5, 25)):
                await asyncio.sleep(chance.expovariate(1 / 6))
                await befall(chance, world, book, chance.choice(operators))
            for operator in operators:
                operator.lease.is_cut, operator.lease.delay_s = False, 0.005
                if not operator.is_running:
                    operator.start()
            world.apply(deployment(replicas=5))
            await world.until(lambda: any(one.is_leading() for one in operators), within_s=60)
            await world.until(lambda: is_ready(world) and len(world.workloads()) == 5, within_s=120)
            await virtual_time.sleep(60)
            assert_nothing_doubled(world, found, 5)

    told(story)()


async def befall(chance: random.Random, world: World, book: Logbook, operator: Operator) -> None:
    match chance.choice(["stop", "kill", "start", "cut", "mend", "slow", "vanish", "change"]):
        case "stop":
            await operator.stop()
        case "kill":
            await operator.kill()
        case "start" if not operator.is_running:
            operator.lease.is_cut = False
            operator.start()
        case "cut":
            operator.lease.is_cut = True
        case "mend":
            operator.lease.is_cut, operator.lease.delay_s = False, 0.005
        case "slow":
            operator.lease.delay_s = chance.uniform(0.5, 9.0)
        case "vanish":
            book.record = None
        case "change":
            world.apply(deployment(replicas=chance.randint(1, 6)))
