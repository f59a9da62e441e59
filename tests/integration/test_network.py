"""What a workload may reach."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
from integration.system import System, deployment

GUESTS = [("http-p2", "incoming-handler"), ("http-p3", "handler")]


class Outside(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"you got out\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class says so
        """Nothing: the test says what it saw."""


@pytest.fixture
def outside() -> Iterator[str]:
    """The authority of an HTTP server that belongs to nobody's workload."""
    # 127.0.0.1 would be the guest's own.
    with ThreadingHTTPServer(("127.0.0.2", 0), Outside) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.2:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("guest", "interface"), GUESTS)
def test_nothing_goes_out_but_what_a_rule_allows(system: System, outside: str, guest: str, interface: str) -> None:
    host = system.add_host("one", "--no-deny-special-ranges")  # where the server outside is
    image, interfaces = f"file://{guest}.wasm", [interface]
    system.apply(deployment("closed", image=image, interfaces=interfaces))
    allowed = {"localResources": {"allowedHosts": [outside]}}
    system.apply(deployment("open", image=image, interfaces=interfaces, component=allowed))
    for name in ("closed", "open"):
        system.await_ready(name)

    path = f"/fetch?url={quote(f'http://{outside}/', safe='')}"
    denied, granted = host.get("closed.localhost", path), host.get("open.localhost", path)
    assert (denied.status, denied.body) == (502, "HTTP-request-denied")
    assert (granted.status, granted.body) == (200, "you got out\n")


def test_loopback_is_denied_whatever_the_rule_says(system: System, outside: str) -> None:
    host = system.add_host("one")
    system.apply(deployment("app", image="file://http-p2.wasm", component={"localResources": {"allowedHosts": ["*"]}}))
    system.await_ready("app")
    answer = host.get("app.localhost", f"/fetch?url={quote(f'http://{outside}/', safe='')}")
    assert answer.status == 502, answer
    assert "you got out" not in answer.body


@pytest.mark.parametrize(("guest", "interface"), GUESTS)
def test_the_machine_s_loopback_is_out_of_reach_of_sockets(
    system: System, outside: str, guest: str, interface: str
) -> None:
    host = system.add_host("one")
    allowed = {"localResources": {"allowedHosts": ["*"]}}
    system.apply(deployment("app", image=f"file://{guest}.wasm", interfaces=[interface], component=allowed))
    system.await_ready("app")
    assert host.get("app.localhost", f"/connect?addr={outside}").body == "access-denied"
    # This address is the workload's own, whoever listens there on the machine.
    own = f"/connect?addr=127.0.0.1:{host.http_port}"
    assert host.get("app.localhost", own).body == "connection-refused"
