"""Where in a document a problem is, as Kubernetes writes it: `spec.components[0].name`."""

from __future__ import annotations

from collections.abc import Iterable


def field_path(location: Iterable[int | str]) -> str:
    """Return the path of a location as pydantic's errors give it: fields by name, items of lists by number."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")
