"""The engine as Python sees it. Coroutines resolve on the loop that called them; no call holds the GIL while it works.

The shapes of the JSON texts are in the README of the engine.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, final

class EngineError(Exception):
    """The engine refused or failed; ``str(error)`` is the whole chain of causes, one sentence a person can act on.

    ``kind`` is one of ``egress`` (a bad allow-list entry), ``artifact`` (not a component, or it cannot be compiled),
    ``link`` (an import that nothing provides), ``route`` (the HTTP name belongs to another namespace),
    ``conflict`` (the id runs other content), ``stopped`` (stopped while starting), ``pull`` (the registry),
    ``config`` (bad engine settings) and ``internal``.
    """

    kind: str

class StoreError(Exception):
    """A call of ``wasi:keyvalue`` came to nothing; the guest gets ``kind``, and with ``other`` the message.

    An exception of another kind is the host's own trouble: it is logged, and the guest hears that the host failed.
    """

    kind: Literal["no-such-store", "access-denied", "other"]

    def __init__(self, message: str, kind: Literal["no-such-store", "access-denied", "other"] = "other") -> None: ...

class Bucket(Protocol):
    """A bucket that a guest has open. Each method is a coroutine and may raise StoreError.

    A call is cancelled when the guest's request ends before it does.
    """

    async def get(self, key: str) -> bytes | None: ...
    async def set(self, key: str, value: bytes) -> None: ...
    async def delete(self, key: str) -> None: ...
    async def exists(self, key: str) -> bool: ...
    async def list_keys(self, cursor: int | None) -> tuple[list[str], int | None]:
        """Return a page of keys, and where the next one begins (None: this was the last)."""

    async def increment(self, key: str, delta: int) -> int:
        """Add to a number, at once for everybody, and return the sum; a key that isn't there counts as 0."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values in the order of the keys."""

    async def set_many(self, pairs: Sequence[tuple[str, bytes]]) -> None: ...
    async def delete_many(self, keys: Sequence[str]) -> None: ...

class KeyValue(Protocol):
    """The buckets of one workload."""

    async def open(self, identifier: str) -> Bucket: ...

@final
class Engine:
    """One HTTP listener and every workload behind it."""

    def __init__(self, settings: str) -> None:
        """Bind the listener and start the engine's own threads. ``settings`` is JSON, see ``EngineSettings`` in core.

        Raises EngineError (kind ``config``) for bad settings, OSError when the address cannot be bound.
        """

    @property
    def http_port(self) -> int:
        """The port that the listener is bound to (the real one where port 0 was asked for)."""

    async def pull(self, request: str) -> str:
        """Pull one artifact from a registry. ``request`` and the answer are JSON (``PullRequest``, ``Pulled``)."""

    async def start(self, workload: str, *, keyvalue: KeyValue | None = None) -> None:
        """Compile (or load from the cache), link, pre-instantiate and route a workload (JSON, ``WorkloadSpec``).

        ``keyvalue`` serves the workload's ``wasi:keyvalue``, on the loop that called this. Idempotent for the same id
        and content.
        """

    async def stop(self, workload_id: str) -> bool:
        """Take the routes away, let requests in flight end (bounded by the drain time), free everything.

        False when the id is unknown. A workload that is still starting is stopped too.
        """

    def status(self) -> str:
        """JSON: listener, workloads with their in-flight and total requests, instances, compile and egress counters."""

    def service(self, workload_id: str) -> str | None:
        """JSON: ``state`` (``running``, ``restarting``, ``completed``, ``failed``), ``restarts``, ``message``.

        None when the workload is unknown, isn't started yet or has no service.
        """

    def check_egress(
        self, allowed_hosts: list[str], allowed_ip_name_lookups: list[str], loopback_ports: list[str]
    ) -> str | None:
        """None when every entry is good, else one sentence that lists every bad entry with its reason."""

    async def shutdown(self, drain_s: float) -> None:
        """Stop accepting, wait up to ``drain_s`` seconds for requests in flight, stop all workloads and threads."""
