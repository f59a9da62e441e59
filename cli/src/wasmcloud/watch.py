"""Changes of the files that a run was read from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from pathlib import Path

from watchfiles import awatch

_LOOK_AGAIN_MS = 1000
"""File systems that don't tell of changes (network mounts, containers' bind mounts) are looked at this often."""

Stamp = tuple[tuple[str, int, int, int], ...]


async def changes(watched: Callable[[], Sequence[Path]]) -> AsyncGenerator[None, None]:
    """Yield whenever one of the files has other content, is gone or is there again.

    ``watched`` is asked anew each time, because a changed manifest may name other files (which yields once more than
    needed). A folder stands for the files in it. A change during the work on the last one is not missed.
    """
    seen = stamp(watched())
    while True:
        folders = _folders(watched())
        async for _ in awatch(
            *folders, recursive=False, watch_filter=None, rust_timeout=_LOOK_AGAIN_MS, yield_on_timeout=True
        ):
            now = stamp(watched())
            if now != seen:
                seen = now
                yield
            if _folders(watched()) != folders:
                break


def stamp(paths: Sequence[Path]) -> Stamp:
    """Return what tells one content of the files from another without reading them."""
    return tuple(_file_stamp(file) for path in paths for file in _files(path))


def _files(path: Path) -> Iterable[Path]:
    return sorted(path.iterdir()) if path.is_dir() else (path,)


def _file_stamp(file: Path) -> tuple[str, int, int, int]:
    try:
        state = file.stat()
    except OSError:
        return str(file), 0, 0, 0
    return str(file), state.st_ino, state.st_size, state.st_mtime_ns


def _folders(paths: Sequence[Path]) -> set[Path]:
    """Return the folders to watch, because an editor that saves by renaming would leave a watched file behind."""
    folders = {path if path.is_dir() else path.parent for path in paths}
    return {folder if folder.is_dir() else _nearest(folder) for folder in folders}


def _nearest(folder: Path) -> Path:
    return next(parent for parent in folder.parents if parent.is_dir())
