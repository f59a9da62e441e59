"""What the engine needs from the world, as Protocols. Each is implemented once for real in ``adapters/``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from wasmcloud_operator.decide.leadership import LeaseRecord
from wasmcloud_operator.decide.references import Credentials
from wasmcloud_operator.model.keys import Key, Kind, Ref

JsonObject = Mapping[str, Any]
"""A Kubernetes object or patch as decoded JSON. Treated as immutable by everyone."""

See = Callable[[Kind, JsonObject, bool], None]
"""Told of an object: its kind, its newest body, and whether it is gone. Never blocks and never fails."""

Hear = Callable[[str, bytes], None]
"""Told of a published heartbeat: the host id from the subject, and the payload. Never blocks and never fails."""


class ClusterError(Exception):
    """A call to the cluster did not succeed. The message is one sentence and holds no secret."""


class NotFound(ClusterError):
    """The object is not there (404), or has another uid than the one asked for."""


class AlreadyExists(ClusterError):
    """An object of that name exists (409 AlreadyExists on create)."""


class Conflict(ClusterError):
    """The object changed meanwhile (409 on a patch with a resourceVersion): read again and decide again."""


class Rejected(ClusterError):
    """The server will never accept this (400, 422, or 403 by admission): trying again is of no use."""


class Withheld(ClusterError):
    """It is there, and workloads may not have it."""


class Unavailable(ClusterError):
    """The server cannot answer now (connection, 403 by RBAC, 408, 429, 5xx): try again later.

    ``after_s`` is what the server asked to wait (Retry-After), None where it said nothing.
    """

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something worth a Kubernetes Event. The sink aggregates equal (regarding, reason) into one Event with a count."""

    regarding: Ref
    uid: str
    reason: str
    message: str
    is_warning: bool


class Cluster(Protocol):
    """Reads and writes of Kubernetes objects: each method is one API call, and raises a ClusterError."""

    async def create(self, kind: Kind, body: JsonObject) -> JsonObject:
        """POST; the namespace is in the body's metadata. Returns the object as stored (uid, resourceVersion)."""
        ...

    async def patch(self, ref: Ref, patch: JsonObject) -> JsonObject:
        """JSON merge patch of metadata and spec (or of a Host's root fields). An empty patch must not get here."""
        ...

    async def patch_status(self, ref: Ref, patch: JsonObject) -> JsonObject:
        """JSON merge patch of the status subresource; ``patch`` is the inside of ``status``."""
        ...

    async def delete(self, ref: Ref, *, uid: str) -> None:
        """DELETE with a uid precondition and background propagation. Gone already is success."""
        ...

    async def get(self, ref: Ref) -> JsonObject | None:
        """Return the object, or None when it is not there."""
        ...

    async def list(self, kind: Kind, namespace: str) -> list[JsonObject]:
        """All objects of a kind in a namespace ("" means every namespace), paged underneath."""
        ...

    async def config_map(self, key: Key) -> Mapping[str, str] | None:
        """Return the data of a ConfigMap; None when it is not there."""
        ...

    async def secret(self, key: Key) -> Mapping[str, bytes] | None:
        """Return the data of a Secret, decoded; None when it is not there. Never logged, cached or written anywhere.

        Raises Withheld (``decide.references.why_withheld``).
        """
        ...

    async def record(self, occurrence: Occurrence) -> None:
        """Write or update a Kubernetes Event. Failing is logged by the adapter, never raised."""
        ...


class Sight(Enum):
    """What a watch sees of a namespace."""

    PENDING = auto()
    """Not every kind was listed in full yet."""
    SYNCED = auto()
    """Every object was told, and so is every change."""
    REFUSED = auto()
    """The API server refuses (403) to list or to watch some kind there: our Role is gone, or the namespace is."""


class Watch(Protocol):
    """The stream of changes of our kinds in the watched namespaces."""

    async def run(self, see: See) -> None:
        """Tell ``see`` of every object there is, then of every change, until cancelled. Never gives up."""
        ...

    def sight(self, namespace: str) -> Sight:
        """Return what is seen of a watched namespace; "" stands for all of them where all are watched.

        What is refused, and then isn't any more, is told anew before it is synced; what went meanwhile is not told.
        """
        ...


class BusError(Exception):
    """A request over NATS got no reply."""


class NoResponders(BusError):
    """Nobody listens on the subject: the host's connection is gone."""


class NoReply(BusError):
    """Nothing came back within the time limit."""


class Disconnected(BusError):
    """We have no connection to NATS ourselves; says nothing about any host."""


class Bus(Protocol):
    """NATS: published heartbeats in, request and reply out."""

    async def run(self, hear: Hear) -> None:
        """Stay connected and subscribed to ``runtime.operator.heartbeat.*`` until cancelled. Never gives up."""
        ...

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """One request, one reply; concurrent calls don't wait for one another.

        Raises NoResponders, NoReply or Disconnected.
        """
        ...

    def is_connected(self) -> bool:
        """Whether the connection is up now."""
        ...

    def connection_count(self) -> int:
        """Return how many connections were made so far: it grows with a reconnect, so even a short break is noticed."""
        ...


class RegistryError(Exception):
    """A registry did not say which digest an image has. The message is one sentence and holds no secret."""


class NoSuchImage(RegistryError):
    """The registry has no such repository or tag, or the image's name is none."""


class AccessDenied(RegistryError):
    """The registry wants a login, or refuses the one that it was given (401, 403)."""


class RegistryUnavailable(RegistryError):
    """The registry can't be reached or does not answer as one: try again later."""


class Registry(Protocol):
    """OCI registries."""

    async def digest(self, image: str, credentials: Credentials | None) -> str:
        """Return the digest that the image's tag has now, `sha256:<hex>`. Raises RegistryError."""
        ...


class Lease(Protocol):
    """The one Lease that the operators of a cluster share. Both methods raise a ClusterError, within a few seconds."""

    async def read(self) -> LeaseRecord | None:
        """Return what it says now; None when it is not there."""
        ...

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        """Write it over the version that the record has, and return it with its new one; no version means create.

        Raises Conflict or AlreadyExists when another was quicker, NotFound when it is gone.
        """
        ...


class Clock(Protocol):
    """Time and chance: the engine takes both from here only, so a simulation can own them."""

    def now(self) -> float:
        """Wall-clock time, seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait."""
        ...

    def chance(self) -> float:
        """Return a number in [0, 1)."""
        ...
