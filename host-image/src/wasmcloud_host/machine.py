"""The machine's figures for the heartbeat, seen from inside the host's cgroup."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

FIGURES_AGE_S: Final = 1.0
"""How old figures may be: the operator asks for a heartbeat twice a second."""

_CGROUP: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU use in percent of the whole machine, memory in bytes."""

    cpu_percent: float
    memory_total_bytes: int
    memory_free_bytes: int


@dataclass(frozen=True, slots=True)
class CgroupMemory:
    """A cgroup's memory limit and what of it is in use, in bytes; page cache that can be dropped isn't in use."""

    limit_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class Platform:
    """What the machine is, by Rust's and OCI's names of architectures."""

    os_arch: str
    os_name: str
    os_kernel: str


class Machine:
    """Reads figures at most once a second, however often it is asked."""

    def __init__(self, cgroup: Path = _CGROUP, clock: Callable[[], float] = time.monotonic) -> None:
        self._cgroup = cgroup
        self._clock = clock
        self._read_at = float("-inf")
        self._figures = Figures(0.0, 0, 0)

    def figures(self) -> Figures:
        """Return the figures, at most `FIGURES_AGE_S` old."""
        now = self._clock()
        if now - self._read_at >= FIGURES_AGE_S:
            memory = psutil.virtual_memory()
            total, free = within_cgroup(memory.total, memory.available, cgroup_memory(self._cgroup))
            self._figures = Figures(psutil.cpu_percent(interval=None), total, free)
            self._read_at = now
        return self._figures


def within_cgroup(total_bytes: int, free_bytes: int, cgroup: CgroupMemory | None) -> tuple[int, int]:
    """Total and free memory: the machine's, or less where the cgroup's limit is lower."""
    if cgroup is None or cgroup.limit_bytes >= total_bytes:
        return total_bytes, free_bytes
    return cgroup.limit_bytes, max(0, min(free_bytes, cgroup.limit_bytes - cgroup.used_bytes))


def cgroup_memory(root: Path) -> CgroupMemory | None:
    """Return the limit of this process's cgroup (version 2, then 1); None when there is none."""
    for directory, limit, used in (
        (root, "memory.max", "memory.current"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        limit_bytes, used_bytes = _number(directory / limit), _number(directory / used)
        if limit_bytes is not None and used_bytes is not None:
            return CgroupMemory(limit_bytes, max(0, used_bytes - _inactive_file_bytes(directory / "memory.stat")))
    return None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _inactive_file_bytes(stat: Path) -> int:
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        return 0
    figures = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(figures.get("total_inactive_file", figures.get("inactive_file", 0)))


def this_platform() -> Platform:
    """Architecture, operating system and kernel release of this machine."""
    system = platform.uname()
    return Platform(os_arch=system.machine, os_name=system.system.lower(), os_kernel=system.release)
