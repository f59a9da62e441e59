"""`wasi:keyvalue` as a component sees it: a real guest, a real host, a real NATS with JetStream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from ground.nats import NatsServer
from ground.wait import eventually
from nats.aio.client import Client

from .conftest import StartHost
from .driver import Host, Json, Operator, component, get, http_interface, said_in_log, start_request

STORE_WITHIN_S = 5.0


@pytest.fixture
def data_nats(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path, ["--jetstream", "--store_dir", str(tmp_path / "jetstream")]) as server:
        yield server


@pytest.fixture
async def outsider(data_nats: NatsServer) -> AsyncIterator[Client]:
    """Somebody with the NATS tools."""
    client = Client()
    await client.connect(data_nats.url)
    yield client
    await client.close()


def counting(workload_id: str, host: str = "kv.localhost", namespace: str = "default", **config: str) -> Json:
    """A start request of the guest that keeps things in buckets."""
    request = start_request(workload_id, component("file://keyvalue.wasm"), host=host, namespace=namespace)
    interfaces = ["store", "atomics", "batch"]
    entry = {"namespace": "wasi", "package": "keyvalue", "interfaces": interfaces, "config": config}
    request["workload"]["witWorld"]["hostInterfaces"] = [http_interface(host), entry]
    return request


async def asked(host: Host, path: str, name: str = "kv.localhost") -> tuple[int, str]:
    return await asyncio.to_thread(get, host.http_port, path, name)


async def started(operator: Operator, host: Host, request: Json) -> None:
    assert await operator.start(host.id, request) == ("RUNNING", "Workload started successfully")


async def test_what_one_host_keeps_another_finds(
    start_host: StartHost, operator: Operator, data_nats: NatsServer, outsider: Client
) -> None:
    one, two = [await start_host(data_nats_url=data_nats.url) for _ in range(2)]
    for host in (one, two):
        await started(operator, host, counting("w"))
    assert await asked(one, "/set?key=user:1&value=Ada") == (200, "done\n")
    assert await asked(two, "/get?key=user:1") == (200, "Ada\n")
    sums = await asyncio.gather(*(asked(host, "/increment?key=n") for host in (one, two) for _ in range(20)))
    assert sorted(int(text) for status, text in sums if status == 200) == list(range(1, 41))

    bucket = await outsider.jetstream().key_value("default_default")
    assert (await bucket.get("n")).value == b"40"
    await bucket.put("by-hand", b"seen")
    assert await asked(one, "/get?key=by-hand") == (200, "seen\n")

    await started(operator, one, counting("other", host="other.localhost", namespace="team-b"))
    assert await asked(one, "/get?key=n", "other.localhost") == (404, "no such key\n")


async def test_without_data_nats_buckets_are_in_memory(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    await started(operator, host, counting("one"))
    await started(operator, host, counting("two", host="two.localhost"))
    await started(operator, host, counting("other", host="other.localhost", namespace="team-b"))
    assert await asked(host, "/increment?key=n") == (200, "1\n")
    assert await asked(host, "/increment?key=n", "two.localhost") == (200, "2\n")
    assert await asked(host, "/increment?key=n", "other.localhost") == (200, "1\n")
    # As long as somebody uses them.
    await operator.stop(host.id, "one")
    assert await asked(host, "/get?key=n", "two.localhost") == (200, "2\n")
    await operator.stop(host.id, "two")
    await started(operator, host, counting("three"))
    assert await asked(host, "/get?key=n") == (404, "no such key\n")


async def test_what_a_host_cannot_give_is_said(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    offered = {
        f"{each['namespace']}:{each['package']}/{interface}@{each['version']}"
        for each in host.first_heartbeat["imports"]
        for interface in each["interfaces"]
    }
    assert {f"wasi:keyvalue/{name}@0.2.0-draft" for name in ("store", "atomics", "batch")} <= offered
    for config, sentence in [
        ({"backend": "nats"}, "this host has no NATS for workloads' data (--data-nats-url)"),
        ({"backend": "redis"}, "this host has no backend 'redis'; it has nats and in-memory"),
        ({"bukket": "a"}, "unknown config bukket"),
    ]:
        state, message = await operator.start(host.id, counting("w", **config))
        assert (state, sentence in message) == ("ERROR", True), message
        await operator.stop(host.id, "w")
    undeclared = start_request("w", component("file://keyvalue.wasm"))
    state, message = await operator.start(host.id, undeclared)
    assert state == "ERROR"
    assert "wasi:keyvalue/" in message
    assert "which the workload did not ask for: add it to hostInterfaces" in message


async def test_a_component_hears_why(start_host: StartHost, operator: Operator, data_nats: NatsServer) -> None:
    host = await start_host(data_nats_url=data_nats.url)
    await started(operator, host, counting("w", buckets="cart", read_only="true"))
    for path, answer in [
        ("/get?key=a&bucket=cart", (404, "no such key\n")),
        ("/get?key=a&bucket=other", (502, "access-denied\n")),
        ("/set?key=a&value=1&bucket=cart", (502, "access-denied\n")),
        ("/get?key=&bucket=cart", (502, "other: a key must not be empty\n")),
    ]:
        assert await asked(host, path) == answer


async def test_workloads_outlive_their_nats(start_host: StartHost, operator: Operator, data_nats: NatsServer) -> None:
    host = await start_host(data_nats_url=data_nats.url)
    await started(operator, host, counting("w"))
    assert await asked(host, "/set?key=a&value=1") == (200, "done\n")
    metric = "wasmcloud_host_data_nats_connected"
    assert f"{metric} 1.0" in (await asyncio.to_thread(host.page, "/metrics"))[1]
    await asyncio.to_thread(data_nats.stop)
    await asyncio.to_thread(said_in_log, host.process, "nats_disconnected")
    assert await asked(host, "/get?key=a") == (502, f"other: NATS did not answer within {STORE_WITHIN_S:g} s\n")
    assert f"{metric} 0.0" in (await asyncio.to_thread(host.page, "/metrics"))[1]
    await asyncio.to_thread(data_nats.start)

    def assert_kept() -> None:
        assert get(host.http_port, "/get?key=a", "kv.localhost") == (200, "1\n")

    await asyncio.to_thread(eventually, assert_kept, within_s=30)


async def test_a_nats_without_jetstream_is_told(
    start_host: StartHost, operator: Operator, nats_server: NatsServer
) -> None:
    host = await start_host(data_nats_url=nats_server.url)
    await started(operator, host, counting("w"))
    assert await asked(host, "/get?key=a") == (502, "other: the NATS server has no JetStream for this host\n")
