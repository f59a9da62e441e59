"""What hostInterfaces may say of `wasi:keyvalue`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_api.wire import WitInterface
from wasmcloud_engine import StoreError
from wasmcloud_host.plugins.keyvalue.entries import Backend, Entry, chosen, entries_of
from wasmcloud_host.plugins.keyvalue.keys import decoded, encoded


def declared(name: str = "", **config: str) -> WitInterface:
    return WitInterface(namespace="wasi", package="keyvalue", interfaces=("store",), name=name, config=config)


def test_entries_are_read() -> None:
    http = WitInterface(namespace="wasi", package="http", interfaces=("incoming-handler",), config={"host": "a"})
    config = {"backend": "in-memory", "buckets": "a, b", "prefix": "p/", "read_only": "true"}
    assert entries_of([http, declared(), declared("cart", **config)]) == (
        Entry(),
        Entry("cart", Backend.MEMORY, None, frozenset({"a", "b"}), "p/", is_read_only=True),
    )


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"backend": "redis"}, "this host has no backend 'redis'; it has nats and in-memory"),
        ({"bukket": "a"}, "unknown config bukket; it may have backend, bucket, buckets, prefix, read_only"),
        ({"bucket": "a", "buckets": "b"}, "exclude one another"),
        ({"bucket": ""}, "the name of one bucket"),
        ({"bucket": "a,b"}, "the name of one bucket"),
        ({"bucket": "a.b"}, "'a.b' is no name of a bucket"),
        ({"buckets": "a,b c"}, "'b c' is no name of a bucket"),
        ({"read_only": "yes"}, "read_only must be true or false, not 'yes'"),
    ],
)
def test_a_config_that_cannot_be_used(config: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match="hostInterfaces entry cart: ") as refused:
        entries_of([declared("cart", **config)])
    assert sentence in str(refused.value)


def test_an_identifier_finds_its_entry() -> None:
    plain, cart = Entry(), Entry("cart", bucket="carts")
    assert [chosen([cart, plain], name) for name in ("cart", "other", "")] == [cart, plain, plain]
    assert [plain.bucket_for(name) for name in ("", "default", "other")] == ["default", "default", "other"]
    assert Entry("cart").bucket_for("cart") == "cart"
    assert cart.bucket_for("cart") == "carts"
    with pytest.raises(StoreError, match="hostInterfaces name no store 'other'") as refused:
        chosen([cart], "other")
    assert refused.value.kind == "no-such-store"


@pytest.mark.parametrize("identifier", ["a.b", "a b", "*", "ä", "x" * 129])
def test_a_name_that_no_bucket_can_have(identifier: str) -> None:
    with pytest.raises(StoreError, match="is no name of a bucket"):
        Entry().bucket_for(identifier)


def test_buckets_bound_what_may_be_opened() -> None:
    entry = Entry(buckets=frozenset({"a"}))
    assert entry.bucket_for("a") == "a"
    for identifier in ("b", ""):
        with pytest.raises(StoreError, match="don't give the bucket") as refused:
            entry.bucket_for(identifier)
        assert refused.value.kind == "access-denied"


@given(st.text(min_size=1))
def test_a_key_comes_back_as_it_was(key: str) -> None:
    written = encoded(key)
    assert decoded(written) == key
    assert written.isascii()
    assert all(part for part in written.split("."))
    assert not set(written) & set(" *>\t\r\n")


@given(st.text(alphabet="ab.=4", min_size=1), st.text(alphabet="ab.=4", min_size=1))
def test_two_keys_stay_two(one: str, other: str) -> None:
    assert (encoded(one) == encoded(other)) == (one == other)
