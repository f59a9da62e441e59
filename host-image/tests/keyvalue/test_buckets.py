"""What every backend's buckets do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from wasmcloud_engine import StoreError
from wasmcloud_host.plugins.keyvalue.entries import Backend, Entry

from .conftest import Bind

if TYPE_CHECKING:
    from wasmcloud_engine import Bucket

STRANGE = ["a", ".", "..", "a.b", ".a.", "a b", "ä/ö", "=41", "a*>", "\n", "user:1", "_kv", "日本", "x" * 1024]


async def listed(bucket: Bucket) -> list[str]:
    keys: list[str] = []
    cursor = None
    while True:
        page, cursor = await bucket.list_keys(cursor)
        keys += page
        if cursor is None:
            return keys


async def test_a_value_stays_until_it_is_deleted(bind: Bind) -> None:
    bucket = await bind().open("")
    assert await bucket.get("a") is None
    assert not await bucket.exists("a")
    await bucket.set("a", b"1")
    await bucket.set("a", b"\x00\xff")
    assert await bucket.get("a") == b"\x00\xff"
    assert await bucket.exists("a")
    await bucket.delete("a")
    await bucket.delete("a")
    assert await bucket.get("a") is None
    assert not await bucket.exists("a")


async def test_an_empty_value_is_a_value(bind: Bind) -> None:
    bucket = await bind().open("")
    await bucket.set("a", b"")
    assert await bucket.get("a") == b""
    assert await bucket.exists("a")
    assert await bucket.get_many(["a", "b"]) == [b"", None]


async def test_any_text_is_a_key_of_its_own(bind: Bind) -> None:
    bucket = await bind().open("")
    for number, key in enumerate(STRANGE):
        await bucket.set(key, b"%d" % number)
    assert [await bucket.get(key) for key in STRANGE] == [b"%d" % number for number in range(len(STRANGE))]
    assert sorted(await listed(bucket)) == sorted(STRANGE)


async def test_batches(bind: Bind) -> None:
    bucket = await bind().open("")
    pairs = [(f"key-{number}", b"%d" % number) for number in range(200)]
    await bucket.set_many([*pairs, ("key-0", b"last")])
    assert await bucket.get_many(["key-199", "none", "key-0"]) == [b"199", None, b"last"]
    await bucket.delete_many(["none", *(key for key, _ in pairs[1:])])
    assert await listed(bucket) == ["key-0"]


async def test_keys_come_in_pages(bind: Bind) -> None:
    bucket = await bind().open("")
    assert await listed(bucket) == []
    await bucket.set_many([(f"key-{number}", b"") for number in range(2100)])
    await bucket.delete("key-7")
    first, cursor = await bucket.list_keys(None)
    assert len(first) <= 1000
    assert cursor is not None
    # What is written and deleted between two pages makes no other key disappear.
    await bucket.delete_many(first[:10])
    await bucket.set(first[20], b"again")
    keys = set(first)
    while cursor is not None:
        page, cursor = await bucket.list_keys(cursor)
        keys |= set(page)
    assert keys == {f"key-{number}" for number in range(2100)} - {"key-7"}


async def test_increments_lose_nothing(bind: Bind) -> None:
    """Of one host, and of two that don't know of one another."""
    one, other = await bind().open("n"), await bind().open("n")
    sums = await asyncio.gather(*(bucket.increment("n", 1) for bucket in (one, other) for _ in range(50)))
    assert sorted(sums) == list(range(1, 101))
    assert await one.get("n") == b"100"
    await one.delete("n")
    assert await one.increment("n", 7) == 7


@pytest.mark.parametrize("value", [b"one", b"", b"-1", b"1.5", b"9" * 21])
async def test_what_is_no_number_is_not_incremented(bind: Bind, value: bytes) -> None:
    bucket = await bind().open("")
    await bucket.set("n", value)
    with pytest.raises(StoreError, match="is no number that could be incremented"):
        await bucket.increment("n", 1)
    assert await bucket.get("n") == value


async def test_a_sum_that_does_not_fit(bind: Bind) -> None:
    bucket = await bind().open("")
    assert await bucket.increment("n", 2**64 - 1) == 2**64 - 1
    with pytest.raises(StoreError, match="the sum is over 18446744073709551615"):
        await bucket.increment("n", 1)


async def test_workloads_of_a_namespace_share_and_others_do_not(bind: Bind) -> None:
    await (await bind().open("shared")).set("a", b"1")
    assert await (await bind().open("shared")).get("a") == b"1"
    assert await (await bind().open("other")).get("a") is None
    assert await (await bind(namespace="elsewhere").open("shared")).get("a") is None


async def test_entries_shape_their_buckets(bind: Bind, request: pytest.FixtureRequest) -> None:
    plain = Entry(backend=request.node.callspec.params["bind"])
    whole = await bind(plain).open("cart")
    below = await bind(replace(plain, bucket="cart", prefix="user/")).open("whatever")
    await below.set("a", b"1")
    await whole.set("b", b"2")
    assert await whole.get("user/a") == b"1"
    assert await listed(below) == ["a"]
    assert await below.get_many(["a", "b"]) == [b"1", None]

    read_only = await bind(replace(plain, is_read_only=True)).open("cart")
    assert await read_only.get("b") == b"2"
    for write in (
        read_only.set("b", b"3"),
        read_only.delete("b"),
        read_only.increment("n", 1),
        read_only.set_many([("b", b"3")]),
        read_only.delete_many(["b"]),
    ):
        with pytest.raises(StoreError, match="to read only") as refused:
            await write
        assert refused.value.kind == "access-denied"
    assert await whole.get("b") == b"2"


async def test_a_key_has_its_bounds(bind: Bind) -> None:
    bucket = await bind().open("")
    with pytest.raises(StoreError, match="must not be empty"):
        await bucket.set("", b"")
    with pytest.raises(StoreError, match="must not be over 1024 bytes"):
        await bucket.get("ä" * 513)


async def test_a_value_over_the_backend_s_bound_is_refused(bind: Bind, request: pytest.FixtureRequest) -> None:
    is_memory = request.node.callspec.params["bind"] is Backend.MEMORY
    bucket = await bind().open("")
    await bucket.set("a", b"kept")
    size, text = (64 << 20, "they hold 64 MiB") if is_memory else (2 << 20, "larger than the NATS server takes")
    with pytest.raises(StoreError, match=text):
        await bucket.set("a", bytes(size))
    assert await bucket.get("a") == b"kept"
