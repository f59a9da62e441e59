"""Buckets in NATS JetStream: the key-value stores that `nats kv` knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, KeyValueConfig
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    ServiceUnavailableError,
)
from nats.js.kv import KV_DEL, KV_OP, KV_PURGE, KeyValue
from wasmcloud_engine import StoreError

from wasmcloud_host.nats_connection import NatsConnection
from wasmcloud_host.plugins.keyvalue.bounds import Answer
from wasmcloud_host.plugins.keyvalue.keys import decoded, encoded
from wasmcloud_host.plugins.keyvalue.numbers import parse_number, sum_of

S = TypeVar("S")
T = TypeVar("T")

PAGE: Final = 1000
"""Keys in one answer, those that were deleted counted."""

WITHIN_S: Final = 5.0
"""A call is over by then, one that waits for a connection or for its turn too."""

FETCH_S: Final = 1.0
"""A page that is not whole by then is a short one."""

AT_ONCE: Final = 16
"""Calls of one batch that are on their way together."""

UNREAD_BYTES: Final = 32 << 20
"""Values on their way to this host at once. A server closes a connection that has 64 MiB to read, of which a value
may take 1.4 times its size."""

MARKER_S: Final = 60
"""So long a deleted key leaves a mark, for those who watch the bucket with NATS' own tools."""

_REPLICAS: Final = (3, 1)
"""Copies of a new bucket: three in a cluster; a server by itself refuses that."""
_NO_REPLICAS: Final = frozenset({10005, 10074})
"""NATS's codes for "no suitable peers for placement" and "replicas > 1 not supported in non-clustered mode"."""
_TAKEN: Final = 10058
"""NATS's code for a stream of that name with another configuration."""
_NO_TTL: Final = 10166
"""NATS's code for a stream that lets no message expire, as older tools make them."""


class Store:
    """A bucket that is there, over the connection of the moment."""

    def __init__(self, client: Client, jetstream: JetStreamContext, kv: KeyValue, reading: asyncio.Semaphore) -> None:
        self.jetstream = jetstream
        self._client = client
        self._kv = kv
        self._reading = reading

    async def entry(self, key: str) -> KeyValue.Entry | None:
        """Return what the key has; None where there is nothing."""
        try:
            async with self._reading:
                return await self._kv.get(encoded(key))
        except KeyNotFoundError:
            return None

    async def value(self, key: str) -> bytes | None:
        entry = await self.entry(key)
        return None if entry is None else entry.value or b""

    async def put(self, key: str, value: bytes) -> None:
        self.check(value)
        await self._kv.put(encoded(key), value)

    def check(self, value: bytes) -> None:
        """Refuse what the server would not take: nats-py remembers each such request while it is connected."""
        if len(value) > self._client.max_payload:
            most = self._client.max_payload
            raise StoreError(f"the value has {len(value)} bytes, and the NATS server takes {most} (its max_payload)")

    async def replace(self, key: str, value: bytes, old: KeyValue.Entry | None) -> bool:
        """Put the value if the key still has what it had; whether it did."""
        try:
            if old is None:
                await self._kv.create(encoded(key), value)
            else:
                await self._kv.update(encoded(key), value, old.revision)
        except (KeyWrongLastSequenceError, KeyNotFoundError):
            return False
        return True

    async def delete(self, key: str) -> None:
        try:
            await self._kv.purge(encoded(key), msg_ttl=MARKER_S)
        except APIError as error:
            if error.err_code != _NO_TTL:
                raise
            await self._kv.delete(encoded(key))


class _Connected:
    """What lasts as long as one connection."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jetstream = client.jetstream(timeout=WITHIN_S)
        self.reading = asyncio.Semaphore(max(1, UNREAD_BYTES // client.max_payload))
        self.open: dict[str, KeyValue] = {}


class JetStreamBuckets:
    """Opens buckets over one connection."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._now: _Connected | None = None
        self._counting: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def bucket(self, name: str) -> JetStreamBucket:
        """Return the bucket of that name. It is looked for when it is first used, and made when first written to."""
        return JetStreamBucket(self, name)

    async def store(self, name: str, *, makes: bool) -> Store:
        """Return the bucket as it is reached now. Raises BucketNotFoundError, and what else nats-py has to say."""
        client = await self._connection.client()
        now = self._now
        if now is None or now.client is not client:
            now = self._now = _Connected(client)
        if name not in now.open:
            now.open[name] = await _opened(now.jetstream, name, makes=makes)
        return Store(client, now.jetstream, now.open[name], now.reading)

    def forget(self, name: str) -> None:
        """Look for the bucket anew when it is next used: somebody may have deleted it."""
        if self._now is not None:
            self._now.open.pop(name, None)

    def counting(self, bucket: str, key: str) -> asyncio.Lock:
        """Return what makes the increments of this host queue, so that only hosts have to compete."""
        lock = self._counting.get((bucket, key))
        if lock is None:
            lock = self._counting[bucket, key] = asyncio.Lock()
        return lock


async def _opened(jetstream: JetStreamContext, name: str, *, makes: bool) -> KeyValue:
    try:
        return await jetstream.key_value(name)
    except BucketNotFoundError:
        if not makes:
            raise
        return await _made(jetstream, name)


async def _made(jetstream: JetStreamContext, name: str) -> KeyValue:
    for replicas in _REPLICAS:
        # Direct reads may come from a copy that is behind: a component would not see what it has just written.
        config = KeyValueConfig(bucket=name, history=1, replicas=replicas, direct=replicas == 1)
        try:
            return await jetstream.create_key_value(config)
        except APIError as error:
            if error.err_code == _TAKEN:  # another host was faster
                return await jetstream.key_value(name)
            if error.err_code not in _NO_REPLICAS or replicas == 1:
                raise
    raise AssertionError("the last number of replicas is raised for or returned")


