"""The port Registry against a real registry with a login, and against servers that behave as real ones may."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest
from ground.oci_registry import PASSWORD, USERNAME
from ground.oci_registry import OciRegistry as RealRegistry
from ground.process import free_ports
from wasmcloud_operator.adapters.oci_registry import CaError, OciRegistry
from wasmcloud_operator.decide.references import Credentials
from wasmcloud_operator.engine.ports import AccessDenied, NoSuchImage, RegistryUnavailable

from contract.certificates import Certificates, certificates

LOGIN = Credentials(USERNAME, PASSWORD)
DIGEST = f"sha256:{'a' * 64}"
MANIFEST = b'{"schemaVersion": 2}'
Answer = tuple[int, dict[str, str], bytes]


@contextlib.asynccontextmanager
async def asking(*insecure: str, ca: Path | None = None) -> AsyncIterator[OciRegistry]:
    registry = OciRegistry(insecure, ca)
    try:
        yield registry
    finally:
        registry.close()


class Server:
    """A registry of a few lines: says what a test tells it to, and keeps what it was asked."""

    def __init__(
        self, answer: Callable[[BaseHTTPRequestHandler], Answer], certificate: Certificates | None = None
    ) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.command, self.path, self.headers["Authorization"]))
                status, headers, body = answer(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                """The tests' output is for failures."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.cert, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def serving(
    answer: Callable[[BaseHTTPRequestHandler], Answer], certificate: Certificates | None = None
) -> Iterator[Server]:
    with Server(answer, certificate) as server:
        yield server


async def test_a_tag_is_resolved_and_followed(oci_registry: RealRegistry) -> None:
    image = f"{oci_registry.host}/team/app:1"
    async with asking(oci_registry.host) as registry:
        for content in (b"one", b"two"):
            pushed = oci_registry.push("team/app", "1", content)
            assert await registry.digest(image, LOGIN) == pushed


@pytest.mark.parametrize(
    ("login", "text"),
    [(None, "names no Secret with a login"), (Credentials(USERNAME, "wrong"), "the pull secret gives no access")],
)
async def test_a_missing_or_wrong_login_is_told_apart(
    oci_registry: RealRegistry, login: Credentials | None, text: str
) -> None:
    oci_registry.push("team/app", "1", b"one")
    async with asking(oci_registry.host) as registry:
        with pytest.raises(AccessDenied, match=text) as told:
            await registry.digest(f"{oci_registry.host}/team/app:1", login)
    assert "wrong" not in str(told.value)
    assert "401" in str(told.value)


@pytest.mark.parametrize("path", ["team/app:2", "team/other:1"])
async def test_what_is_not_there_is_named(oci_registry: RealRegistry, path: str) -> None:
    oci_registry.push("team/app", "1", b"one")
    async with asking(oci_registry.host) as registry:
        with pytest.raises(NoSuchImage, match=f'has no image "{oci_registry.host}/{path}"'):
            await registry.digest(f"{oci_registry.host}/{path}", LOGIN)


async def test_plain_http_is_spoken_only_where_it_is_allowed(oci_registry: RealRegistry) -> None:
    oci_registry.push("team/app", "1", b"one")
    async with asking("127.0.0.1:1") as registry:
        with pytest.raises(RegistryUnavailable, match="--allow-insecure-registry"):
            await registry.digest(f"{oci_registry.host}/team/app:1", LOGIN)


def known(_: BaseHTTPRequestHandler) -> Answer:
    return 200, {"Docker-Content-Digest": DIGEST}, MANIFEST


async def test_a_registry_with_a_ca_of_its_own_is_trusted_where_that_is_named(tmp_path: Path) -> None:
    ours = certificates(tmp_path, "ours")
    ours.ca.write_text(f"# Zertifizierungsstelle für Prüfungen\n{ours.ca.read_text()}")
    with serving(known, ours) as server:
        async with asking() as registry:
            with pytest.raises(RegistryUnavailable, match="no TLS that is trusted: certificate verify failed"):
                await registry.digest(f"{server.host}/app:1", None)
        async with asking(ca=ours.ca) as registry:
            assert await registry.digest(f"{server.host}/app:1", None) == DIGEST


async def test_who_is_trusted_without_the_further_cas_is_so_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, ours, theirs = (certificates(tmp_path, name) for name in ("usual", "ours", "theirs"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(usual.ca))
    async with asking(ca=ours.ca) as registry:
        for trusted in (usual, ours):
            with serving(known, trusted) as server:
                assert await registry.digest(f"{server.host}/app:1", None) == DIGEST
        with serving(known, theirs) as server, pytest.raises(RegistryUnavailable, match="certificate verify failed"):
            await registry.digest(f"{server.host}/app:1", None)


def test_a_file_of_cas_that_is_away_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaError, match=r"ca\.crt can't be read: No such file"):
        OciRegistry(ca=tmp_path / "ca.crt")


