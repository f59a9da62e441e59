"""What `helm test` runs, against an HTTPS server with a certificate of the chart's."""

from __future__ import annotations

import importlib.util
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from urllib.error import URLError

import pytest
from chart.real_nats import secret_data
from chart.rendered import render
from ground.helm import CHART

HTTPS = {"enabled": True, "certificate": {"generate": {"domains": ["app.example.com"]}}}


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Hello!")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    for name, text in secret_data(
        render({"runtime": {"http": {"tls": HTTPS}}}), "wasmcloud-host-default-http-tls"
    ).items():
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def script(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in {
        "NAMESPACE": "default",
        "URL": f"https://127.0.0.1:{port}/",
        "CA": str(tmp_path / "ca.crt"),
    }.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("hello_test", CHART / "files" / "hello-test.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["app.example.com", "wasmcloud-host-default.default.svc"])
def test_a_name_of_the_certificate_is_verified(name: str, script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_NAME", name)
    assert script.fetch() == "Hello!"


def test_a_name_that_the_certificate_lacks_is_refused(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_NAME", "other.example.com")
    with pytest.raises(URLError, match=r"other\.example\.com"):
        script.fetch()
