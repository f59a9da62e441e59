"""What the flags that go through to the engine change for a workload."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from urllib.parse import quote

import pytest
from ground.wait import eventually

from .conftest import StartHost
from .driver import Host, Operator, component, get, start_request


class Outside(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"from outside"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def outside() -> Iterator[str]:
    """A server that a guest may want to reach. 127.0.0.1 would be the guest's own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.2", 0), Outside)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.2:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


DENIED = (502, "HTTP-request-denied")


@pytest.mark.parametrize(
    ("flags", "own_rules", "is_allowed"),
    [
        ({}, [], False),
        ({"deny_special_ranges": []}, ["*"], False),
        ({"no_deny_special_ranges": []}, [], False),
        ({"no_deny_special_ranges": []}, ["other.example"], False),
        ({"no_deny_special_ranges": []}, ["127.0.0.2"], True),
        ({"no_deny_special_ranges": [], "allowed_hosts": "127.0.0.2"}, [], True),
        ({"no_deny_special_ranges": [], "allowed_hosts": "127.0.0.2"}, ["other.example"], False),
    ],
)
async def test_where_requests_may_go(
    start_host: StartHost,
    operator: Operator,
    outside: str,
    flags: dict[str, str | list[str]],
    own_rules: list[str],
    *,
    is_allowed: bool,
) -> None:
    host = await start_host(**flags)
    await operator.start(host.id, start_request("one", component(localResources={"allowedHosts": own_rules})))
    path = f"/fetch?url={quote(f'http://{outside}/', safe='')}"
    status, body = await asyncio.to_thread(get, host.http_port, path)
    assert (status, body.strip()) == ((200, "from outside") if is_allowed else DENIED)
    if not is_allowed and own_rules != ["*"]:
        assert f'destination="http://{outside}"' in (await asyncio.to_thread(host.page, "/metrics"))[1]


async def test_the_machines_loopback_at_the_ports_named(start_host: StartHost, operator: Operator) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    try:
        closed, opened = await start_host(), await start_host(allow_host_loopback=[])
        request = start_request("one", component(localResources={"allowedHostLoopbackPorts": [str(port)]}))
        state, message = await operator.start(closed.id, request)
        assert (state, "start it with --allow-host-loopback" in message) == ("ERROR", True), message
        assert (await operator.start(opened.id, request))[0] == "RUNNING"
        path = f"/fetch?url={quote(f'http://host.wasmcloud.internal:{port}/', safe='')}"
        assert await asyncio.to_thread(get, opened.http_port, path) == (200, "from outside")
        path = f"/fetch?url={quote(f'http://127.0.0.1:{port}/', safe='')}"
        assert (await asyncio.to_thread(get, opened.http_port, path))[1].strip() == "connection-refused"
    finally:
        server.shutdown()
        server.server_close()


async def test_a_request_ends_when_its_time_is_over(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(request_timeout="500ms")
    await operator.start(host.id, start_request("one"))
    assert (await asyncio.to_thread(get, host.http_port, "/sleep?ms=20000"))[0] == 504
    assert (await asyncio.to_thread(get, host.http_port))[0] == 200


async def test_environment_memory_and_pool_reach_the_guest(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    resources = {"environment": {"COLOUR": "red"}, "memoryLimitMb": 16}
    await operator.start(host.id, start_request("one", component(localResources=resources, poolSize=1)))
    assert "COLOUR=red" in (await asyncio.to_thread(get, host.http_port, "/env"))[1]
    counts = [(await asyncio.to_thread(get, host.http_port, "/count"))[1].strip() for _ in range(3)]
    assert counts == sorted(set(counts)), "a pool of one serves all requests with one instance"
    assert (await asyncio.to_thread(get, host.http_port, "/bomb"))[0] == 500
    assert (await asyncio.to_thread(get, host.http_port))[0] == 200


async def test_pulls_take_no_longer_than_allowed(
    start_host: StartHost, operator: Operator, silent_registry: str
) -> None:
    host = await start_host(allow_insecure_registry=silent_registry, registry_pull_timeout="500ms")
    state, message = await operator.start(host.id, start_request("one", component(f"{silent_registry}/hello:1")))
    assert state == "ERROR"
    assert message.startswith("failed to pull image for component 'hello': ")


async def test_no_more_connections_than_allowed(start_host: StartHost) -> None:
    """The one over the limit is closed at once; when there is room again, the next is served."""
    host = await start_host(max_connections="2")
    with ExitStack() as open_connections:
        for _ in range(2):
            open_connections.enter_context(socket.create_connection(("127.0.0.1", host.http_port)))
        await asyncio.to_thread(eventually, partial(assert_connection_count, host, 2), within_s=30)
        with pytest.raises(OSError, match=r"."):
            await asyncio.to_thread(get, host.http_port)
    await asyncio.to_thread(eventually, partial(assert_connection_count, host, 0), within_s=30)
    assert (await asyncio.to_thread(get, host.http_port))[0] == 404


def assert_connection_count(host: Host, count: int) -> None:
    page = host.page("/metrics")[1]
    assert f"wasmcloud_host_connections {count}.0" in page, page
