"""Workloads' data on a real server with the chart's own configuration: what hosts keep, and what is out of reach."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
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
from nats.js.api import DeliverPolicy, StorageType
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    ServerError,
)
from nats.js.kv import KV_OP, KeyValue

ENVIRONMENTS = ("", "team-a", "team-b")
GROUPS: JsonObject = {
    "runtime": {"hostGroups": [{"name": f"hosts-{name}".strip("-"), "environment": name} for name in ENVIRONMENTS]}
}
WITHOUT_TLS = merged(GROUPS, {"global": {"tls": {"enabled": False}}})
# A sixth of 12 MiB is too little to be worth a volume, and quick to fill.
SMALL = merged(GROUPS, {"nats": {"persistence": {"size": "6Mi"}, "maxBuckets": 2}})
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


async def keys_of(data: Login, name: str) -> list[str]:
    """All keys, by an ordered consumer that is ended then; nats-py's keys() may end before the first one has come."""
    streams = data.client.jetstream()
    listing = await streams.subscribe(
        f"$KV.{name}.>", stream=f"KV_{name}", ordered_consumer=True, deliver_policy=DeliverPolicy.LAST_PER_SUBJECT
    )
    info = await listing.consumer_info()
    entries = [await listing.next_msg(10) for _ in range(info.num_pending + info.delivered.consumer_seq)]
    assert await streams.delete_consumer(f"KV_{name}", info.name)
    kept = [entry.subject.removeprefix(f"$KV.{name}.") for entry in entries if KV_OP not in (entry.headers or {})]
    return sorted(kept)


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


async def test_a_long_list_comes_whole(cluster: Cluster) -> None:
    """After 32 MiB the server waits to hear that they came: the answer to its flow control must be allowed."""
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
        "$JS.API.CONSUMER.MSG.NEXT.KV_kept.c",
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
