"""What only buckets in NATS have to get right: other hosts, other tools, a server that comes and goes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from ground.nats import NatsServer
from ground.wait import eventually_async
from nats.js import JetStreamContext
from nats.js.errors import BucketNotFoundError
from wasmcloud_engine import StoreError
from wasmcloud_host.nats_connection import NatsConnection
from wasmcloud_host.plugins.keyvalue import jetstream
from wasmcloud_host.plugins.keyvalue.jetstream import JetStreamBucket, JetStreamBuckets

from .conftest import connected


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own."""
    return f"test_{request.node.name}"[:60]


@pytest.fixture
async def bucket(connection: NatsConnection, name: str) -> JetStreamBucket:
    return JetStreamBuckets(connection).bucket(name)


@pytest.fixture
async def tools(connection: NatsConnection) -> JetStreamContext:
    """The same server, as NATS' own tools know it."""
    return (await connection.client()).jetstream()


@pytest.fixture
async def hosts(data_nats: NatsServer, name: str) -> AsyncIterator[list[JetStreamBucket]]:
    """One bucket as three hosts have it."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(data_nats.url)) for _ in range(3)]
        yield [JetStreamBuckets(connection).bucket(name) for connection in connections]


async def consumer_count(tools: JetStreamContext, name: str) -> int:
    return (await tools.stream_info(f"KV_{name}")).state.consumer_count


async def test_hosts_that_count_lose_nothing(hosts: list[JetStreamBucket]) -> None:
    """They make the bucket at once, too."""
    sums = await asyncio.gather(*(host.increment("n", 1) for host in hosts for _ in range(20)))
    assert sorted(sums) == list(range(1, 61))


async def test_nothing_is_made_by_reading(bucket: JetStreamBucket, tools: JetStreamContext, name: str) -> None:
    assert await bucket.get("a") is None
    assert not await bucket.exists("a")
    assert await bucket.get_many(["a", "b"]) == [None, None]
    assert await bucket.list_keys(None) == ([], None)
    await bucket.delete("a")
    await bucket.delete_many(["a"])
    with pytest.raises(BucketNotFoundError):
        await tools.key_value(name)
    await bucket.set("a", b"1")
    assert (await (await tools.key_value(name)).get("a")).value == b"1"


async def test_listings_leave_no_consumer(bucket: JetStreamBucket, tools: JetStreamContext, name: str) -> None:
    await bucket.set("a", b"1")
    assert await bucket.list_keys(None) == (["a"], None)
    assert await bucket.list_keys(10_000) == ([], None)

    async def are_gone() -> None:
        assert await consumer_count(tools, name) == 0

    await eventually_async(are_gone, within_s=30)


async def test_a_key_that_is_written_while_it_is_listed(
    bucket: JetStreamBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moves behind those that the listing knew of, and is not left out."""
    for key in ("a", "b"):
        await bucket.set(key, b"1")
    fetch = jetstream._fetched

    async def written_to_before(context: JetStreamContext, consumer: str, stream: str, count: int) -> list[object]:
        monkeypatch.setattr(jetstream, "_fetched", fetch)
        await bucket.set("c", b"1")
        await bucket.set("a", b"2")
        return list(await fetch(context, consumer, stream, count))

    monkeypatch.setattr(jetstream, "_fetched", written_to_before)
    found, cursor = set[str](), None
    while True:
        page, cursor = await bucket.list_keys(cursor)
        found |= set(page)
        if cursor is None:
            break
    assert found == {"a", "b", "c"}


async def test_what_was_deleted_leaves_a_mark_that_expires(
    bucket: JetStreamBucket, tools: JetStreamContext, name: str
) -> None:
    await bucket.set("a", b"1")
    await bucket.delete("a")
    mark = await tools.get_last_msg(f"KV_{name}", f"$KV.{name}.a")
    assert (mark.headers or {})["Nats-TTL"] == "60"
    assert await bucket.get("a") is None
    assert await bucket.list_keys(None) == ([], None)
    assert await bucket.increment("a", 1) == 1


async def test_a_bucket_of_other_tools(bucket: JetStreamBucket, tools: JetStreamContext, name: str) -> None:
    """Made without what ours have: messages that expire."""
    await tools.add_stream(
        name=f"KV_{name}", subjects=[f"$KV.{name}.>"], max_msgs_per_subject=1, allow_rollup_hdrs=True
    )
    await (await tools.key_value(name)).put("x=3a1", b"no component can name this")
    await bucket.set("a", b"1")
    assert await bucket.list_keys(None) == (["a"], None)
    await bucket.delete("a")
    assert await bucket.get("a") is None


async def test_a_bucket_that_somebody_deleted_comes_anew(
    bucket: JetStreamBucket, tools: JetStreamContext, name: str
) -> None:
    await bucket.set("a", b"1")
    await tools.delete_key_value(name)
    with pytest.raises(StoreError, match="NATS"):
        await bucket.set("a", b"2")
    await bucket.set("a", b"3")
    assert await bucket.get("a") == b"3"


async def test_many_large_values_at_once(
    bucket: JetStreamBucket, connection: NatsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server closes a connection that has 64 MiB to read."""
    monkeypatch.setattr(jetstream, "WITHIN_S", 60.0)  # 200 MiB may take their time
    await bucket.set("a", bytes(1 << 20))
    values = await asyncio.gather(*(bucket.get("a") for _ in range(200)))
    assert {len(value or b"") for value in values} == {1 << 20}
    assert connection.is_connected


async def test_a_value_that_is_too_large_leaves_nothing(bucket: JetStreamBucket, connection: NatsConnection) -> None:
    client = await connection.client()
    await bucket.set("a", b"1")
    waiting = len(client._resp_map)
    for _ in range(5):
        with pytest.raises(StoreError, match="the NATS server takes 1048576"):
            await bucket.set("a", bytes((1 << 20) + 1))
    assert len(client._resp_map) == waiting


async def test_those_who_wait_for_their_turn_wait_no_longer(
    bucket: JetStreamBucket, data_nats: NatsServer, connection: NatsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bucket.increment("n", 1)
    monkeypatch.setattr(jetstream, "WITHIN_S", 1.0)
    os.kill(data_nats.process.pid, signal.SIGSTOP)
    try:
        started_s = asyncio.get_running_loop().time()
        done = await asyncio.gather(*(bucket.increment("n", 1) for _ in range(10)), return_exceptions=True)
        took_s = asyncio.get_running_loop().time() - started_s
    finally:
        os.kill(data_nats.process.pid, signal.SIGCONT)
    assert {str(each) for each in done} == {"NATS did not answer within 1 s"}
    assert took_s < 6  # and not 10
