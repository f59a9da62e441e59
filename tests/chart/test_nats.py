"""Who may do what on NATS: each forbidden thing is tried on a real server with the chart's own configuration."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nats.errors
import pytest
from chart.matrix import MATRIX
from chart.real_nats import (
    Cluster,
    Login,
    Server,
    assert_complaint,
    assert_may_not_publish,
    assert_may_not_subscribe,
    cluster_of,
    login,
    mount,
    secret_data,
    servers,
    tls_context,
)
from chart.rendered import Rendered, render
from ground.helm import CHART
from ground.nats import nats_server_binary
from ground.process import Process, free_ports
from ground.wait import eventually

WITHOUT_TLS = {"global": {"tls": {"enabled": False}}}


@pytest.fixture(scope="module", params=[{}, WITHOUT_TLS], ids=["certificates", "passwords"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(request.param, tmp_path_factory.mktemp("chart-nats")) as running:
        yield running


async def test_operator_and_host_can_do_their_work(cluster: Cluster) -> None:
    async with cluster.role("operator") as operator, cluster.role("runtime") as host:
        heartbeats = await operator.client.subscribe("runtime.operator.heartbeat.*")
        commands = await host.client.subscribe("runtime.host.h1.>")
        await operator.client.flush()
        await host.client.flush()

        await host.client.publish("runtime.operator.heartbeat.h1", b"{}")
        assert (await heartbeats.next_msg(10)).subject == "runtime.operator.heartbeat.h1"

        asked = asyncio.create_task(operator.client.request("runtime.host.h1.workload.list", b"{}", timeout=10))
        command = await commands.next_msg(10)
        await command.respond(b"done")
        assert (await asked).data == b"done"
        assert operator.errors == host.errors == []


@pytest.mark.parametrize(
    "subject", ["runtime.operator.heartbeat.h1", "runtime.hosts", "other", "$SYS.REQ.SERVER.PING", "_INBOX.x"]
)
async def test_the_operator_only_commands(cluster: Cluster, subject: str) -> None:
    async with cluster.role("operator") as operator:
        await assert_may_not_publish(operator, subject)


@pytest.mark.parametrize("subject", ["runtime.host.>", ">", "other", "$SYS.>", "runtime.operator.>"])
async def test_the_operator_only_hears_heartbeats(cluster: Cluster, subject: str) -> None:
    async with cluster.role("operator") as operator:
        await assert_may_not_subscribe(operator, subject)


@pytest.mark.parametrize(
    "subject", ["runtime.host.h2.workload.stop", "runtime.operator.other", "other", "_INBOX.forged", "$JS.API.INFO"]
)
async def test_a_captured_host_commands_nobody(cluster: Cluster, subject: str) -> None:
    async with cluster.role("runtime") as host, cluster.role("runtime") as other:
        commands = await other.client.subscribe("runtime.host.h2.>")
        await other.client.flush()
        await assert_may_not_publish(host, subject)
        await other.client.flush()
        assert commands.pending_msgs == 0


@pytest.mark.parametrize("subject", ["runtime.operator.heartbeat.*", "_INBOX.>", ">", "other"])
async def test_a_captured_host_hears_no_heartbeats_and_no_replies(cluster: Cluster, subject: str) -> None:
    async with cluster.role("runtime") as host:
        await assert_may_not_subscribe(host, subject)


async def test_a_host_responds_once(cluster: Cluster) -> None:
    async with cluster.role("operator") as operator, cluster.role("runtime") as host:
        commands = await host.client.subscribe("runtime.host.h1.>")
        await host.client.flush()
        asked = asyncio.create_task(operator.client.request("runtime.host.h1.heartbeat", b"{}", timeout=10))
        command = await commands.next_msg(10)
        await command.respond(b"first")
        await asked
        await command.respond(b"second")
        await assert_complaint(host, f'permissions violation for publish to "{command.reply.lower()}"')


@pytest.mark.parametrize("role", ["operator", "runtime"])
@pytest.mark.parametrize("subject", ["$JS.API.STREAM.CREATE.x", "$JS.API.DIRECT.GET.KV_b.$KV.b.k", "$KV.b.k"])
async def test_control_has_no_part_in_workloads_data(cluster: Cluster, role: str, subject: str) -> None:
    async with cluster.role(role) as control:
        await assert_may_not_publish(control, subject)
        await assert_may_not_subscribe(control, subject)


async def test_nobody_logs_in_without_credentials(cluster: Cluster, tmp_path: Path) -> None:
    port = cluster.servers[0].ports.client
    if "default/wasmcloud-ca" not in cluster.objects.names("Secret"):
        for user in ({}, {"user": "operator", "password": "guessed"}, {"user": "data", "password": ""}):
            await assert_refused(port, None, user)
        return
    own = secret_data(cluster.objects, "wasmcloud-operator-tls")
    await assert_refused(port, tls_context({"ca.crt": own["ca.crt"]}, tmp_path))
    # A certificate of this CA that names no role: NATS' own.
    await assert_refused(port, cluster.context("wasmcloud-nats-tls"))
    # The right name, signed by another installation's CA.
    stranger = secret_data(
        render({}, release="wasmcloud", namespace="elsewhere"), "wasmcloud-operator-tls", "elsewhere"
    )
    await assert_refused(port, tls_context({**stranger, "ca.crt": own["ca.crt"]}, tmp_path))


async def assert_refused(port: int, tls: ssl.SSLContext | None, user: dict[str, str] | None = None) -> None:
    with pytest.raises((nats.errors.Error, ssl.SSLError, OSError)):
        async with login(port, tls=tls, user=user) as found:
            await found.client.flush()


@pytest.mark.parametrize("values", [{"nats": {"replicas": 3}}, MATRIX["no-tls"]], ids=["certificates", "passwords"])
async def test_three_servers_form_a_cluster_that_no_host_can_join(values: dict[str, object], tmp_path: Path) -> None:
    with cluster_of(values, tmp_path) as cluster:
        for server in cluster.servers:
            eventually(lambda server=server: assert_routes(server, 2), within_s=30)  # type: ignore[misc]
        async with cluster.role("runtime", 0) as host, cluster.role("operator", 2) as operator:
            commands = await host.client.subscribe("runtime.host.h1.>")
            await host.client.flush()
            asked = asyncio.create_task(ask_until_heard(operator, "runtime.host.h1.heartbeat"))
            command = await commands.next_msg(20)
            await command.respond(b"here")
            assert await asked == b"here"
        assert_no_server_without_the_password(cluster.objects, cluster.servers[0], tmp_path)


async def ask_until_heard(operator: Login, subject: str) -> bytes:
    """A subscription takes a moment to reach the other servers."""
    while True:
        try:
            return bytes((await operator.client.request(subject, b"{}", timeout=10)).data)
        except nats.errors.NoRespondersError:
            await asyncio.sleep(0)


def assert_no_server_without_the_password(objects: Rendered, server: Server, directory: Path) -> None:
    """A captured host has a certificate of the same CA, but not the servers' password."""
    own = free_ports(2)
    tls = ""
    if "default/wasmcloud-ca" in objects.names("Secret"):
        mount(directory / "stolen", secret_data(objects, "wasmcloud-runtime-tls"))
        files = {"cert_file": "tls.crt", "key_file": "tls.key", "ca_file": "ca.crt"}
        tls = "tls {" + ", ".join(f'{key}: "{directory / "stolen" / name}"' for key, name in files.items()) + "}"
    route = f"nats-route://route:guessed@127.0.0.1:{server.ports.cluster}"
    config = directory / "thief.conf"
    config.write_text(
        f'server_name: thief\nhost: "127.0.0.1"\nport: {own[0]}\n'
        f'cluster {{ name: "wasmcloud"\n host: "127.0.0.1"\n port: {own[1]}\n routes: ["{route}"]\n {tls} }}\n'
    )
    with Process("thief", [nats_server_binary(), "--config", config], directory / "thief.log") as thief:

        def is_refused() -> None:
            assert "Authorization Violation" in thief.log.read_text(), thief.log_tail()

        eventually(is_refused, within_s=30)
    assert_routes(server, 2)


