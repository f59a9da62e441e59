"""The life of workloads, one story a test, on virtual time."""

from __future__ import annotations

from simulation import virtual_time
from simulation.hosts import SimHost
from simulation.world import World, condition, deployment
from wasmcloud_operator.model.keys import Kind


def test_a_deployment_becomes_ready() -> None:
    async def story() -> None:
        world = World()
        host = world.add_host(SimHost("h1", "host-one"))
        await world.start()
        world.apply(deployment())
        await world.until(lambda: condition(world.get(Kind.DEPLOYMENT, "hello")) == ("True", "Available"))
        print(world.picture(), world.clock.monotonic())
        assert len(host.running) == 1
        await world.kill()

    virtual_time.run(story())
