"""A real nats-server on the chart's rendered configuration, certificates and passwords."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chart.rendered import JsonObject, Rendered, environment, render
from ground.nats import nats_server_binary
from ground.process import Process, free_ports
from ground.wait import eventually
from nats.aio.client import Client

NATS = "wasmcloud-nats"


@dataclass(frozen=True, slots=True)
class Ports:
    """What one server listens on."""

    client: int
    monitor: int
    cluster: int


@dataclass(slots=True)
class Server:
    """One server of the StatefulSet, its volumes as the kubelet lays them out."""

    directory: Path
    ports: Ports
    process: Process

    @property
    def pid_file(self) -> Path:
        return self.directory / "run" / "nats.pid"


class FlushingClient(Client):
    """nats-py's flush() writes its PING past what still waits to be sent, such as a subscription."""

    async def flush(self, timeout: int = 10) -> None:
        """Return when the server has read all of it: while the first PING is answered, it is sent."""
        await super().flush(timeout)
        await super().flush(timeout)


@dataclass(slots=True)
class Login:
    """A connection and what the server complained of."""

    client: Client = field(default_factory=FlushingClient)
    errors: list[str] = field(default_factory=list)
    complained: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_error(self, error: Exception) -> None:
        self.errors.append(str(error).lower())
        self.complained.set()


class Cluster:
    """The chart's NATS and a way to log in as each role."""

    def __init__(self, objects: Rendered, running: list[Server], directory: Path) -> None:
        self.objects = objects
        self.servers = running
        self._directory = directory

    @asynccontextmanager
    async def role(self, role: str, server: int = 0, *, environment: str = "") -> AsyncIterator[Login]:
        port = self.servers[server].ports.client
        if "default/wasmcloud-ca" in self.objects.names("Secret"):
            secret = f"wasmcloud-{role}-tls-{environment}".removesuffix("-")
            async with login(port, tls=self.context(secret)) as found:
                yield found
        else:
            user = f"{role}.{environment}".removesuffix(".")
            password = secret_data(self.objects, "wasmcloud-nats-passwords")[user]
            async with login(port, user={"user": user, "password": password}) as found:
                yield found

    def context(self, secret: str) -> ssl.SSLContext:
        directory = self._directory / secret
        directory.mkdir(exist_ok=True)
        return tls_context(secret_data(self.objects, secret), directory)


@contextmanager
def cluster_of(values: Mapping[str, object], directory: Path) -> Iterator[Cluster]:
    """The chart's NATS for these values, running."""
    objects = render(values)
    with servers(objects, directory) as running:
        yield Cluster(objects, running, directory)


def secret_data(objects: Rendered, name: str, namespace: str = "default") -> dict[str, str]:
    return {
        key: base64.b64decode(text).decode() for key, text in objects.one("Secret", name, namespace)["data"].items()
    }


def mount(volume: Path, files: dict[str, str]) -> None:
    """Write a volume as the kubelet does: a new directory, then the link `..data` moved to it in one step."""
    volume.mkdir(parents=True, exist_ok=True)
    generation = volume / f"..{len(list(volume.iterdir()))}"
    generation.mkdir()
    for name, text in files.items():
        (generation / name).write_text(text)
        link = volume / name
        if not link.is_symlink():
            link.symlink_to(Path("..data") / name)
    new = volume / "..data_tmp"
    new.symlink_to(generation.name)
    new.replace(volume / "..data")


@contextmanager
def servers(objects: Rendered, directory: Path) -> Iterator[list[Server]]:
    """As many as the StatefulSet has replicas."""
    replicas = objects.one("StatefulSet", NATS)["spec"]["replicas"]
    numbers = free_ports(3 * replicas)
    ports = [Ports(*numbers[3 * i : 3 * i + 3]) for i in range(replicas)]
    with ExitStack() as stack:
        found = []
        for index in range(replicas):
            server = prepared(objects, directory / str(index), ports, index)
            stack.enter_context(server.process)
            found.append(server)
        for server in found:
            eventually(lambda server=server: greeting(server), within_s=30)  # type: ignore[misc]
        yield found


