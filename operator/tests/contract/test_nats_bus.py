"""NATS as the engine sees it, against a real nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from ground.nats import NatsServer
from ground.nats_accounts import NatsAccount
from ground.wait import eventually_async
from nats.aio.client import Client
from nats.aio.msg import Msg
from wasmcloud_operator.adapters.nats_bus import NatsBus, NatsOptions
from wasmcloud_operator.engine.ports import Disconnected, NoReply, NoResponders

from contract.certificates import Certificates, certificates


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[NatsBus]:
    async with running(NatsBus(NatsOptions(nats_server.url))) as (bus, _):
        yield bus


@pytest.fixture
async def host(nats_server: NatsServer) -> AsyncIterator[Client]:
    """Somebody at the other end."""
    async with connected(nats_server.url) as client:
        yield client


@contextlib.asynccontextmanager
async def running(bus: NatsBus, *, is_reachable: bool = True) -> AsyncIterator[tuple[NatsBus, list[tuple[str, bytes]]]]:
    heard: list[tuple[str, bytes]] = []
    task = asyncio.create_task(bus.run(lambda host_id, payload: heard.append((host_id, payload))))
    try:
        if is_reachable:
            await eventually_async(lambda: assert_connected(bus), within_s=30)
        yield bus, heard
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), "the bus gave up"


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    client = Client()
    await client.connect(url)
    try:
        yield client
    finally:
        await client.close()


async def assert_connected(bus: NatsBus, *, is_connected: bool = True) -> None:
    assert bus.is_connected() is is_connected, f"connected: {bus.is_connected()}"


async def echo(message: Msg) -> None:
    await message.respond(message.data[::-1])


async def listen(host: Client, subject: str, answer: Callable[[Msg], Awaitable[None]]) -> None:
    """Subscribe, and return when the server knows of it: nats-py's first PING may overtake the SUB, its second not."""
    await host.subscribe(subject, cb=answer)
    await host.flush()
    await host.flush()


async def silence(_message: Msg) -> None:
    return


async def assert_ends(task: asyncio.Task[Any], step_count: int) -> None:
    """Cancel it after so many turns of the loop."""
    for _ in range(step_count):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=30)
    assert task.cancelled(), f"it goes on after {step_count} steps"


async def test_it_ends_however_far_it_is(nats_server: NatsServer) -> None:
    """nats-py swallows a cancellation that comes while it sends."""
    for step_count in range(0, 120, 3):
        bus = NatsBus(NatsOptions(nats_server.url))
        task = asyncio.create_task(bus.run(lambda *_: None))
        await assert_ends(task, step_count)


async def test_a_request_ends_however_far_it_is(bus: NatsBus, host: Client) -> None:
    await listen(host, "silent", silence)
    for step_count in range(20):
        task = asyncio.create_task(bus.request("silent", b"", timeout_s=60))
        await assert_ends(task, step_count)


async def test_a_request_gets_its_reply(bus: NatsBus, host: Client) -> None:
    await listen(host, "runtime.host.h1.>", echo)
    assert await bus.request("runtime.host.h1.heartbeat", b"abc", timeout_s=10) == b"cba"
    assert await bus.request("runtime.host.h1.heartbeat", b"", timeout_s=10) == b""


async def test_requests_do_not_mix_or_wait_for_one_another(bus: NatsBus, host: Client) -> None:
    await listen(host, "mute", silence)
    await listen(host, "echo", echo)
    slow = asyncio.create_task(bus.request("mute", b"", timeout_s=60))
    replies = await asyncio.gather(*(bus.request("echo", f"{n:04}".encode(), timeout_s=30) for n in range(1000)))
    assert replies == [f"{n:04}"[::-1].encode() for n in range(1000)]
    assert not slow.done()
    slow.cancel()
    await asyncio.wait([slow])


async def test_nobody_listening_is_told_at_once(bus: NatsBus) -> None:
    with pytest.raises(NoResponders):
        await asyncio.wait_for(bus.request("runtime.host.nobody.heartbeat", b"{}", timeout_s=600), 30)


async def test_silence_ends_with_the_time_limit(bus: NatsBus, host: Client) -> None:
    await listen(host, "mute", silence)
    with pytest.raises(NoReply, match=r"mute within 0\.1 s"):
        await bus.request("mute", b"", timeout_s=0.1)


