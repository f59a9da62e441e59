"""What the engine counts, in Prometheus' words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

PREFIX: Final = "wasmcloud_host_"
WORKLOAD: Final = ("namespace", "workload")


@dataclass(frozen=True, slots=True)
class AgentCounts:
    """What the agent itself knows."""

    is_connected: bool
    is_data_connected: bool | None
    """None without a NATS for workloads' data."""
    unknown_field_count: int


def exposition(engine_status: str, agent: AgentCounts) -> bytes:
    """Return the text of /metrics. `engine_status` is the engine's JSON."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(json.loads(engine_status), agent))
    return generate_latest(registry)


class _Snapshot:
    """A collector of one moment's figures."""

    def __init__(self, status: dict[str, Any], agent: AgentCounts) -> None:
        self._status = status
        self._agent = agent

    def collect(self) -> Iterator[Metric]:
        yield from _of_host(self._status, self._agent)
        yield from _of_workloads(self._status["workloads"])

    def describe(self) -> Iterable[Metric]:
        return ()


def _of_host(status: dict[str, Any], agent: AgentCounts) -> Iterator[Metric]:
    compile_, pulls = status["compile"], status["pulls"]
    yield GaugeMetricFamily(f"{PREFIX}nats_connected", "Whether commands can arrive.", int(agent.is_connected))
    if agent.is_data_connected is not None:
        said = "Whether the NATS of the workloads' data is connected."
        yield GaugeMetricFamily(f"{PREFIX}data_nats_connected", said, int(agent.is_data_connected))
    yield CounterMetricFamily(
        f"{PREFIX}unknown_fields", "Fields of commands that this version doesn't know.", agent.unknown_field_count
    )
    yield GaugeMetricFamily(f"{PREFIX}connections", "Client connections open now.", status["connections"])
    yield GaugeMetricFamily(f"{PREFIX}instances", "Component instances alive now.", status["instances"]["alive"])
    yield GaugeMetricFamily(f"{PREFIX}instances_limit", "Instances that may be alive.", status["instances"]["max"])
    yield CounterMetricFamily(
        f"{PREFIX}unrouted_requests", "Requests for names of no workload.", status["unrouted_total"]
    )
    compiled = CounterMetricFamily(f"{PREFIX}components", "Components made ready to run.", labels=["source"])
    for source, key in (("compiled", "compiled_total"), ("disk", "from_disk_total"), ("memory", "from_memory_total")):
        compiled.add_metric([source], compile_[key])
    yield compiled
    yield CounterMetricFamily(f"{PREFIX}compile_failures", "Artifacts that don't compile.", compile_["failed_total"])
    yield CounterMetricFamily(f"{PREFIX}compile_seconds", "Time spent compiling.", compile_["seconds_total"])
    pulled = CounterMetricFamily(f"{PREFIX}pulls", "Pulls from registries.", labels=["result"])
    pulled.add_metric(["done"], pulls["done_total"])
    pulled.add_metric(["failed"], pulls["failed_total"])
    yield pulled


def _of_workloads(workloads: list[dict[str, Any]]) -> Iterator[Metric]:
    in_flight = GaugeMetricFamily(f"{PREFIX}requests_in_flight", "Requests being served now.", labels=WORKLOAD)
    responses = CounterMetricFamily(f"{PREFIX}responses", "Responses by class.", labels=(*WORKLOAD, "code"))
    latency = HistogramMetricFamily(f"{PREFIX}request_seconds", "Time to the head of a response.", labels=WORKLOAD)
    ended = CounterMetricFamily(
        f"{PREFIX}requests_ended_early",
        "Requests that trapped, took too long or weren't taken.",
        labels=(*WORKLOAD, "reason"),
    )
    denied = CounterMetricFamily(
        f"{PREFIX}egress_denied", "Outgoing connections that the rules deny.", labels=(*WORKLOAD, "destination")
    )
    for each in workloads:
        labels = [each["namespace"], each["name"]]
        in_flight.add_metric(labels, each["in_flight"])
        for code, count in each["responses"].items():
            responses.add_metric([*labels, code], count)
        latency.add_metric(labels, _buckets(each["latency_ms"]), each["latency_ms"]["sum_ms"] / 1000)
        for reason in ("traps", "timeouts", "rejected"):
            ended.add_metric([*labels, reason], each[f"{reason}_total"])
        for destination, count in each["egress_denied"].items():
            denied.add_metric([*labels, destination], count)
    yield from (in_flight, responses, latency, ended, denied)


def _buckets(latency_ms: dict[str, float]) -> list[tuple[str, float]]:
    """Prometheus' bucket limits, in seconds, out of the engine's keys `le_<milliseconds>` and `le_inf`."""
    limits = [key.removeprefix("le_") for key in latency_ms if key.startswith("le_")]
    return [("+Inf" if limit == "inf" else str(int(limit) / 1000), latency_ms[f"le_{limit}"]) for limit in limits]
