"""HTTP for Kubernetes and Prometheus: /healthz, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

NotReady = Callable[[], list[str]]
"""Says what is missing, one sentence each; empty means ready."""


class Metrics:
    """What Prometheus is told of the operator's calls."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._api_calls = Counter(
            "wasmcloud_operator_api_calls",
            "Calls to the Kubernetes API by verb, resource and outcome (a status code, or unreachable).",
            ("verb", "resource", "outcome"),
            registry=self.registry,
        )
        self._api_seconds = Histogram(
            "wasmcloud_operator_api_call_duration_seconds",
            "How long calls to the Kubernetes API took.",
            ("verb", "resource"),
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._nats_seconds = Histogram(
            "wasmcloud_operator_nats_request_duration_seconds",
            "How long requests to hosts took, by command and outcome.",
            ("command", "outcome"),
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )

    def api_call(self, verb: str, resource: str, outcome: str, duration_s: float) -> None:
        """Count a call to the Kubernetes API."""
        self._api_calls.labels(verb, resource, outcome).inc()
        self._api_seconds.labels(verb, resource).observe(duration_s)

    def nats_request(self, command: str, outcome: str, duration_s: float) -> None:
        """Count a request to a host."""
        self._nats_seconds.labels(command, outcome).observe(duration_s)


class WebServer:
    """Serves the pages on their addresses (``host:port``; no host means all interfaces); equal ones share a socket."""

    def __init__(self, not_ready: NotReady, metrics: Metrics) -> None:
        self._not_ready = not_ready
        self._metrics = metrics
        self._runners: list[web.AppRunner] = []

    async def start(self, health_addr: str | None, metrics_addr: str | None) -> None:
        """Listen. Raises OSError when an address is in use."""
        health = [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]
        metrics = [web.get("/metrics", self._metrics_page)]
        if health_addr is not None and health_addr == metrics_addr:
            await self._serve(health_addr, health + metrics)
            return
        if health_addr is not None:
            await self._serve(health_addr, health)
        if metrics_addr is not None:
            await self._serve(metrics_addr, metrics)

    async def stop(self) -> None:
        """Close all sockets."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    def ports(self) -> list[int]:
        """Return the ports in use: health's, then metrics'."""
        return [address[1] for runner in self._runners for address in runner.addresses]

    async def _serve(self, address: str, routes: list[web.RouteDef]) -> None:
        application = web.Application()
        application.add_routes(routes)
        runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await runner.setup()
        self._runners.append(runner)
        host, _, port = address.rpartition(":")
        await web.TCPSite(runner, host.strip("[]") or None, int(port), shutdown_timeout=1.0).start()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")  # that it is sent at all shows that the loop turns

    async def _readyz(self, _request: web.Request) -> web.Response:
        missing = self._not_ready()
        text = "\n".join(missing) or "ok"
        return web.Response(status=503 if missing else 200, text=f"{text}\n")

    async def _metrics_page(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
