"""Who this host is: an id and a name that stay the same when it is started again."""

from __future__ import annotations

import fcntl
import itertools
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wasmcloud_api.names import HostId, HostName

from wasmcloud_host.settings import Settings


@dataclass(frozen=True, slots=True)
class Identity:
    """A host's id on NATS and the name of its Host object."""

    id: HostId
    name: HostName


@dataclass(frozen=True, slots=True)
class Seat:
    """An id out of the cache directory, and the lock that keeps it from a second host on this machine."""

    number: int
    id: str
    lock: IO[str]


def identity_of(settings: Settings, hostname: str, seat: Seat | None) -> Identity:
    """Return the id and name, from flags before the pod's before the seat's.

    A name made from an id or a seat keeps several hosts on one machine apart.
    """
    if settings.host_id:
        host_id, name = settings.host_id, f"{hostname}-{settings.host_id}"
    elif settings.pod_uid:
        host_id, name = settings.pod_uid, hostname
    elif seat:
        host_id, name = seat.id, f"{hostname}-{seat.number}" if seat.number else hostname
    else:
        msg = "an identity needs an id: a flag, a pod or a seat"
        raise ValueError(msg)
    return Identity(HostId(host_id), HostName(settings.friendly_name or object_name(name)))


def object_name(text: str) -> str:
    """Return the text as an RFC 1123 name of at most 63 characters."""
    dashed = re.sub(r"[^a-z0-9.-]+", "-", text.lower())
    labels = (label.strip("-") for label in dashed[:63].split("."))
    return ".".join(label for label in labels if label) or "host"


def take_seat(directory: Path) -> Seat:
    """Take the first id in the directory that no running host holds; a new one when all are taken.

    Raises OSError when the directory can't be written.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in itertools.count():
        lock = (directory / f"host-id-{number}").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        lock.seek(0)
        kept = lock.read().strip()
        if not re.fullmatch(r"[0-9a-f-]{36}", kept):
            kept = str(uuid.uuid4())
            lock.truncate(0)
            lock.write(kept)
            lock.flush()
        return Seat(number, kept, lock)
    raise AssertionError