async def test_a_late_reply_reaches_nobody_else(bus: NatsBus, host: Client) -> None:
    waiting: list[Msg] = []

    async def hold(message: Msg) -> None:
        waiting.append(message)

    await listen(host, "slow", hold)
    await listen(host, "echo", echo)
    with pytest.raises(NoReply):
        await bus.request("slow", b"", timeout_s=0.1)
    second = asyncio.create_task(bus.request("slow", b"", timeout_s=30))

    async def assert_held() -> None:
        assert len(waiting) == 2

    await eventually_async(assert_held, within_s=30)
    await waiting[0].respond(b"late")
    await waiting[1].respond(b"in time")
    assert await second == b"in time"


async def test_what_is_too_large_for_nats_is_no_connection_problem(bus: NatsBus) -> None:
    with pytest.raises(NoReply, match="max_payload"):
        await bus.request("echo", b"x" * 2_000_000, timeout_s=10)
    assert bus.is_connected()


async def test_heartbeats_are_heard_with_the_id_of_their_subject(nats_server: NatsServer, host: Client) -> None:
    async with running(NatsBus(NatsOptions(nats_server.url))) as (_, heard):
        await host.publish("runtime.operator.heartbeat.h1", b"one")
        await host.publish("runtime.operator.heartbeat.h2.forged", b"other subject")
        await host.publish("runtime.operator.heartbeat.h2", b"two")

        async def assert_heard() -> None:
            assert heard == [("h1", b"one"), ("h2", b"two")]

        await eventually_async(assert_heard, within_s=30)


async def test_a_lost_connection_ends_requests_at_once(bus: NatsBus, host: Client, nats_server: NatsServer) -> None:
    received = asyncio.Event()

    async def receive(_message: Msg) -> None:
        received.set()

    await listen(host, "mute", receive)
    waiting = asyncio.create_task(bus.request("mute", b"", timeout_s=600))
    await received.wait()
    nats_server.stop()
    with pytest.raises(Disconnected):
        await asyncio.wait_for(waiting, 30)
    with pytest.raises(Disconnected):
        await bus.request("mute", b"", timeout_s=600)


def refused_too(port: int) -> None:
    with socket.socket() as one, pytest.raises(ConnectionRefusedError):
        one.connect(("127.0.0.1", port))


async def test_cancelling_ends_it_also_while_there_is_no_server(nats_server: NatsServer) -> None:
    nats_server.stop()
    for turns in range(100):  # at some turn the cancellation meets the refused connection
        task = asyncio.create_task(NatsBus(NatsOptions(nats_server.url)).run(lambda *_: None))
        for _ in range(turns % 10):
            await asyncio.wait([task], timeout=0)
        refused_too(nats_server.port)  # by now the bus's own attempt is refused, but its task doesn't know yet
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=30)
        assert done


async def test_a_restarted_server_is_found_again(nats_server: NatsServer) -> None:
    async with running(NatsBus(NatsOptions(nats_server.url))) as (bus, heard):
        assert bus.connection_count() == 1
        nats_server.stop()
        await eventually_async(lambda: assert_connected(bus, is_connected=False), within_s=30)
        nats_server.start()
        await eventually_async(lambda: assert_connected(bus), within_s=30)
        assert bus.connection_count() == 2
        async with connected(nats_server.url) as host:
            await listen(host, "echo", echo)
            await host.publish("runtime.operator.heartbeat.h1", b"again")
            await host.flush()
            assert await bus.request("echo", b"ab", timeout_s=10) == b"ba"

            async def assert_heard() -> None:
                assert heard == [("h1", b"again")]

            await eventually_async(assert_heard, within_s=30)


async def test_a_server_that_comes_later_is_found(nats_server: NatsServer) -> None:
    nats_server.stop()
    async with running(NatsBus(NatsOptions(nats_server.url)), is_reachable=False) as (bus, _):
        with pytest.raises(Disconnected):
            await bus.request("echo", b"", timeout_s=10)
        nats_server.start()
        await eventually_async(lambda: assert_connected(bus), within_s=30)


async def test_a_server_that_hangs_counts_as_gone_before_its_hosts_do(bus: NatsBus, nats_server: NatsServer) -> None:
    os.kill(nats_server.process.pid, signal.SIGSTOP)
    try:
        await eventually_async(lambda: assert_connected(bus, is_connected=False), within_s=30)
    finally:
        os.kill(nats_server.process.pid, signal.SIGCONT)
    await eventually_async(lambda: assert_connected(bus), within_s=60)


