"""helm, as a person runs it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ground.process import printed

CHART = Path(__file__).parents[2] / "charts"


class HelmError(AssertionError):
    """What helm complained of; an AssertionError, so that `eventually` tries again."""


def helm_binary() -> Path:
    """The helm in HELM where that is set, else as tests/ground/build-helm makes it."""
    if given := os.environ.get("HELM"):
        return Path(given)
    version = re.search(r"^version=(\S+)$", (Path(__file__).parent / "build-helm").read_text(), re.MULTILINE)
    assert version is not None, "build-helm names no version"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(cache) / "wasmcloud" / f"helm-{version[1]}" / "helm"
    if not path.is_file():
        raise RuntimeError(f"helm is not built ({path}): run tests/ground/build-helm, or set HELM")
    return path


def helm(
    *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None, timeout_s: float = 120
) -> str:
    """What helm printed. Raises HelmError."""
    argv = [str(helm_binary()), *arguments]
    return printed(argv, HelmError, stdin=stdin, env={**os.environ, **(env or {})}, timeout_s=timeout_s)
