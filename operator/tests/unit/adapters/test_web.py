"""The pages for Kubernetes and Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from ground.process import free_ports
from wasmcloud_operator.adapters.web import AddressError, Metrics, WebServer
from wasmcloud_operator.engine.figures import Figures


@pytest.fixture
def missing() -> list[str]:
    return []


@pytest.fixture
async def web(missing: list[str]) -> AsyncIterator[WebServer]:
    server = WebServer(lambda: missing, Metrics())
    yield server
    await server.stop()


async def fetch(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
        return response.status, await response.text()


async def test_one_address_serves_all_pages(web: WebServer, missing: list[str]) -> None:
    await web.start("127.0.0.1:0", "127.0.0.1:0")
    (port,) = web.ports()
    assert await fetch(port, "/healthz") == (200, "ok\n")
    assert await fetch(port, "/readyz") == (200, "ok\n")
    assert (await fetch(port, "/metrics"))[0] == 200
    missing += ["not connected to NATS", "no list yet"]
    assert await fetch(port, "/readyz") == (503, "not connected to NATS\nno list yet\n")
    assert await fetch(port, "/healthz") == (200, "ok\n")


async def test_two_addresses_serve_their_own(web: WebServer) -> None:
    health, metrics = free_ports(2)
    await web.start(f"127.0.0.1:{health}", f"127.0.0.1:{metrics}")
    assert web.ports() == [health, metrics]
    assert (await fetch(health, "/healthz"))[0] == 200
    assert (await fetch(health, "/metrics"))[0] == 404
    assert (await fetch(metrics, "/metrics"))[0] == 200
    assert (await fetch(metrics, "/healthz"))[0] == 404


async def test_a_port_alone_is_that_of_both_families(web: WebServer) -> None:
    """As pods need it: the kubelet comes by IPv4 or IPv6, whichever is the cluster's first."""
    (port,) = free_ports(1)
    await web.start(f":{port}", None)
    for host in ("127.0.0.1", "[::1]"):
        assert await fetch(port, "/healthz", host) == (200, "ok\n")


async def test_no_address_serves_nothing(web: WebServer) -> None:
    await web.start(None, None)
    assert web.ports() == []


async def test_a_taken_address_is_named(web: WebServer) -> None:
    await web.start("127.0.0.1:0", None)
    taken = f"127.0.0.1:{web.ports()[0]}"
    with pytest.raises(AddressError, match=f"{taken}: Address already in use"):
        await web.start(taken, None)


async def test_measures_are_shown() -> None:
    metrics = Metrics()
    metrics.count("reconciles", kind="Workload", outcome="Done")
    metrics.count("reconciles", kind="Workload", outcome="Done")
    metrics.observe("reconcile_seconds", 0.02, kind="Workload")
    metrics.observe("start_seconds", 3.0)
    refused = {"team-a": True, "team-b": False}
    metrics.show(lambda: Figures(True, 3, {("Live", "team-a"): 2, ("Lost", ""): 1}, {"Running": 7}, refused))
    metrics.api_request("POST", "workloads", "201", 0.006)
    server = WebServer(list, metrics)
    await server.start(None, "127.0.0.1:0")
    try:
        _, page = await fetch(server.ports()[0], "/metrics")
    finally:
        await server.stop()
    lines = page.splitlines()
    assert 'wasmcloud_operator_reconciles_total{kind="Workload",outcome="Done"} 2.0' in lines
    assert 'wasmcloud_operator_reconcile_seconds_bucket{kind="Workload",le="0.025"} 1.0' in lines
    assert "wasmcloud_operator_start_seconds_sum 3.0" in lines
    assert 'wasmcloud_operator_api_request_seconds_count{outcome="201",resource="workloads",verb="POST"} 1.0' in lines
    assert "wasmcloud_operator_queue_depth 3.0" in lines
    assert 'wasmcloud_operator_hosts{environment="team-a",state="Live"} 2.0' in lines
    assert 'wasmcloud_operator_hosts{environment="",state="Lost"} 1.0' in lines
    assert 'wasmcloud_operator_workloads{phase="Running"} 7.0' in lines
    assert 'wasmcloud_operator_namespace_refused{namespace="team-a"} 1.0' in lines
    assert 'wasmcloud_operator_namespace_refused{namespace="team-b"} 0.0' in lines
