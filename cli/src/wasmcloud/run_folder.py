"""The temporary folder of one run: gone when the run ends, and cleared by the next run when this one was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wasmcloud.complaints import Broken, CannotRun

_PREFIX = "wasmcloud-up-"
_KEPT_PREFIX = "wasmcloud-logs-"
_LOCK = "lock"


@contextmanager
def run_folder() -> Iterator[Path]:
    """Make a folder that only this user can read. When the run ends in Broken its logs are kept and named in it."""
    try:
        _clear_abandoned()
        folder, lock = _locked_folder()
    except OSError as error:
        raise CannotRun(f"No temporary folder can be made (TMPDIR says where): {error.strerror or error}.") from None
    try:
        yield folder
    except Broken as error:
        error.logs = _keep_logs(folder)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder() -> tuple[Path, int]:
    """Make the folder; it is locked before it gets the name that runs which start meanwhile would clear."""
    unlocked = Path(tempfile.mkdtemp(prefix="wasmcloud-new-"))
    lock = os.open(unlocked / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return unlocked.rename(unlocked.with_name(_PREFIX + unlocked.name.removeprefix("wasmcloud-new-"))).resolve(), lock


def _keep_logs(folder: Path) -> Path:
    kept = folder.with_name(_KEPT_PREFIX + folder.name.removeprefix(_PREFIX))
    kept.mkdir(mode=0o700)
    for log in folder.glob("*.log"):
        log.rename(kept / log.name)
    return kept


def _clear_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or just gone
            lock = os.open(folder / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
