"""A NATS with JetStream, and buckets of every backend: they pass the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ground.nats import NatsServer
from pydantic import SecretStr
from wasmcloud_api.names import WorkloadId
from wasmcloud_host.nats_connection import Access, NatsConnection
from wasmcloud_host.plugins.keyvalue.entries import Backend, Entry
from wasmcloud_host.plugins.keyvalue.plugin import KeyValuePlugin, WorkloadBuckets

Bind = Callable[..., WorkloadBuckets]


@pytest.fixture(scope="session")
def data_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    folder = tmp_path_factory.mktemp("data-nats")
    with NatsServer(folder, ["--jetstream", "--store_dir", str(folder)]) as server:
        yield server


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[NatsConnection]:
    access = Access(SecretStr(url), creds=None, tls_ca=None, tls_cert=None, tls_key=None, tls_first=False)
    connection = NatsConnection(access, "test", "data")
    running = asyncio.create_task(connection.run())
    async with asyncio.timeout(30):
        await connection.client()
    yield connection
    await connection.leave()
    await running


@pytest.fixture
async def connection(data_nats: NatsServer) -> AsyncIterator[NatsConnection]:
    async with connected(data_nats.url) as made:
        yield made


@pytest.fixture(params=list(Backend))
async def bind(request: pytest.FixtureRequest, connection: NatsConnection, tmp_path: Path) -> Bind:
    """Bind a workload with these entries; each test has namespaces of its own."""
    plugin = KeyValuePlugin(connection)
    numbers = iter(range(1000))
    namespace_of_test = f"ns-{abs(hash(tmp_path))}"

    def bound(*entries: Entry, namespace: str = namespace_of_test) -> WorkloadBuckets:
        given = entries or (Entry(backend=request.param),)
        made = plugin.bind(WorkloadId(f"workload-{next(numbers)}"), namespace, given)
        assert made is not None
        return made

    return bound
