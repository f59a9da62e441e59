"""Follows what happens, and keeps the screen true to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wasmcloud_api.names import HostId
from wasmcloud_operator.engine.ports import JsonObject
from wasmcloud_operator.model.keys import Key, Kind, Ref

from wasmcloud.complaints import Broken, CannotRun
from wasmcloud.components import Components
from wasmcloud.guest_output import guest_line
from wasmcloud.local_hosts import LocalHost
from wasmcloud.picture import Picture, picture_of
from wasmcloud.screen import Screen

_JOIN_WITHIN_S = 30.0
_REDRAW_S = 0.05
"""Changes come in bursts; a person sees no difference below this."""
_MOST_LINES = 50
"""Most lines of guests in one redraw; all are in the host's log."""


class Board:
    """The present state of hosts and objects."""

    def __init__(
        self, hosts: Sequence[LocalHost], screen: Screen, components: Components, *, ends_when_hopeless: bool
    ) -> None:
        self._addresses = {host.host_id: host.address for host in hosts}
        self._screen = screen
        self._components = components
        self._ends_when_hopeless = ends_when_hopeless
        self._objects: dict[Ref, JsonObject] = {}
        self._gone: set[HostId] = set()
        self._lines: list[str] = []
        self._line_count = 0
        self._joined = asyncio.Event()
        self._changed = asyncio.Event()
        self._changed.set()

    def see(self, kind: Kind, body: JsonObject, gone: bool) -> None:
        """Take note of an object of the store."""
        metadata = body["metadata"]
        ref = Ref(kind, Key(metadata["namespace"], metadata["name"]))
        if gone:
            self._objects.pop(ref, None)
        else:
            self._objects[ref] = body
        self._changed.set()

    async def draw(self) -> None:
        """Redraw after each change. Raises CannotRun when nothing can start and nobody is going to change that."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._say()
            picture = self._picture()
            self._screen.show(picture)
            if picture.has_all_hosts:
                self._joined.set()
            if picture.is_hopeless and self._ends_when_hopeless:
                raise CannotRun(*(f"{row.name} can't start: {row.message}" for row in picture.workloads))
            await asyncio.sleep(_REDRAW_S)

    async def follow(self, host: LocalHost) -> None:
        """Show what the host's guests write. Raises Broken when the last host process ended."""
        async for line in host.child.lines():
            said = guest_line(line)
            if said is not None:
                self._said(said)
                # A guest that never stops printing must not keep the operator in this process from its work.
                await asyncio.sleep(0)
        await host.child.process.wait()
        self._gone.add(host.host_id)
        self._changed.set()
        if len(self._gone) == len(self._addresses):
            raise Broken(host.child.end())
        self._said(host.child.end())

    async def hosts_joined(self) -> None:
        """Wait until all hosts are there. Raises Broken when one doesn't join in time."""
        try:
            async with asyncio.timeout(_JOIN_WITHIN_S):
                await self._joined.wait()
        except TimeoutError:
            late = [row.name for row in self._picture().hosts if row.state == "starting"]
            raise Broken(f"{', '.join(late)} did not join within {_JOIN_WITHIN_S:g} s.") from None

    def _said(self, line: str) -> None:
        """Take a line for the next redraw; of a flood only the beginning is shown."""
        self._line_count += 1
        if self._line_count <= _MOST_LINES:
            self._lines.append(line)
        self._changed.set()

    def _say(self) -> None:
        more = self._line_count - len(self._lines)
        if self._lines:
            self._screen.say("\n".join([*self._lines, *([f"({more} more lines)"] if more else [])]))
        self._lines, self._line_count = [], 0

    def _picture(self) -> Picture:
        return picture_of(self._objects.values(), self._addresses, self._gone, told_as=self._components.as_written)