def greeting(server: Server) -> None:
    server.process.assert_running()
    try:
        with socket.create_connection(("127.0.0.1", server.ports.client), timeout=5) as connection:
            assert connection.recv(5) == b"INFO "
    except OSError as error:
        raise AssertionError(f"nats-server takes no connection: {error}") from error


def prepared(objects: Rendered, directory: Path, ports: list[Ports], index: int) -> Server:
    own = ports[index]
    (directory / "run").mkdir(parents=True)
    text = objects.one("ConfigMap", NATS)["data"]["nats.conf"]
    # The pod's paths and ports, which on one machine have to be others; nothing else is touched.
    for there, here in {
        '"/data"': f'"{directory / "data"}"',
        '"/run/nats/nats.pid"': f'"{directory / "run" / "nats.pid"}"',
        "port: 4222": f"port: {own.client}",
        "http_port: 8222": f"http_port: {own.monitor}",
        'host: "0.0.0.0"': 'host: "127.0.0.1"',
    }.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    text = text.replace("/etc/nats/tls", str(directory / "tls"))
    text = text.replace("port: 6222", f'host: "127.0.0.1"\n  port: {own.cluster}')
    mount(directory / "config", {"nats.conf": text})
    if "tls.crt" in text:
        mount(directory / "tls", secret_data(objects, "wasmcloud-nats-tls"))
    log = directory / "nats-server.log"
    argv = [str(nats_server_binary()), "--config", str(directory / "config" / "nats.conf")]
    return Server(directory, own, Process("nats-server", argv, log, env=variables(objects, ports, index)))


def variables(objects: Rendered, ports: list[Ports], index: int) -> dict[str, str]:
    """The container's environment, as the kubelet fills it in."""
    passwords = secret_data(objects, "wasmcloud-nats-passwords") if has_passwords(objects) else {}
    filled: dict[str, str] = {}
    for name, value in environment(objects.one("StatefulSet", NATS), "nats").items():
        if isinstance(value, str):
            filled[name] = re.sub(r"\$\((\w+)\)", lambda match: filled[match[1]], value)
        elif "secretKeyRef" in value:
            filled[name] = passwords[value["secretKeyRef"]["key"]]
    if "ROUTES" in filled:
        for number, other in enumerate(ports):
            there = f"wasmcloud-nats-{number}.wasmcloud-nats-pods.default.svc:6222"
            assert there in filled["ROUTES"]
            filled["ROUTES"] = filled["ROUTES"].replace(there, f"127.0.0.1:{other.cluster}")
    return {**filled, "POD_NAME": f"wasmcloud-nats-{index}"}


def has_passwords(objects: Rendered) -> bool:
    return "default/wasmcloud-nats-passwords" in objects.names("Secret")


def tls_context(data: dict[str, str], directory: Path) -> ssl.SSLContext:
    """What a client with this Secret mounted uses."""
    for name, text in data.items():
        (directory / name).write_text(text)
    context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    if "tls.crt" in data:
        context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    return context


@asynccontextmanager
async def login(
    port: int, *, tls: ssl.SSLContext | None = None, user: JsonObject | None = None
) -> AsyncIterator[Login]:
    """Connect. Raises what nats-py does where the server refuses."""
    found = Login()
    try:
        await found.client.connect(
            f"{'tls' if tls else 'nats'}://127.0.0.1:{port}",
            tls=tls,
            allow_reconnect=False,
            connect_timeout=10,
            error_cb=found.on_error,
            **(user or {}),
        )
        yield found
    finally:
        await found.client.close()


async def assert_may_not_publish(who: Login, subject: str) -> None:
    """Publish, and wait for the server's refusal."""
    await who.client.publish(subject, b"{}", reply="_INBOX.forged")
    await assert_complaint(who, f'permissions violation for publish to "{subject.lower()}"')


async def assert_may_not_subscribe(who: Login, subject: str) -> None:
    """Subscribe, and wait for the server's refusal."""
    await who.client.subscribe(subject)
    await assert_complaint(who, f'permissions violation for subscription to "{subject.lower()}"')


async def assert_complaint(who: Login, text: str) -> None:
    """Wait until the server has said so."""
    await who.client.flush()
    async with asyncio.timeout(10):
        while not any(text in error for error in who.errors):
            who.complained.clear()
            await who.complained.wait()
