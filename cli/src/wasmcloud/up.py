"""`wasmcloud up`: NATS, hosts and the operator's engine on this machine, for as long as the command runs."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from wasmcloud.addresses import Address, host_addresses, require_free
from wasmcloud.complaints import Broken, Complaint
from wasmcloud.components import Components
from wasmcloud.interrupt import run_until_interrupted
from wasmcloud.local_hosts import LocalHost, Surroundings, running_hosts
from wasmcloud.local_nats import LocalNats, running_nats
from wasmcloud.manifests import Manifests, read_manifests
from wasmcloud.options import Options
from wasmcloud.picture import picture_of
from wasmcloud.run_folder import run_folder
from wasmcloud.screen import Screen


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that was judged and can start."""

    options: Options
    addresses: Sequence[Address]
    manifests: Manifests
    components: Components
    folder: Path


def up(options: Options, screen: Screen) -> None:
    """Run until Ctrl-C. Raises a Complaint when it can't, and leaves no process and no folder behind either way."""
    with run_folder() as folder, _no_traceback(folder):
        addresses = host_addresses(options.http, options.host_count)
        components = Components(folder / "components")
        manifests = read_manifests(options.files, components)
        require_free(addresses)
        run_until_interrupted(_run(Plan(options, addresses, manifests, components, folder), screen))


async def _run(plan: Plan, screen: Screen) -> None:
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(running_nats(plan.folder))
        registries = plan.manifests.loopback_registries
        surroundings = Surroundings(nats.url, plan.components.folder, registries, logs=plan.folder)
        hosts = await stack.enter_async_context(running_hosts(plan.addresses, surroundings))
        stack.enter_context(_farewell(screen))
        await _serve(plan, screen, nats, hosts)


async def _serve(plan: Plan, screen: Screen, nats: LocalNats, hosts: Sequence[LocalHost]) -> None:
    screen.show(picture_of((), {host.host_id: host.address for host in hosts}))
    # Imported while the hosts start on another core: the engine and nats-py take longer to import than all the rest.
    from wasmcloud.applied import Applied  # noqa: PLC0415
    from wasmcloud.board import Board  # noqa: PLC0415
    from wasmcloud.control_plane import ControlPlane  # noqa: PLC0415
    from wasmcloud.reload import reload  # noqa: PLC0415

    is_watching = plan.options.is_watching
    registries = plan.manifests.loopback_registries
    plane = ControlPlane(nats.url, insecure_registries=registries, log=plan.folder / "operator.log")
    board = Board(hosts, screen, plan.components, ends_when_hopeless=not is_watching)

    async def apply() -> None:
        await board.hosts_joined()  # or all replicas would be placed on the host that is first
        applied = Applied(plane.store)
        await applied.become(plan.manifests)
        if is_watching:
            await reload(plan.options.files, plan.manifests, applied, plan.components, screen)

    parts = (plane.run(), plane.store.run(board.see), board.draw(), apply(), _require_alive(nats))
    try:
        async with asyncio.TaskGroup() as group:
            for part in (*parts, *(board.follow(host) for host in hosts)):
                group.create_task(part)
    except BaseExceptionGroup as group_error:
        raise _cause(group_error) from group_error


@contextmanager
def _farewell(screen: Screen) -> Iterator[None]:
    """Show the run on the screen, and say in its end that it takes a moment."""
    with screen:
        try:
            yield
        except asyncio.CancelledError:
            screen.say("Ending. Ctrl-C again doesn't wait for requests.")
            raise


@contextmanager
def _no_traceback(folder: Path) -> Iterator[None]:
    """Turn a mistake of ours into one sentence; its traceback is among the logs that are kept."""
    try:
        yield
    except Complaint:
        raise
    except Exception as error:
        (folder / "wasmcloud.log").write_text(traceback.format_exc())
        raise Broken(
            f"This is a mistake of wasmcloud itself ({type(error).__name__}: {error}); please report it."
        ) from error


async def _require_alive(nats: LocalNats) -> None:
    await nats.child.process.wait()
    raise Broken(nats.child.end())


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what a person should hear of several failures: a Complaint before anything else."""
    complaints = group.subgroup(Complaint)
    found: BaseException = complaints or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
