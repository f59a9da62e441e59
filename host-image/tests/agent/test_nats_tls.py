"""TLS to NATS: the flags that name certificates, and the one for servers that say nothing before the handshake."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from ground.nats import nats_server_binary
from ground.process import Process, free_ports

from .driver import host_process, said_in_log


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and what it signed for a server on 127.0.0.1 and for a client."""
    made = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(made, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
    (made / "extensions").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    for name in ("server", "client"):
        openssl(made, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2"]
        openssl(made, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    return made


@pytest.mark.parametrize("is_first", [False, True])
async def test_certificates(processes: list[Process], tmp_path: Path, certificates: Path, *, is_first: bool) -> None:
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
    await asyncio.to_thread(said_in_log, hosts[0], "nats connected")
    await asyncio.to_thread(said_in_log, hosts[1], "waiting for nats")
    await asyncio.to_thread(said_in_log, hosts[2], "certificate verify failed")
    assert "nats connected" not in hosts[1].log.read_text() + hosts[2].log.read_text()
