"""TLS to NATS, to registries and from guests to the world: the flags that name CAs and certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from ground.nats import nats_server_binary
from ground.oci_registry import PASSWORD, USERNAME, OciRegistry
from ground.process import Process, free_ports

from .conftest import StartHost
from .driver import GUESTS, Operator, component, get, host_process, said_in_log, start_request


@pytest.mark.parametrize("is_first", [False, True])
async def test_nats(processes: list[Process], tmp_path: Path, certificates: Path, *, is_first: bool) -> None:
    port = free_ports(1)[0]
    config = tmp_path / "nats.conf"
    config.write_text(
        f'tls {{ cert_file: "{certificates}/server.pem", key_file: "{certificates}/server.key", '
        f'ca_file: "{certificates}/ca.pem", verify: true, handshake_first: {str(is_first).lower()} }}\n'
    )
    listen = ["--addr", "127.0.0.1", "--port", str(port), "--config", str(config)]
    server = Process("nats-server", [nats_server_binary(), *listen], tmp_path / "nats-server.log")
    unknown_ca: dict[str, str | list[str]] = {
        "host-id": "stranger",
        "scheduler-nats-url": f"tls://127.0.0.1:{port}",
        "http-addr": "127.0.0.1:0",
        "oci-cache-dir": str(tmp_path / "cache"),
    }
    if is_first:
        unknown_ca["scheduler-nats-tls-first"] = []
    no_certificate = unknown_ca | {"host-id": "nobody", "scheduler-nats-tls-ca": f"{certificates}/ca.pem"}
    known = no_certificate | {
        "host-id": "known",
        "scheduler-nats-tls-cert": f"{certificates}/client.pem",
        "scheduler-nats-tls-key": f"{certificates}/client.key",
    }
    hosts = [host_process(tmp_path, f"host-{n}", flags) for n, flags in enumerate((known, no_certificate, unknown_ca))]
    processes += [server, *hosts]
    for process in (server, *hosts):
        process.start()
    await asyncio.to_thread(said_in_log, hosts[0], "nats_connected")
    await asyncio.to_thread(said_in_log, hosts[1], "nats_connect_failed")
    await asyncio.to_thread(said_in_log, hosts[2], "certificate verify failed")
    assert "nats_connected" not in hosts[1].log.read_text() + hosts[2].log.read_text()


@asynccontextmanager
async def tls_in_front_of(port: int, certificates: Path, address: str = "127.0.0.1") -> AsyncIterator[str]:
    """Takes TLS at an address and hands what is inside to a port of 127.0.0.1; gives where it listens."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, inside[1]), copy(inside[0], writer))

    server = await asyncio.start_server(carry, address, 0, ssl=context)
    async with server:
        yield f"{address}:{server.sockets[0].getsockname()[1]}"


async def test_a_registry_with_a_ca_of_its_own(
    start_host: StartHost, operator: Operator, certificates: Path, tmp_path: Path
) -> None:
    with OciRegistry(tmp_path) as registry:
        registry.push("acme/hello", "1", (GUESTS / "http-p2.wasm").read_bytes())
        async with tls_in_front_of(int(registry.host.rpartition(":")[2]), certificates) as address:
            secret = {"username": USERNAME, "password": PASSWORD}
            request = start_request("one", component(f"{address}/acme/hello:1", imagePullSecret=secret))
            stranger = await start_host(oci_cache_dir=str(tmp_path / "cache-1"))
            state, message = await operator.start(stranger.id, request)
            assert (state, "certificate" in message) == ("ERROR", True), message
            host = await start_host(oci_cache_dir=str(tmp_path / "cache-2"), oci_ca_path=f"{certificates}/ca.pem")
            assert (await operator.start(host.id, request))[0] == "RUNNING"


async def test_a_guest_trusts_the_cas_of_the_host(
    start_host: StartHost, operator: Operator, certificates: Path
) -> None:
    inner = await start_host()
    await operator.start(inner.id, start_request("one"))
    # 127.0.0.1 would be the guest's own.
    async with tls_in_front_of(inner.http_port, certificates, "127.0.0.2") as address:
        path = f"/fetch?url={quote(f'https://{address}/', safe='')}"
        answers = []
        for ca in ({}, {"http_client_ca_path": f"{certificates}/ca.pem"}):
            host = await start_host(no_deny_special_ranges=[], allowed_hosts="*", **ca)
            await operator.start(host.id, start_request("two", host="outer.localhost"))
            answers.append(await asyncio.to_thread(get, host.http_port, path, "outer.localhost"))
        assert answers[0][0] == 502, "a certificate of nobody"
        assert answers[1][0] == 404, "the inner host has no workload of that name, and says so over TLS"
