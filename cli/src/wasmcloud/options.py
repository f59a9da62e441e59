"""What the person asked `wasmcloud up` for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of `wasmcloud up`, as given."""

    files: tuple[Path, ...]
    host_count: int
    http: str
    is_watching: bool
