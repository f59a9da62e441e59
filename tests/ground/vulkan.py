"""A GPU made of software, for programs that tests start."""

from __future__ import annotations

import os
from pathlib import Path


def software_gpu() -> dict[str, str]:
    """The environment of a program that is to find Mesa's lavapipe, and no other GPU."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = Path(cache) / "wasmcloud" / "vulkan"
    if not (home / "lvp_icd.json").is_file():
        raise RuntimeError(f"there is no software GPU in {home}: run tests/ground/fetch-vulkan")
    return _drivers(home / "lvp_icd.json") | {"LD_LIBRARY_PATH": str(home / "lib")}


def no_gpu() -> dict[str, str]:
    """The environment of a program that is to find no GPU, whatever the machine has."""
    return _drivers(Path("/nowhere/icd.json"))


def _drivers(manifest: Path) -> dict[str, str]:
    """Older loaders know the second name only."""
    return {"VK_DRIVER_FILES": str(manifest), "VK_ICD_FILENAMES": str(manifest)}