def assert_routes(server: Server, count: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports.monitor}/routez", timeout=5) as reply:
        routes = json.load(reply)["routes"]
    assert len({route["remote_id"] for route in routes}) == count


async def test_a_renewed_certificate_is_taken_without_losing_a_connection(tmp_path: Path) -> None:
    """The pod's second container tells the server when the kubelet has written another certificate."""
    objects = render()
    with servers(objects, tmp_path) as (server,):
        volumes = [server.directory / "config", server.directory / "tls"]
        script = tmp_path / "reload.py"
        text = (CHART / "files" / "nats-reload.py").read_text()
        script.write_text(
            text.replace("/run/nats/nats.pid", str(server.pid_file)).replace("EVERY_S = 5", "EVERY_S = 0.05")
        )
        with Process("reload", [sys.executable, script, *volumes], tmp_path / "reload.log") as reload:
            cluster = Cluster(objects, [server], tmp_path)
            async with cluster.role("operator") as connected:
                old = served_certificate(server)
                eventually(lambda: assert_watching(reload.pid), within_s=20)
                other = render({"nats": {"certificate": {"dnsNames": ["renewed.example.com"]}}})
                mount(volumes[1], secret_data(other, "wasmcloud-nats-tls"))
                eventually(lambda: assert_other_certificate(server, old), within_s=20)
                await connected.client.flush()
                assert connected.errors == []
            reload.stop()
            assert "anew" in (tmp_path / "reload.log").read_text()


def served_certificate(server: Server) -> bytes:
    """The certificate that a new connection is shown, by the TLS handshake after NATS' greeting."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.ports.client), timeout=10) as plain:
        while not plain.recv(4096).endswith(b"\r\n"):
            pass
        with context.wrap_socket(plain) as secured:
            return secured.getpeercert(binary_form=True) or b""


def assert_other_certificate(server: Server, old: bytes) -> None:
    assert served_certificate(server) != old


def assert_watching(pid: int) -> None:
    """SIGTERM has a handler as soon as the script's loop is near; /proc says which signals are caught."""
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    assert int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1
