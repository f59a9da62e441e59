"""Workloads' data on a real server with the chart's own configuration: what hosts keep, and what is out of reach."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nats.errors
import pytest
from chart.real_nats import (
    Cluster,
    Login,
    Server,
    assert_may_not_publish,
    assert_may_not_subscribe,
    cluster_of,
)
from chart.rendered import JsonObject, merged
from ground.wait import eventually, eventually_async
from nats.aio.client import Client
from nats.js.api import StorageType
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    ServerError,
)
from nats.js.kv import KeyValue
from wasmcloud_host.plugins.keyvalue.jetstream import JetStreamBucket, JetStreamBuckets

ENVIRONMENTS = ("", "team-a", "team-b")
GROUPS: JsonObject = {
    "runtime": {"hostGroups": [{"name": f"hosts-{name}".strip("-"), "environment": name} for name in ENVIRONMENTS]}
}
WITHOUT_TLS = merged(GROUPS, {"global": {"tls": {"enabled": False}}})
# Too little to be worth a volume, and quick to fill.
SMALL = merged(GROUPS, {"nats": {"persistence": {"size": "7.5Mi"}, "maxBuckets": 2}})
FULL = 10002  # nats-server: "resource limits exceeded for account"


@pytest.fixture(scope="module", params=[GROUPS, WITHOUT_TLS], ids=["certificates", "passwords"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(request.param, tmp_path_factory.mktemp("chart-data")) as running:
        yield running


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(SMALL, tmp_path_factory.mktemp("chart-small")) as running:
        yield running


async def bucket(data: Login, name: str, **config: object) -> KeyValue:
    return await data.client.jetstream().create_key_value(bucket=name, **config)


@dataclass(frozen=True, slots=True)
class Standing:
    """A connection that stands, as the host's code asks for one."""

    of: Login

    async def client(self) -> Client:
        return self.of.client


def as_host(data: Login, name: str) -> JetStreamBucket:
    """The bucket by the host's own code."""
    return JetStreamBuckets(Standing(data)).bucket(name)  # type: ignore[arg-type]


async def keys_of(data: Login, name: str) -> list[str]:
    keys: set[str] = set()
    cursor: int | None = None
    while True:
        page, cursor = await as_host(data, name).list_keys(cursor)
        keys.update(page)
        if cursor is None:
            return sorted(keys)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("direct", [True, False], ids=["direct", "by-leader"])
async def test_a_host_keeps_what_its_workloads_store(cluster: Cluster, environment: str, direct: bool) -> None:
    async with cluster.role("data", environment=environment) as data:
        name = f"team_kept_{direct}"
        kept = await bucket(data, name, direct=direct)
        first = await kept.put("a", b"1")
        await kept.create("b/c", b"2")
        assert (await kept.get("a")).value == b"1"
        assert (await kept.get("a", revision=first)).value == b"1"

        second = await kept.update("a", b"3", last=first)
        with pytest.raises(KeyWrongLastSequenceError):
            await kept.update("a", b"4", last=first)
        assert (await kept.get("a")).revision == second
        assert await keys_of(data, name) == ["a", "b/c"]

        await kept.delete("a")
        with pytest.raises(KeyNotFoundError):
            await kept.get("a")
        assert await keys_of(data, name) == ["b/c"]

        again = await data.client.jetstream().key_value(name)
        assert (await again.get("b/c")).value == b"2"
        assert (await again.status()).stream_info.config.storage == StorageType.FILE.value
        assert data.errors == []


async def test_what_the_host_does_is_allowed(cluster: Cluster) -> None:
    """Every call of `wasi:keyvalue`, by the code that makes it."""
    async with cluster.role("data") as data:
        made = as_host(data, "by_host")
        await made.set_many([("a", b"1"), ("b", b"2")])
        assert await made.get_many(["a", "b", "c"]) == [b"1", b"2", None]
        assert await made.increment("a", 2) == 3
        await made.delete_many(["b"])
        assert not await made.exists("b")
        assert await made.list_keys(None) == (["a"], None)
        assert data.errors == []


async def test_a_long_list_comes_whole(cluster: Cluster) -> None:
    """40 MB of values: the server sends their names alone."""
    async with cluster.role("data") as data:
        kept = await bucket(data, "long")
        names = [f"k{number:02}" for number in range(40)]
        for name in names:
            await kept.put(name, bytes(1_000_000))
        assert await keys_of(data, "long") == names
        assert data.errors == []


@pytest.mark.parametrize("subject", ["runtime.host.h1.workload.start", "runtime.operator.heartbeat.h1", "runtime.x"])
async def test_data_cannot_touch_control(cluster: Cluster, subject: str) -> None:
    async with cluster.role("data") as data:
        await assert_may_not_publish(data, subject)
        await assert_may_not_subscribe(data, subject)


@pytest.mark.parametrize(
    "subject",
    [
        "other",
        "_INBOX.forged",
        "$SYS.REQ.SERVER.PING",
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.UPDATE.KV_kept",
        "$JS.API.STREAM.PURGE.KV_kept",
        "$JS.API.STREAM.DELETE.KV_kept",
        "$JS.API.STREAM.SNAPSHOT.KV_kept",
        "$JS.API.CONSUMER.LIST.KV_kept",
        "$JS.FC.KV_kept.c.x",
    ],
)
async def test_data_does_nothing_but_key_value(cluster: Cluster, subject: str) -> None:
    async with cluster.role("data") as data:
        await assert_may_not_publish(data, subject)


