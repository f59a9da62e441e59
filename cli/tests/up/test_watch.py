"""Changes of files are told, whichever way an editor or a compiler writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from wasmcloud.watch import changes

PATIENCE_S = 20.0


class Watched:
    """A running watch: `told` waits for the next change."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self._told = asyncio.Queue[None]()

    async def run(self) -> None:
        async with aclosing(changes(lambda: self.paths)) as all_changes:
            async for _ in all_changes:
                self._told.put_nowait(None)

    async def told(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._told.get()


@asynccontextmanager
async def watching(*paths: Path) -> AsyncIterator[Watched]:
    watched = Watched(list(paths))
    task = asyncio.create_task(watched.run())
    await asyncio.sleep(0)  # the first look at the files
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def overwrite(file: Path) -> None:
    file.write_text("changed")


def replace(file: Path) -> None:
    beside = file.with_suffix(".new")
    beside.write_text("changed")
    beside.replace(file)


@pytest.mark.parametrize("write", [overwrite, replace, Path.unlink])
async def test_a_change_is_told(tmp_path: Path, write: Callable[[Path], None]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("first")
    async with watching(file) as watched:
        write(file)
        await watched.told()


async def test_each_of_two_changes_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("first")
    async with watching(file) as watched:
        overwrite(file)
        await watched.told()
        replace(file)
        await watched.told()


async def test_a_new_file_in_a_watched_folder_is_told(tmp_path: Path) -> None:
    async with watching(tmp_path) as watched:
        (tmp_path / "new.yaml").write_text("new")
        await watched.told()


async def test_a_file_in_a_folder_that_is_not_there_yet_is_told(tmp_path: Path) -> None:
    file = tmp_path / "target" / "release" / "a.wasm"
    async with watching(file) as watched:
        file.parent.mkdir(parents=True)
        file.write_text("built")
        await watched.told()


async def test_files_that_join_later_are_watched(tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "a", tmp_path / "two" / "b"
    for file in (first, second):
        file.parent.mkdir()
        file.write_text("first")
    async with watching(first) as watched:
        overwrite(first)
        await watched.told()
        watched.paths.append(second)
        await watched.told()  # once more, since what is watched has changed
        replace(second)
        await watched.told()
