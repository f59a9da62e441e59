"""The live table of `wasmcloud up` in a terminal."""

from __future__ import annotations

from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wasmcloud.picture import Picture, WorkloadRow

_STYLES = {"ready": "green", "Running": "green", "starting": "yellow", "Starting": "yellow"}


class LiveScreen:
    """Keeps the table at the bottom of the terminal; lines that are said scroll above it. In the end the table goes."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    @property
    def can_move(self) -> bool:
        """Whether the terminal can redraw what was written (TERM=dumb can't)."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def show(self, picture: Picture) -> None:
        """Redraw."""
        self._live.update(_drawn(picture), refresh=True)

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._console.print(Text(line))


def _drawn(picture: Picture) -> RenderableType:
    links = [link for row in picture.workloads for link in row.links]
    troubles = [_trouble(row) for row in picture.workloads if row.message]
    opened = [
        Text.assemble(("Open  " if number == 0 else "      "), (link, "bold cyan")) for number, link in enumerate(links)
    ]
    end = Text("Ctrl-C ends it all.", style="dim")
    return Group(_hosts(picture), Text(), _workloads(picture), *troubles, Text(), *opened, end)


def _hosts(picture: Picture) -> Table:
    table = _table("HOST", "ADDRESS", "STATE", "WORKLOADS")
    for row in picture.hosts:
        table.add_row(row.name, str(row.address), _state(row.state), str(row.workload_count))
    return table


def _workloads(picture: Picture) -> Table:
    table = _table("WORKLOAD", "READY", "STATE")
    for row in picture.workloads:
        style = "bold red" if row.is_failed else _STYLES.get(row.state, "yellow")
        table.add_row(row.name, f"{row.ready_count}/{row.wanted_count}", Text(row.state, style=style))
    return table


def _trouble(row: WorkloadRow) -> Text:
    return Text(f"{row.name}: {row.message}", style="red" if row.is_failed else "dim")


def _state(state: str) -> Text:
    return Text(state, style=_STYLES.get(state, "bold red"))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