@pytest.mark.parametrize("text", ["", "none", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"])
def test_a_file_that_holds_no_ca_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ca.crt"
    file.write_text(text)
    with pytest.raises(CaError, match=r"ca\.crt holds no certificate in PEM"):
        OciRegistry(ca=file)


@pytest.mark.parametrize("image", ["r.example/App:1", "r.example/", "r.example/a:b:c", "r.example/a b", "a@sha256:1"])
async def test_a_name_that_is_none_is_not_asked_for(image: str) -> None:
    async with asking() as registry:
        with pytest.raises(NoSuchImage, match="is no name of an image"):
            await registry.digest(image, None)


async def test_an_unknown_host_is_called_so() -> None:
    async with asking() as registry:
        with pytest.raises(RegistryUnavailable, match=r'"registry\.invalid" can\'t be reached: the host is unknown'):
            await registry.digest("registry.invalid/app:1", None)


async def test_a_port_where_nobody_listens_is_called_so() -> None:
    host = f"127.0.0.1:{free_ports(1)[0]}"
    async with asking(host) as registry:
        with pytest.raises(RegistryUnavailable, match="nobody listens there"):
            await registry.digest(f"{host}/app:1", None)


def tokens(request: BaseHTTPRequestHandler) -> Answer:
    """A registry that wants a token, which its own /token gives for a login, or without one."""
    host = request.headers["Host"]
    if request.path.startswith("/token"):
        basic = f"Basic {base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()}"
        if request.headers["Authorization"] not in (None, basic):
            return 401, {}, b""
        who = "me" if request.headers["Authorization"] else "anyone"
        return 200, {"Content-Type": "application/json"}, json.dumps({"token": who}).encode()
    known = {"Bearer me": "/v2/team/", "Bearer anyone": "/v2/team/public/"}
    if request.path.startswith(known.get(request.headers["Authorization"] or "", "nowhere")):
        return 200, {"Docker-Content-Digest": DIGEST}, MANIFEST
    challenge = f'Bearer realm="http://{host}/token",service="{host}",scope="repository:team/app:pull"'
    return 401, {"Www-Authenticate": challenge}, b""


async def test_a_token_is_fetched_with_the_login_or_without_one() -> None:
    with serving(tokens) as server:
        async with asking(server.host) as registry:
            assert await registry.digest(f"{server.host}/team/app:1", LOGIN) == DIGEST
            assert await registry.digest(f"{server.host}/team/public/app:1", None) == DIGEST
            with pytest.raises(AccessDenied, match="names no Secret with a login"):
                await registry.digest(f"{server.host}/team/app:1", None)
            with pytest.raises(AccessDenied, match="the pull secret gives no access"):
                await registry.digest(f"{server.host}/team/app:1", Credentials(USERNAME, "wrong"))


async def test_a_digest_that_is_not_told_is_computed() -> None:
    with serving(lambda _: (200, {}, MANIFEST)) as server:
        async with asking(server.host) as registry:
            found = await registry.digest(f"{server.host}/app:1", None)
    assert found == f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
    assert [verb for verb, _, _ in server.asked] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((500, {}, b""), "answered 500"),
        ((429, {}, b""), "answered 429"),
        ((418, {}, b""), "answered 418"),
        ((200, {"Docker-Content-Digest": "sha256:no"}, MANIFEST), "names a digest that is none"),
        ((200, {}, b""), "gave no manifest"),
        ((200, {}, b"x" * ((4 << 20) + 1)), "gave no manifest of up to 4 MiB"),
        ((302, {"Location": "/v2/app/manifests/1"}, b""), "gave an answer that is none"),
    ],
)
async def test_an_answer_that_is_none_is_called_so_and_not_asked_for_again(answer: Answer, text: str) -> None:
    with serving(lambda _: answer) as server:
        async with asking(server.host) as registry:
            with pytest.raises(RegistryUnavailable, match=text):
                await registry.digest(f"{server.host}/app:1", None)
    assert len(server.asked) <= 31


async def test_a_registry_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wasmcloud_operator.adapters.oci_registry._READ_TIMEOUT_S", 0.2)
    released = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> Answer:
        released.wait(30)
        return 200, {}, b""

    with serving(silent) as server:
        async with asking(server.host) as registry:
            with pytest.raises(RegistryUnavailable, match="did not answer in time"):
                await registry.digest(f"{server.host}/app:1", None)
        released.set()


async def test_many_questions_at_a_time_stay_bounded() -> None:
    lock, most, now = threading.Lock(), [0], [0]
    gate = threading.Event()

    def counting(_: BaseHTTPRequestHandler) -> Answer:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            if now[0] == 8:
                gate.set()
        gate.wait(10)
        with lock:
            now[0] -= 1
        return 200, {"Docker-Content-Digest": DIGEST}, MANIFEST

    with serving(counting) as server:
        async with asking(server.host) as registry:
            answers = await asyncio.gather(*(registry.digest(f"{server.host}/app:{n}", None) for n in range(24)))
    assert answers == [DIGEST] * 24
    assert most[0] == 8


async def test_nothing_is_logged_and_no_login_shows(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    with serving(tokens) as server:
        async with asking(server.host) as registry:
            with pytest.raises(AccessDenied):
                await registry.digest(f"{server.host}/team/app:1", Credentials(USERNAME, "wrong"))
    assert caplog.text == ""
    assert "".join(capfd.readouterr()) == ""
