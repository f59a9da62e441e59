"""An object's metadata, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wasmcloud_operator.model.keys import Key


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller owner of an object."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of `metadata` that the operator reads. ``created_s`` is seconds since the epoch."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    created_s: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    finalizers: tuple[str, ...]
    is_deleting: bool
    owner: Owner | None


def parse_metadata(body: Mapping[str, Any]) -> Metadata:
    """Return the metadata of an object as the API server sends it."""
    raw: Mapping[str, Any] = body.get("metadata") or {}
    return Metadata(
        key=Key(str(raw.get("namespace") or ""), str(raw.get("name") or "")),
        uid=str(raw.get("uid") or ""),
        resource_version=str(raw.get("resourceVersion") or ""),
        generation=int(raw.get("generation") or 0),
        created_s=seconds(raw.get("creationTimestamp")),
        labels=raw.get("labels") or {},
        annotations=raw.get("annotations") or {},
        finalizers=tuple(raw.get("finalizers") or ()),
        is_deleting=bool(raw.get("deletionTimestamp")),
        owner=_controller(raw.get("ownerReferences") or ()),
    )


def _controller(references: Any) -> Owner | None:
    for reference in references:
        if reference.get("controller"):
            return Owner(str(reference.get("kind")), str(reference.get("name")), str(reference.get("uid")))
    return None


def seconds(text: object) -> float:
    """Return a Kubernetes time as seconds since the epoch; 0 for what isn't one."""
    if not isinstance(text, str):
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def timestamp(now_s: float) -> str:
    """Return seconds since the epoch as Kubernetes writes times: UTC, whole seconds."""
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
