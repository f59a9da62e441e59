"""HTTP for Kubernetes and Prometheus: /healthz, /readyz, /metrics."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from wasmcloud_operator.engine.figures import Figures

_PREFIX: Final = "wasmcloud_operator_"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_HELP: Final = {
    "api_calls": "Calls to the Kubernetes API that reconciling made, by verb and kind.",
    "api_request_seconds": "Requests to the Kubernetes API by verb, resource and outcome: a status or unreachable.",
    "heartbeats_refused": "Heartbeats that were dropped, by the reason.",
    "reconcile_seconds": "How long a look at one object took, by kind.",
    "reconciles": "Looks at an object, by kind and outcome.",
    "registry_requests": "Questions to registries for the digest of a tag, by outcome.",
    "request_seconds": "How long hosts took to reply over NATS, by command.",
    "requests": "Requests to hosts over NATS, by command and outcome.",
    "start_seconds": "From the creation of a Workload to its start.",
}

NotReady = Callable[[], list[str]]
"""Says what is missing, one sentence each; empty means ready."""


class AddressError(Exception):
    """An address that can't be listened on."""

    def __init__(self, address: str, error: OSError) -> None:
        super().__init__(f"{address}: {os.strerror(error.errno) if error.errno else error}")
        self.address = address


class Metrics:
    """What Prometheus is told. Implements the engine's Measure; a metric is made when it is first used."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        metric = self._counters.get(name)
        if metric is None:
            metric = Counter(_PREFIX + name, _HELP.get(name, name), tuple(labels), registry=self.registry)
            self._counters[name] = metric
        (metric.labels(**labels) if labels else metric).inc()

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a value, such as seconds, to a histogram."""
        metric = self._histograms.get(name)
        if metric is None:
            text = _HELP.get(name, name)
            metric = Histogram(_PREFIX + name, text, tuple(labels), buckets=_SECONDS, registry=self.registry)
            self._histograms[name] = metric
        (metric.labels(**labels) if labels else metric).observe(value)

    def show(self, figures: Callable[[], Figures]) -> None:
        """Show what ``figures`` returns, whenever the page is fetched."""
        self.registry.register(_Gauges(figures))

    def api_request(self, verb: str, resource: str, outcome: str, duration_s: float) -> None:
        """Take a request to the Kubernetes API."""
        self.observe("api_request_seconds", duration_s, verb=verb, resource=resource, outcome=outcome)


class _Gauges(Collector):
    """Counts made at the moment of the fetch."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        """Nothing needs to be counted to be registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Count."""
        figures = self._figures()
        leads = "1 while this operator leads, 0 while it is a standby."
        yield GaugeMetricFamily(f"{_PREFIX}leader", leads, float(figures.is_leading))
        yield GaugeMetricFamily(f"{_PREFIX}queue_depth", "Objects that wait to be looked at.", figures.queue_depth)
        hosts = GaugeMetricFamily(
            f"{_PREFIX}hosts", "Hosts by state (Live, Draining, Unknown, Lost).", labels=("state", "environment")
        )
        for labels, count in sorted(figures.hosts.items()):
            hosts.add_metric(labels, count)
        yield hosts
        workloads = GaugeMetricFamily(f"{_PREFIX}workloads", "Workloads by phase.", labels=("phase",))
        for phase, count in sorted(figures.workloads.items()):
            workloads.add_metric((phase,), count)
        yield workloads
        refused = GaugeMetricFamily(
            f"{_PREFIX}namespace_refused",
            "1 while the Kubernetes API refuses a watched namespace: nothing is done there.",
            labels=("namespace",),
        )
        for namespace, is_refused in sorted(figures.refused.items()):
            refused.add_metric((namespace,), float(is_refused))
        yield refused


class WebServer:
    """Serves the pages on their addresses (``host:port``; no host means all interfaces); equal ones share a socket."""

    def __init__(self, not_ready: NotReady, metrics: Metrics) -> None:
        self._not_ready = not_ready
        self._metrics = metrics
        self._runners: list[web.AppRunner] = []

    async def start(self, health_addr: str | None, metrics_addr: str | None) -> None:
        """Listen. Raises AddressError, for one that is in use for instance."""
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
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        host, _, port = address.rpartition(":")
        try:
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        except OSError as error:
            raise AddressError(address, error) from None

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")  # that it is sent at all shows that the loop turns

    async def _readyz(self, _request: web.Request) -> web.Response:
        missing = self._not_ready()
        text = "\n".join(missing) or "ok"
        return web.Response(status=503 if missing else 200, text=f"{text}\n")

    async def _metrics_page(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
