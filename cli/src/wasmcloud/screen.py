"""How a run is shown: a live table in a terminal, a line for each change anywhere else."""

from __future__ import annotations

import sys
from typing import Protocol, Self

from wasmcloud.picture import Picture, WorkloadRow


class Screen(Protocol):
    """Where a run is shown. Used as a context; afterwards the terminal is as it was."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def show(self, picture: Picture) -> None:
        """Show the present state."""

    def say(self, line: str) -> None:
        """Show a line that stays: a guest's output, or what a changed file led to."""


def screen_for_stdout() -> Screen:
    """Return the live table when standard output is a terminal that can move its cursor, else plain lines."""
    if sys.stdout.isatty():
        from wasmcloud.live_screen import LiveScreen  # noqa: PLC0415 - rich costs 0.1 s

        live = LiveScreen()
        if live.can_move:
            return live
    return PlainScreen()


class PlainScreen:
    """A line for each change, for logs and pipes."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def show(self, picture: Picture) -> None:
        """Print what wasn't so in the picture before."""
        now = dict.fromkeys(plain_lines(picture))
        for line in now:
            if line not in self._shown:
                self.say(line)
        self._shown = set(now)

    def say(self, line: str) -> None:
        """Print a line."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def plain_lines(picture: Picture) -> list[str]:
    """Return the picture, a line for each thing that can change."""
    hosts = [f"{row.name} ({row.address}): {row.state}" for row in picture.hosts]
    return hosts + [line for row in picture.workloads for line in _workload_lines(row)]


def _workload_lines(row: WorkloadRow) -> list[str]:
    state = f"{row.name}: {row.state}, {row.ready_count} of {row.wanted_count} ready"
    told = [f"{state}: {row.message}" if row.message else state]
    return told + [f"{row.name}: {link}" for link in row.links]
