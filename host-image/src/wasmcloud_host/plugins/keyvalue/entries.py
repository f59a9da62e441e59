"""What a workload's hostInterfaces say of `wasi:keyvalue`, and which bucket a component means. No I/O here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wasmcloud_api.wire import WitInterface
from wasmcloud_engine import StoreError

DEFAULT_BUCKET: Final = "default"
"""The bucket that an empty identifier opens."""

_KEYS: Final = frozenset({"backend", "bucket", "buckets", "prefix", "read_only"})
_TRUTH: Final = {"true": True, "false": False}
_BUCKET: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Backend(StrEnum):
    """Where buckets are kept."""

    NATS = "nats"
    """JetStream of the workloads' NATS: the same for every host that is connected to it."""
    MEMORY = "in-memory"
    """This host, for as long as a workload of the namespace is here that uses it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of hostInterfaces, by its config."""

    name: str = ""
    """A component opens a named entry by its name; every other identifier belongs to the unnamed entry."""
    backend: Backend | None = None
    """None: NATS where this host is connected to one for data, else memory."""
    bucket: str | None = None
    """The one bucket that is opened, whatever the identifier."""
    buckets: frozenset[str] | None = None
    """The identifiers that may be opened; None for any."""
    prefix: str = ""
    """Goes before every key, unseen by the component."""
    is_read_only: bool = False

    def bucket_for(self, identifier: str) -> str:
        """Return the bucket's name within the namespace. Raises StoreError."""
        if self.bucket is not None:
            return self.bucket
        wanted = identifier or DEFAULT_BUCKET
        if self.buckets is not None and wanted not in self.buckets:
            raise StoreError(f"hostInterfaces don't give the bucket {wanted}", "access-denied")
        if not _BUCKET.fullmatch(wanted):
            raise StoreError(f"{wanted!r} is no name of a bucket: 1 to 128 letters, digits, - and _")
        return wanted


def entries_of(declared: Iterable[WitInterface]) -> tuple[Entry, ...]:
    """Return the entries of `wasi:keyvalue`. Raises ValueError, in one sentence, for a config that can't be used."""
    return tuple(
        _entry_of(each.name, each.config) for each in declared if (each.namespace, each.package) == ("wasi", "keyvalue")
    )


def chosen(entries: Sequence[Entry], identifier: str) -> Entry:
    """Return the entry that an identifier belongs to. Raises StoreError."""
    for entry in entries:
        if entry.name and entry.name == identifier:
            return entry
    for entry in entries:
        if not entry.name:
            return entry
    raise StoreError(f"hostInterfaces name no store {identifier!r}", "no-such-store")


def _entry_of(name: str, config: dict[str, str]) -> Entry:
    where = f"hostInterfaces entry {name or 'wasi:keyvalue'}"
    if unknown := sorted(config.keys() - _KEYS):
        raise ValueError(f"{where}: unknown config {', '.join(unknown)}; it may have {', '.join(sorted(_KEYS))}")
    if "bucket" in config and "buckets" in config:
        raise ValueError(f"{where}: bucket and buckets exclude one another")
    named = [part.strip() for key in ("bucket", "buckets") for part in config.get(key, "").split(",") if part.strip()]
    if bad := [bucket for bucket in named if not _BUCKET.fullmatch(bucket)]:
        raise ValueError(f"{where}: {bad[0]!r} is no name of a bucket: 1 to 128 letters, digits, - and _")
    if "bucket" in config and len(named) != 1:
        raise ValueError(f"{where}: bucket must be the name of one bucket")
    return Entry(
        name=name,
        backend=_backend(where, config.get("backend")),
        bucket=named[0] if "bucket" in config else None,
        buckets=frozenset(named) if "buckets" in config else None,
        prefix=config.get("prefix", ""),
        is_read_only=_truth(where, config.get("read_only", "false")),
    )


def _backend(where: str, text: str | None) -> Backend | None:
    if text is None:
        return None
    try:
        return Backend(text)
    except ValueError:
        known = " and ".join(Backend)
        raise ValueError(f"{where}: this host has no backend {text!r}; it has {known}") from None


def _truth(where: str, text: str) -> bool:
    if text not in _TRUTH:
        raise ValueError(f"{where}: read_only must be true or false, not {text!r}")
    return _TRUTH[text]