@pytest.fixture
def tls_server(tmp_path: Path) -> Callable[..., contextlib.AbstractContextManager[NatsServer]]:
    """Makes a server that asks its clients for a certificate."""

    def make(ours: Certificates, *, is_tls_first: bool = False) -> NatsServer:
        config = tmp_path / "nats.conf"
        first = "handshake_first: true" if is_tls_first else ""
        files = f'cert_file: "{ours.cert}", key_file: "{ours.key}", ca_file: "{ours.ca}"'
        config.write_text(f"tls {{ {files}, verify: true\n {first} }}\n")
        return NatsServer(tmp_path, ["--config", str(config)])

    return make


@pytest.mark.parametrize("is_tls_first", [False, True])
async def test_tls_with_certificates_on_both_sides(
    tmp_path: Path, tls_server: Callable[..., NatsServer], is_tls_first: bool
) -> None:
    ours = certificates(tmp_path, "ours")
    server = tls_server(ours, is_tls_first=is_tls_first)
    server.process.start()
    try:
        options = NatsOptions(
            server.url, ca=ours.ca, client_cert=ours.cert, client_key=ours.key, is_tls_first=is_tls_first
        )
        async with running(NatsBus(options)) as (bus, _):
            with pytest.raises(NoResponders):
                await bus.request("nobody", b"", timeout_s=10)
    finally:
        server.stop()


async def test_a_server_that_another_ca_signed_is_not_spoken_to(
    tmp_path: Path, tls_server: Callable[..., NatsServer], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = certificates(tmp_path, "ours"), certificates(tmp_path, "theirs")
    server = tls_server(theirs)
    server.process.start()
    try:
        options = NatsOptions(server.url, ca=ours.ca, client_cert=ours.cert, client_key=ours.key)
        async with running(NatsBus(options), is_reachable=False) as (bus, _):
            await eventually_async(lambda: assert_said(caplog, "CERTIFICATE_VERIFY_FAILED"), within_s=30)
            assert not bus.is_connected()
    finally:
        server.stop()


async def test_a_password_in_the_url_logs_in_and_is_shown_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with NatsServer(tmp_path, ["--user", "operator", "--pass", "hunter2"]) as server:
        wrong = NatsOptions(server.url.replace("nats://", "nats://operator:hunter1@"))
        right = NatsOptions(server.url.replace("nats://", "nats://operator:hunter2@"))
        async with running(NatsBus(wrong), is_reachable=False) as (bus, _):
            await eventually_async(lambda: assert_said(caplog, "Authorization"), within_s=30)
            assert not bus.is_connected()
        async with running(NatsBus(right)) as (bus, _):
            assert bus.is_connected()
    shown = str([record.__dict__ for record in caplog.records]) + repr(right) + str(right)
    assert "hunter" not in shown


async def test_a_file_that_is_no_certificate_is_told(
    tmp_path: Path, nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    async with running(NatsBus(NatsOptions(nats_server.url, ca=tmp_path / "ca.pem")), is_reachable=False):
        await eventually_async(lambda: assert_said(caplog, "no certificate or crl found"), within_s=30)


async def assert_said(caplog: pytest.LogCaptureFixture, words: str) -> None:
    assert words in str([record.__dict__ for record in caplog.records])


async def test_a_credentials_file_logs_in_and_is_read_anew_for_each_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    account, stranger = NatsAccount(tmp_path), NatsAccount(strangers)
    creds = stranger.write_credentials(tmp_path / "operator.creds")
    with account.server(tmp_path) as server:
        async with running(NatsBus(NatsOptions(server.url, creds=creds)), is_reachable=False) as (bus, _):
            await eventually_async(lambda: assert_said(caplog, "Authorization Violation"), within_s=30)
            creds.write_text(
                creds.read_text().partition("------END NATS USER JWT------")[2]
            )  # nats-py reads this for ever
            await eventually_async(lambda: assert_said(caplog, 'has no part "NATS USER JWT"'), within_s=30)
            assert not bus.is_connected()
            account.write_credentials(creds)
            await eventually_async(lambda: assert_connected(bus), within_s=30)
            with pytest.raises(NoResponders):
                await bus.request("nobody", b"", timeout_s=10)
