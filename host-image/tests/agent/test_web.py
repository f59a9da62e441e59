from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from pathlib import Path

import pytest
from ground.process import free_ports
from prometheus_client.parser import text_string_to_metric_families
from wasmcloud_engine import Engine
from wasmcloud_host.agent import Agent
from wasmcloud_host.identity import identity_of
from wasmcloud_host.metrics import AgentCounts, exposition
from wasmcloud_host.settings import Settings
from wasmcloud_host.spec import engine_settings_of
from wasmcloud_host.web import Page, WebServer

from .conftest import StartHost
from .driver import Operator, component, get, start_request


def test_pages_and_what_is_no_page() -> None:
    server = WebServer("127.0.0.1:0", {"/well": lambda: Page(b"ok"), "/ill": lambda: Page(b"no", is_well=False)})
    server.start()
    try:
        assert get(server.port, "/well?verbose") == (200, "ok")
        assert get(server.port, "/ill") == (503, "no")
        assert get(server.port, "/other") == (404, "there is /well, /ill\n")
    finally:
        server.stop()


def test_ipv6() -> None:
    server = WebServer("[::1]:0", {"/well": lambda: Page(b"ok")})
    server.start()
    try:
        connection = http.client.HTTPConnection("::1", server.port, timeout=10)
        connection.request("GET", "/well")
        assert connection.getresponse().read() == b"ok"
        connection.close()
    finally:
        server.stop()


async def test_a_port_alone_is_that_of_both_families(start_host: StartHost) -> None:
    """As pods need it: the kubelet and a Service come by IPv4, by IPv6, or by either in a cluster with both."""
    ports = free_ports(2)
    await start_host(http_addr=f":{ports[0]}", web_addr=f":{ports[1]}")
    for port, status in zip(ports, (404, 200), strict=True):
        for address in ("127.0.0.1", "::1"):
            connection = http.client.HTTPConnection(address, port, timeout=10)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == status
            connection.close()


def test_an_address_in_use_is_an_os_error() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
    ):
        WebServer(f"127.0.0.1:{taken.getsockname()[1]}", {})


async def test_an_event_loop_that_hangs_is_not_healthy(tmp_path: Path) -> None:
    settings = Settings(host_id="one", http_addr="127.0.0.1:0", oci_cache_dir=tmp_path)
    engine = Engine(engine_settings_of(settings))
    healthz = Agent(settings, identity_of(settings, "machine", None), engine).pages()["/healthz"]
    assert (await asyncio.to_thread(healthz)).is_well
    seen: list[Page] = []
    asking = threading.Thread(target=lambda: seen.append(healthz()))
    asking.start()
    asking.join(30)  # on the event loop's own thread, so that it hangs
    assert not seen[0].is_well
    await engine.shutdown(0)


async def test_metrics_of_a_workload(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    await operator.start(host.id, start_request("one", component(), namespace="team", name="web"))
    for path, status in (("/", 200), ("/nowhere", 404), ("/trap", 500)):
        assert (await asyncio.to_thread(get, host.http_port, path))[0] == status
    await asyncio.to_thread(get, host.http_port, "/", "nobody.localhost")
    families = text_string_to_metric_families((await asyncio.to_thread(host.page, "/metrics"))[1])
    samples = {(each.name, *sorted(each.labels.items())): each.value for family in families for each in family.samples}
    workload = (("namespace", "team"), ("workload", "web"))
    prefix = "wasmcloud_host_"
    assert samples[(f"{prefix}responses_total", ("code", "2xx"), *workload)] == 1
    assert samples[(f"{prefix}responses_total", ("code", "4xx"), *workload)] == 1
    assert samples[(f"{prefix}responses_total", ("code", "5xx"), *workload)] == 1
    assert samples[(f"{prefix}requests_ended_early_total", workload[0], ("reason", "traps"), workload[1])] == 1
    assert samples[(f"{prefix}request_seconds_count", *workload)] == 3
    assert samples[(f"{prefix}request_seconds_sum", *workload)] > 0
    assert samples[(f"{prefix}unrouted_requests_total",)] == 1
    assert samples[(f"{prefix}nats_connected",)] == 1
    assert sum(samples[(f"{prefix}components_total", ("source", each))] for each in ("compiled", "disk", "memory")) == 1


async def test_an_idle_engine_has_metrics(tmp_path: Path) -> None:
    engine = Engine(json.dumps({"http_addr": "127.0.0.1:0", "cache_dir": str(tmp_path)}))
    counts = AgentCounts(is_connected=False, is_data_connected=None, unknown_field_count=3)
    text = exposition(engine.status(), counts).decode()
    assert "wasmcloud_host_nats_connected 0.0" in text
    assert "wasmcloud_host_unknown_fields_total 3.0" in text
    await engine.shutdown(0)
