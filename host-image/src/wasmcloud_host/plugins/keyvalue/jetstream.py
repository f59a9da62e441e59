"""Buckets in NATS JetStream: the key-value stores that `nats kv` knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
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
from wasmcloud_host.plugins.keyvalue.keys import decoded, encoded
from wasmcloud_host.plugins.keyvalue.numbers import parse_number, sum_of

T = TypeVar("T")

PAGE: Final = 1000
"""Keys in one answer, those that were deleted counted."""

WITHIN_S: Final = 5.0
"""A call is over by then, one that waits for a connection too."""

FETCH_S: Final = 1.0
"""A page that is not whole by then is a short one."""

AT_ONCE: Final = 64
"""Calls of one batch that are on their way together."""

_REPLICAS: Final = (3, 1)
"""Copies of a new bucket: three in a cluster; a server by itself refuses that."""
_NO_REPLICAS: Final = frozenset({10005, 10074})
"""NATS's codes for "no suitable peers for placement" and "replicas > 1 not supported in non-clustered mode"."""
_TAKEN: Final = 10058
"""NATS's code for a stream of that name with another configuration."""


class JetStreamBuckets:
    """Opens buckets over one connection, each made when it is first opened."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._client: Client | None = None
        self._open: dict[str, KeyValue] = {}
        self._counting: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def bucket(self, name: str) -> JetStreamBucket:
        """Return the bucket of that name. It is looked for when it is first used."""
        return JetStreamBucket(self, name)

    async def store(self, name: str) -> tuple[JetStreamContext, KeyValue]:
        """Return the bucket as nats-py knows it. What nats-py raises is for `_told` to say."""
        client = await self._connection.client()
        if client is not self._client:
            self._client = client
            self._open.clear()
        jetstream = client.jetstream(timeout=WITHIN_S)
        if name not in self._open:
            self._open[name] = await _opened(jetstream, name)
        return jetstream, self._open[name]

    def forget(self, name: str) -> None:
        """Look for the bucket anew when it is next used: somebody may have deleted it."""
        self._open.pop(name, None)

    def counting(self, bucket: str, key: str) -> asyncio.Lock:
        """Return what makes the increments of this host queue, so that only hosts have to compete."""
        lock = self._counting.get((bucket, key))
        if lock is None:
            lock = self._counting[bucket, key] = asyncio.Lock()
        return lock


async def _opened(jetstream: JetStreamContext, name: str) -> KeyValue:
    try:
        return await jetstream.key_value(name)
    except BucketNotFoundError:
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
        return await self._with(lambda _, store: _value(store, encoded(key)))

    async def set(self, key: str, value: bytes) -> None:
        await self._with(lambda _, store: store.put(encoded(key), value))

    async def delete(self, key: str) -> None:
        await self._with(lambda _, store: store.delete(encoded(key)))

    async def exists(self, key: str) -> bool:
        return await self.get(key) is not None

    async def list_keys(self, cursor: int | None) -> tuple[list[str], int | None]:
        """Go by revisions: a key that changes meanwhile is listed again, none is left out."""
        return await self._with(lambda jetstream, _: _page(jetstream, self._name, cursor or 0))

    async def increment(self, key: str, delta: int) -> int:
        async with self._buckets.counting(self._name, key):
            return await self._with(lambda _, store: _increment(store, key, delta))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._with(lambda _, store: _all(_value(store, encoded(key)) for key in keys))

    async def set_many(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        # Of two values for one key the last one counts, and calls overtake one another.
        await self._with(lambda _, store: _all(store.put(encoded(key), value) for key, value in dict(pairs).items()))

    async def delete_many(self, keys: Sequence[str]) -> None:
        await self._with(lambda _, store: _all(store.delete(encoded(key)) for key in keys))

    async def _with(self, act: Callable[[JetStreamContext, KeyValue], Awaitable[T]]) -> T:
        with self._told():
            async with asyncio.timeout(WITHIN_S):
                return await act(*await self._buckets.store(self._name))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in a sentence what went wrong, without the server's address."""
        try:
            yield
        except (TimeoutError, nats.errors.ConnectionClosedError):
            raise StoreError(f"NATS did not answer within {WITHIN_S:g} s") from None
        except nats.errors.MaxPayloadError:
            raise StoreError("the value is larger than the NATS server takes (its max_payload)") from None
        except ServiceUnavailableError:
            raise StoreError("the NATS server has no JetStream for this host") from None
        except APIError as error:
            self._buckets.forget(self._name)
            raise StoreError(f"NATS refused: {error.description}") from None
        except nats.errors.Error as error:
            self._buckets.forget(self._name)
            raise StoreError(f"NATS failed: {error or type(error).__name__}") from None


async def _value(store: KeyValue, key: str) -> bytes | None:
    try:
        return (await store.get(key)).value or b""
    except KeyNotFoundError:
        return None


async def _increment(store: KeyValue, key: str, delta: int) -> int:
    while True:
        try:
            entry = await store.get(encoded(key))
            total = sum_of(parse_number(key, entry.value or b""), delta)
            await store.update(encoded(key), b"%d" % total, entry.revision)
        except KeyNotFoundError:
            total = delta
            try:
                await store.create(encoded(key), b"%d" % total)
            except KeyWrongLastSequenceError:
                continue
        except KeyWrongLastSequenceError:
            continue
        return total


async def _all(calls: Iterator[Awaitable[T]]) -> list[T]:
    """Make the calls, several at a time, and return their results in order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(call: Awaitable[T]) -> T:
        async with places:
            return await call

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(call)) for call in calls]
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]


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
    pending = made.num_pending or 0
    if not pending:
        return [], None
    messages = await jetstream.pull_subscribe_bind(made.name, stream)
    try:
        page = await messages.fetch(min(pending, PAGE), timeout=FETCH_S)
    finally:
        await messages.unsubscribe()
        await jetstream.delete_consumer(stream, made.name)
    skipped = len(f"$KV.{name}.")
    keys = [decoded(message.subject[skipped:]) for message in page if not _is_deletion(message)]
    return keys, page[-1].metadata.sequence.stream if pending > len(page) else None


def _is_deletion(message: Msg) -> bool:
    return (message.headers or {}).get(KV_OP) in (KV_DEL, KV_PURGE)
