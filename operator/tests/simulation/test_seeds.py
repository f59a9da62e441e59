"""Seeded simulations. A failing seed replays exactly: `pytest operator/tests/simulation --seed <number>`."""

from __future__ import annotations

import asyncio
import logging

from wasmcloud_operator.model.keys import Kind

from simulation import virtual_time
from simulation.faults import only
from simulation.scenario import Scenario
from simulation.spectator import READY, Broken, Spectator
from simulation.world import condition

CONVERGED_WITHIN_S = 400.0
"""The longest pause between two tries is 60 s, and lost news are found after 60 s; some of each may follow another."""
QUIET_S = 120.0
OUR_KINDS = (Kind.DEPLOYMENT, Kind.REPLICA_SET, Kind.WORKLOAD, Kind.ENDPOINT_SLICE)


def test_faults_break_nothing_and_everything_converges(seed: int) -> None:
    scenario = Scenario(seed)
    spectator = Spectator(scenario)
    logging.getLogger("wasmcloud_operator").addHandler(spectator)
    try:
        virtual_time.run(_simulate(scenario, spectator))
    except AssertionError as error:
        story = "\n".join(scenario.log)
        raise AssertionError(f"seed {seed}: {error}\n{story}\n{scenario.world.picture()}") from error
    finally:
        logging.getLogger("wasmcloud_operator").removeHandler(spectator)


async def _simulate(scenario: Scenario, spectator: Spectator) -> None:
    await scenario.begin()
    watching = asyncio.create_task(spectator.watch())
    try:
        await scenario.befall(scenario.chance.randint(5, 30))
        await scenario.calm_down()
        await _converged(scenario, spectator)
        await _quiet(scenario, spectator)
        if watching.done():
            await watching
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if scenario.world.engine is not None:
            await scenario.world.kill()
    left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []


async def _converged(scenario: Scenario, spectator: Spectator) -> None:
    """Wait until the spectator has no more to complain of."""
    deadline_s = scenario.world.clock.monotonic() + CONVERGED_WITHIN_S
    while True:
        try:
            spectator.judge()
        except Broken:
            if scenario.world.clock.monotonic() > deadline_s:
                raise
        else:
            return
        await asyncio.sleep(1.0)


async def _quiet(scenario: Scenario, spectator: Spectator) -> None:
    """Once all is well, nothing is written any more but the figures of hosts."""
    await asyncio.sleep(60.0)
    scenario.world.cluster.writes.clear()
    await asyncio.sleep(QUIET_S)
    spectator.judge()
    settled = all(condition(dict(body), "Deploy") == READY for body in scenario.world.store.objects(Kind.DEPLOYMENT))
    assert not settled or only(scenario.world.cluster.writes, *OUR_KINDS) == []
