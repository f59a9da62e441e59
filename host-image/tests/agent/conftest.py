from __future__ import annotations

import itertools
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from ground.nats import NatsServer
from ground.process import Process, free_ports
from nats.aio.client import Client
from wasmcloud_host.settings import Settings

from .driver import GUESTS, Host, Operator, host_process

StartHost = Callable[..., Awaitable[Host]]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on how the one who runs it has set up a host."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"WASMCLOUD_HOST_{name.upper()}", raising=False)


@pytest.fixture
async def operator(nats_server: NatsServer) -> AsyncIterator[Operator]:
    client = Client()
    await client.connect(nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=1)
    yield Operator(client, await client.subscribe("runtime.operator.heartbeat.*"))
    await client.close()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """What is in the list at the end is killed."""
    started: list[Process] = []
    yield started
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache directory for the run, so that a guest is compiled once."""
    return tmp_path_factory.mktemp("host-cache")


@pytest.fixture
async def start_host(
    nats_server: NatsServer, operator: Operator, processes: list[Process], compiled: Path, tmp_path: Path
) -> StartHost:
    """Start a host and wait for its first heartbeat; keywords are flags, `drain_timeout="1"`."""
    numbers = itertools.count()

    async def start(**flags: str | list[str]) -> Host:
        number = next(numbers)
        http_port, web_port = free_ports(2)
        host_id = f"host-{number}"
        given = {
            "host-id": host_id,
            "scheduler-nats-url": nats_server.url,
            "http-addr": f"127.0.0.1:{http_port}",
            "web-addr": f"127.0.0.1:{web_port}",
            "oci-cache-dir": str(compiled),
            "allow-file-images": str(GUESTS),
            "drain-timeout": "2",
        } | {flag.replace("_", "-"): values for flag, values in flags.items()}
        process = host_process(tmp_path, f"host-{number}", given)
        processes.append(process)
        process.start()
        host = Host(host_id, process, http_port, web_port)
        try:
            host.first_heartbeat = await operator.next_heartbeat(host_id)
        except TimeoutError as error:
            raise AssertionError(f"no heartbeat from {host_id}; its log:\n{process.log_tail()}") from error
        return host

    return start


@pytest.fixture
def silent_registry() -> Iterator[str]:
    """A registry that takes connections and never says a word: `host:port`."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and what it signed for a server on 127.0.0.1 or 127.0.0.2 and for a client."""
    made = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(made, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
    (made / "extensions").write_text(
        "subjectAltName=IP:127.0.0.1,IP:127.0.0.2\nextendedKeyUsage=serverAuth,clientAuth\n"
    )
    for name in ("server", "client"):
        openssl(made, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2"]
        openssl(made, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    return made