@pytest.mark.parametrize("subject", [">", "$KV.>", "$SYS.>", "$JS.>", "other"])
async def test_data_hears_its_own_replies_alone(cluster: Cluster, subject: str) -> None:
    async with cluster.role("data") as data:
        await assert_may_not_subscribe(data, subject)


async def test_no_stream_of_data_records_control(cluster: Cluster) -> None:
    """Permissions let a captured host make any stream; the account is what keeps commands and heartbeats out of it."""
    async with cluster.role("data") as data, cluster.role("operator") as operator, cluster.role("runtime") as host:
        streams = data.client.jetstream()
        await streams.add_stream(name="spy", subjects=["runtime.>", "$KV.mine.>"])
        heard = await operator.client.subscribe("runtime.operator.heartbeat.*")
        await operator.client.flush()
        await host.client.publish("runtime.operator.heartbeat.h1", b"{}")
        await operator.client.publish("runtime.host.h1.heartbeat", b"{}")
        await host.client.flush()
        await operator.client.flush()
        await heard.next_msg(10)
        await streams.publish("$KV.mine.k", b"")
        assert (await streams.stream_info("spy")).state.messages == 1


@pytest.mark.parametrize("mine", ENVIRONMENTS)
async def test_an_environment_sees_no_other_ones_buckets(cluster: Cluster, mine: str) -> None:
    theirs = "team-b" if mine == "team-a" else "team-a"
    name = f"secrets_of_{theirs}_from_{mine}"
    async with cluster.role("data", environment=theirs) as owner, cluster.role("data", environment=mine) as other:
        await (await bucket(owner, name)).put("key", b"secret")
        with pytest.raises(BucketNotFoundError):
            await other.client.jetstream().key_value(name)
        with pytest.raises(nats.errors.Error):
            await other.client.request(f"$JS.API.DIRECT.GET.KV_{name}.$KV.{name}.key", b"", timeout=2)
        # The same name is another bucket, and what is written there doesn't reach theirs.
        own = await bucket(other, name)
        assert await keys_of(other, name) == []
        await own.put("key", b"forged")
        assert (await (await owner.client.jetstream().key_value(name)).get("key")).value == b"secret"


async def fill(kept: KeyValue, mebibytes: int) -> None:
    for number in range(16 * mebibytes):
        await kept.put(f"k{number}", bytes(65536))


async def refusal(kept: KeyValue, mebibytes: int) -> int | None:
    """What the server says to so much: its code of the error, None where it takes all."""
    try:
        await fill(kept, mebibytes)
    except APIError as full:
        return full.err_code
    return None


async def test_an_environment_that_is_full_takes_no_room_from_others(small: Cluster) -> None:
    async with small.role("data", environment="team-a") as data:
        kept = await bucket(data, "kept")
        await fill(kept, 1)
        assert await refusal(kept, 2) == FULL
        assert (await kept.get("k0")).value == bytes(65536)
    async with small.role("data", environment="team-b") as data:
        await fill(await bucket(data, "kept"), 1)


async def test_buckets_are_counted_and_none_is_in_memory(small: Cluster) -> None:
    """Both are the servers' memory, which control needs."""
    async with small.role("data") as data:
        with pytest.raises(ServerError, match="insufficient memory"):
            await bucket(data, "m", storage=StorageType.MEMORY)
        for name in ("a", "b"):
            await bucket(data, name)
        with pytest.raises(APIError, match="maximum number of streams reached"):
            await bucket(data, "c")


async def test_listings_of_a_bucket_that_nobody_ended_are_bounded(small: Cluster) -> None:
    """The server keeps the consumer of one for as long as the client asked, five minutes with nats-py's own keys()."""
    async with small.role("data", environment="team-b") as data:
        await bucket(data, "listed")
        streams = data.client.jetstream()
        for _ in range(100):
            await streams.subscribe("$KV.listed.>", stream="KV_listed", ordered_consumer=True)
        with pytest.raises(APIError, match="maximum consumers limit reached"):
            await streams.subscribe("$KV.listed.>", stream="KV_listed", ordered_consumer=True)


async def test_three_servers_keep_three_copies_within_the_bounds(tmp_path: Path) -> None:
    with cluster_of(merged(SMALL, {"nats": {"replicas": 3}}), tmp_path) as cluster:
        for server in cluster.servers:
            eventually(lambda server=server: assert_led(server), within_s=30)  # type: ignore[misc]
        async with cluster.role("data", 0, environment="team-a") as data:
            kept = await eventually_async(lambda: replicated(data, "kept"), within_s=30)
            await fill(kept, 1)

            async def is_full() -> None:
                # The servers tell one another every few seconds how much there is.
                assert await refusal(kept, 3) == FULL, "3 MiB are taken where 2 are its share"

            await eventually_async(is_full, within_s=30)
        async with cluster.role("data", 1, environment="team-a") as data:
            again = await data.client.jetstream().key_value("kept")
            assert (await again.get("k0")).value == bytes(65536)
            assert len(await keys_of(data, "kept")) >= 16


async def replicated(data: Login, name: str) -> KeyValue:
    """A bucket of three copies; a request gets lost while the servers still learn of one another's subscriptions."""
    try:
        return await bucket(data, name, replicas=3)
    except nats.errors.TimeoutError as error:
        raise AssertionError("nobody placed the bucket") from error


def assert_led(server: Server) -> None:
    """The servers have agreed on one that places buckets."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports.monitor}/jsz", timeout=5) as reply:
        cluster = json.load(reply)["meta_cluster"]
    assert cluster.get("leader"), cluster
    assert cluster["cluster_size"] == 3
