"""HTTPS on the listener: the flags, renewed certificates, clients' certificates."""

from __future__ import annotations

import asyncio
import http.client
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ground.wait import eventually

from .conftest import StartHost
from .driver import PATIENCE_S, Host, Operator, said_in_log, start_request


def trusting(certificates: Path, client: str | None = None) -> ssl.SSLContext:
    """What a client needs: the CA, and a certificate of its own if it is to have one."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if client is not None:
        context.load_cert_chain(certificates / f"{client}.pem", certificates / f"{client}.key")
    return context


@contextmanager
def connected(port: int, context: ssl.SSLContext) -> Iterator[http.client.HTTPSConnection]:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=PATIENCE_S)
    try:
        yield connection
    finally:
        connection.close()


def status(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", "/", headers={"Host": "hello.localhost"})
    response = connection.getresponse()
    response.read()
    return response.status


def name_served(port: int, context: ssl.SSLContext) -> str:
    """The common name of the certificate that a new connection meets."""
    with connected(port, context) as connection:
        assert status(connection) == 200
        subject = connection.sock.getpeercert()["subject"]
    return dict(pair for (pair,) in subject)["commonName"]


@pytest.fixture
def files(certificates: Path, tmp_path: Path) -> Path:
    """A directory like a mounted Secret: tls.crt, tls.key."""
    mounted = tmp_path / "tls"
    mounted.mkdir()
    renew(mounted, certificates, "server")
    return mounted


def renew(mounted: Path, certificates: Path, name: str) -> None:
    shutil.copy(certificates / f"{name}.key", mounted / "tls.key")
    shutil.copy(certificates / f"{name}.pem", mounted / "tls.crt")


async def https_host(start_host: StartHost, operator: Operator, files: Path, **more: str) -> Host:
    host = await start_host(tls_cert_path=str(files / "tls.crt"), tls_key_path=str(files / "tls.key"), **more)
    assert (await operator.start(host.id, start_request("one")))[0] == "RUNNING"
    return host


async def test_a_renewed_certificate_is_served_and_open_connections_go_on(
    start_host: StartHost, operator: Operator, certificates: Path, files: Path
) -> None:
    host = await https_host(start_host, operator, files)
    context = trusting(certificates)
    with connected(host.http_port, context) as kept:
        assert await asyncio.to_thread(status, kept) == 200
        socket_at_first = kept.sock
        seen: list[int] = []
        is_over = threading.Event()

        def ask_on() -> None:
            while not is_over.is_set():
                seen.append(status(kept))

        asking = threading.Thread(target=ask_on)
        asking.start()
        try:
            assert await asyncio.to_thread(name_served, host.http_port, context) == "server"
            renew(files, certificates, "client")

            def is_renewed() -> None:
                assert name_served(host.http_port, context) == "client"

            await asyncio.to_thread(eventually, is_renewed, within_s=PATIENCE_S)
        finally:
            is_over.set()
            asking.join()
        assert set(seen) == {200}
        assert kept.sock is socket_at_first, "it was never opened anew"


async def test_a_broken_renewed_file_keeps_the_old_certificate(
    start_host: StartHost, operator: Operator, certificates: Path, files: Path
) -> None:
    host = await https_host(start_host, operator, files)
    context = trusting(certificates)
    (files / "tls.crt").write_text("no certificate")
    await asyncio.to_thread(said_in_log, host.process, "the listener keeps its last good certificate")
    assert str(files / "tls.crt") in host.process.log.read_text()
    assert await asyncio.to_thread(name_served, host.http_port, context) == "server"
    # A key that belongs to another certificate is what a renewal looks like between two files.
    shutil.copy(certificates / "client.pem", files / "tls.crt")
    await asyncio.to_thread(eventually, lambda: said_twice(host), within_s=PATIENCE_S)
    assert await asyncio.to_thread(name_served, host.http_port, context) == "server"
    renew(files, certificates, "client")
    await asyncio.to_thread(said_in_log, host.process, "was read anew")
    assert await asyncio.to_thread(name_served, host.http_port, context) == "client"


def said_twice(host: Host) -> None:
    assert host.process.log.read_text().count("keeps its last good certificate") >= 2


async def test_clients_need_a_certificate_where_a_ca_is_named(
    start_host: StartHost, operator: Operator, certificates: Path, files: Path
) -> None:
    host = await https_host(start_host, operator, files, tls_ca_path=str(certificates / "ca.pem"))
    assert await asyncio.to_thread(name_served, host.http_port, trusting(certificates, "client")) == "server"
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        await asyncio.to_thread(name_served, host.http_port, trusting(certificates))


async def test_clear_text_gets_no_answer_there(
    start_host: StartHost, operator: Operator, certificates: Path, files: Path
) -> None:
    host = await https_host(start_host, operator, files)

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", host.http_port, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/", headers={"Host": "hello.localhost"})
            connection.getresponse()
        finally:
            connection.close()

    with pytest.raises((http.client.HTTPException, ConnectionError)):
        await asyncio.to_thread(ask)
    assert await asyncio.to_thread(name_served, host.http_port, trusting(certificates)) == "server"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("cert", "the certificate {broken} can't be used for HTTPS"),
        ("key", "the key {broken} can't be used for HTTPS"),
        ("ca", "the CA file {broken} can't be used for HTTPS: no certificate is in it"),
    ],
)
def test_a_file_that_is_no_certificate_is_one_sentence(
    tmp_path: Path, certificates: Path, broken: str, says: str
) -> None:
    paths = {"cert": certificates / "server.pem", "key": certificates / "server.key", "ca": certificates / "ca.pem"}
    paths[broken] = tmp_path / "broken"
    paths[broken].write_text("nothing of the kind\n")
    flags = [f"--tls-{name}-path={path}" for name, path in paths.items()]
    command = [sys.executable, "-m", "wasmcloud_host", "--http-addr=127.0.0.1:0", f"--oci-cache-dir={tmp_path}/cache"]
    ended = subprocess.run([*command, *flags], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert says.format(broken=paths[broken]) in ended.stderr