class JetStreamBucket:
    """A bucket. Each method raises StoreError, within `WITHIN_S`, for what NATS could not do."""

    def __init__(self, buckets: JetStreamBuckets, name: str) -> None:
        self._buckets = buckets
        self._name = name

    async def get(self, key: str) -> bytes | None:
        return await self._reading(None, lambda store: store.value(key))

    async def set(self, key: str, value: bytes) -> None:
        await self._writing(lambda store: store.put(key, value))

    async def delete(self, key: str) -> None:
        await self._reading(None, lambda store: store.delete(key))

    async def exists(self, key: str) -> bool:
        return await self.get(key) is not None

    async def list_keys(self, cursor: int | None) -> tuple[list[str], int | None]:
        """Go by revisions: a key that changes meanwhile is listed again, none is left out."""
        return await self._reading(([], None), lambda store: _page(store.jetstream, self._name, cursor or 0))

    async def increment(self, key: str, delta: int) -> int:
        async def counted(store: Store) -> int:
            async with self._buckets.counting(self._name, key):
                return await _increment(store, key, delta)

        return await self._writing(counted)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        answer = Answer()

        async def counted(store: Store, key: str) -> bytes | None:
            return answer.counted(await store.value(key))

        unique = list(dict.fromkeys(keys))
        nothing: list[bytes | None] = [None] * len(unique)
        found = await self._reading(nothing, lambda store: _all(unique, lambda key: counted(store, key)))
        values = dict(zip(unique, found, strict=True))
        return [values[key] for key in keys]

    async def set_many(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        async def put(store: Store) -> None:
            for _, value in pairs:
                store.check(value)
            # Of two values for one key the last one counts, and calls overtake one another.
            await _all(dict(pairs).items(), lambda pair: store.put(*pair))

        await self._writing(put)

    async def delete_many(self, keys: Sequence[str]) -> None:
        await self._reading(None, lambda store: _all(dict.fromkeys(keys), store.delete))

    async def _reading(self, nothing: T, act: Callable[[Store], Awaitable[T]]) -> T:
        """Act on a bucket that is there; for one that isn't, there is nothing."""
        with self._told():
            async with asyncio.timeout(WITHIN_S):
                try:
                    store = await self._buckets.store(self._name, makes=False)
                except BucketNotFoundError:
                    return nothing
                return await act(store)

    async def _writing(self, act: Callable[[Store], Awaitable[T]]) -> T:
        """Act on the bucket, made if need be."""
        with self._told():
            async with asyncio.timeout(WITHIN_S):
                return await act(await self._buckets.store(self._name, makes=True))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in a sentence what went wrong, without the server's address."""
        try:
            yield
        except (TimeoutError, nats.errors.ConnectionClosedError):
            raise StoreError(f"NATS did not answer within {WITHIN_S:g} s") from None
        except ServiceUnavailableError:
            raise StoreError("JetStream is not available to this host") from None
        except APIError as error:
            self._buckets.forget(self._name)
            raise StoreError(f"NATS refused: {error.description or type(error).__name__}") from None
        except nats.errors.Error as error:
            self._buckets.forget(self._name)
            raise StoreError(f"NATS failed: {error or type(error).__name__}") from None


async def _increment(store: Store, key: str, delta: int) -> int:
    while True:
        old = await store.entry(key)
        total = sum_of(parse_number(key, None if old is None else old.value or b""), delta)
        if await store.replace(key, b"%d" % total, old):
            return total


async def _all(items: Iterable[S], call: Callable[[S], Awaitable[T]]) -> list[T]:
    """Make a call for each, several at a time, and return their results in order. Raises what the first one raised."""
    waiting = enumerate(items)
    results: dict[int, T] = {}

    async def work() -> None:
        for place, item in waiting:
            results[place] = await call(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [results[place] for place in range(len(results))]


async def _page(jetstream: JetStreamContext, name: str, after: int) -> tuple[list[str], int | None]:
    stream = f"KV_{name}"
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        ack_policy=AckPolicy.NONE,
        headers_only=True,
        mem_storage=True,
        num_replicas=1,
        inactive_threshold=2 * WITHIN_S,
    )
    made = await jetstream.add_consumer(stream, config)
    try:
        page = await _fetched(jetstream, made.name, stream, min(made.num_pending or 0, PAGE))
    finally:
        with suppress(nats.errors.Error, TimeoutError):  # else it ends by itself, unused
            async with asyncio.timeout(FETCH_S):
                await jetstream.delete_consumer(stream, made.name)
    keys = [key for message in page if (key := _key_of(message, name)) is not None]
    # More may have come since the consumer was made, such as a key of this page that was written again.
    return keys, page[-1].metadata.sequence.stream if page and page[-1].metadata.num_pending else None


async def _fetched(jetstream: JetStreamContext, consumer: str, stream: str, count: int) -> list[Msg]:
    if not count:
        return []
    messages = await jetstream.pull_subscribe_bind(consumer, stream)
    try:
        return await messages.fetch(count, timeout=FETCH_S)
    finally:
        await messages.unsubscribe()


def _key_of(message: Msg, name: str) -> str | None:
    """Return the key; None for one that was deleted, or that others wrote in a way that no component could name."""
    if (message.headers or {}).get(KV_OP) in (KV_DEL, KV_PURGE):
        return None
    written = message.subject.removeprefix(f"$KV.{name}.")
    key = decoded(written)
    return key if encoded(key) == written else None
