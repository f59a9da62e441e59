"""Where a host is reached, and which replicas belong to a Service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_api.conditions import Reason
from wasmcloud_api.names import HostId
from wasmcloud_operator.decide.routes import (
    Address,
    Standing,
    Unroutable,
    address_of,
    is_routed,
    standing,
    trouble_of,
)
from wasmcloud_operator.decide.run import Run, RunState
from wasmcloud_operator.model.hosts import Liveness
from wasmcloud_operator.model.keys import Kind
from wasmcloud_operator.model.metadata import parse_metadata
from wasmcloud_operator.model.views import ServiceView, WorkloadView, parse

HOST = HostId("h1")
SERVICE = parse_metadata({"metadata": {"namespace": "shop", "name": "web", "uid": "service-uid"}})
ONE, TWO, SIX = Address("ipv4", 80, "10.0.0.1"), Address("ipv4", 80, "10.0.0.2"), Address("ipv6", 80, "fd00::1")


def service(**spec: Any) -> ServiceView:
    body = {"metadata": {"namespace": "shop", "name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}]} | spec}
    view = parse(Kind.SERVICE, body)
    assert isinstance(view, ServiceView)
    return view


def workload(*, is_ready: bool = True, is_deleting: bool = False, generation: int = 1) -> WorkloadView:
    metadata: dict[str, Any] = {"namespace": "shop", "name": "app", "uid": "u", "generation": generation}
    if is_deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": "True" if is_ready else "False"}]
    body = {
        "metadata": metadata,
        "spec": {"components": [{"name": "app", "image": "registry.example/app:1"}]},
        "status": {"hostId": HOST, "conditions": conditions},
    }
    view = parse(Kind.WORKLOAD, body)
    assert isinstance(view, WorkloadView)
    return view


def run(state: RunState, *, host_id: HostId = HOST, generation: int = 1) -> Run:
    return Run(host_id, state, 0.0, generation)


@pytest.mark.parametrize(
    ("hostname", "port", "wanted"),
    [
        ("10.1.2.3", 8080, Address("ipv4", 8080, "10.1.2.3")),
        ("FD00:0:0::1", 80, Address("ipv6", 80, "fd00::1")),
        ("[fd00::1]", 80, Address("ipv6", 80, "fd00::1")),
        ("::ffff:10.1.2.3", 80, Address("ipv4", 80, "10.1.2.3")),
    ],
)
def test_an_ip_is_an_address_in_its_canonical_form(hostname: str, port: int, wanted: Address) -> None:
    assert address_of(hostname, port) == wanted


@pytest.mark.parametrize(
    ("hostname", "port", "said"),
    [
        ("node-1.example", 80, 'its address "node-1.example" is no IP'),
        ("", 80, 'its address "" is no IP'),
        ("10.0.0.256", 80, "is no IP"),
        ("010.0.0.1", 80, "is no IP"),
        ("127.0.0.1", 80, "is loopback"),
        ("::1", 80, "is loopback"),
        ("::ffff:127.0.0.1", 80, "is loopback"),
        ("0.0.0.0", 80, "is unspecified"),
        ("::", 80, "is unspecified"),
        ("169.254.1.1", 80, "is link-local"),
        ("fe80::1", 80, "is link-local"),
        ("224.0.0.1", 80, "is multicast"),
        ("fd00::1%eth0", 80, "is good on one network interface only"),
        ("10.0.0.1", 0, "it serves no HTTP"),
        ("10.0.0.1", 65536, "it serves no HTTP"),
    ],
)
def test_what_the_api_server_would_refuse_is_no_address(hostname: str, port: int, said: str) -> None:
    found = address_of(hostname, port)
    assert isinstance(found, Unroutable)
    assert said in found.why


STANDINGS = [
    (RunState.RUNNING, Standing.READY),
    (RunState.NEW, None),
    (RunState.STARTING, None),
    (RunState.COMPLETED, None),
    (RunState.FAILED, None),
    (RunState.UNSURE, Standing.READY),
    (RunState.STOPPING, Standing.LEAVING),
    (RunState.STOPPED, None),
]


def test_every_state_of_a_run_has_its_standing() -> None:
    assert {state for state, _ in STANDINGS} == set(RunState)


@pytest.mark.parametrize(("state", "wanted"), STANDINGS)
def test_the_run_says_what_a_replica_is(state: RunState, wanted: Standing | None) -> None:
    assert standing(workload(), run(state), Liveness.LIVE, is_draining=False) is wanted


def test_a_replica_serves_as_soon_as_it_runs_whatever_its_status_says_so_far() -> None:
    view = workload(is_ready=False)
    assert standing(view, run(RunState.RUNNING), Liveness.LIVE, is_draining=False) is Standing.READY
    assert standing(view, run(RunState.UNSURE), Liveness.LIVE, is_draining=False) is None


@pytest.mark.parametrize("known", [None, run(RunState.RUNNING, host_id=HostId("h0"))])
def test_the_status_counts_while_the_host_was_not_asked(known: Run | None) -> None:
    assert standing(workload(), known, Liveness.UNKNOWN, is_draining=False) is Standing.READY
    assert standing(workload(is_ready=False), known, Liveness.UNKNOWN, is_draining=False) is None


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.UNSURE, RunState.STOPPING])
def test_a_replica_that_is_deleted_or_drained_is_leaving(state: RunState) -> None:
    assert standing(workload(is_deleting=True), run(state), Liveness.LIVE, is_draining=False) is Standing.LEAVING
    assert standing(workload(), run(state), Liveness.LIVE, is_draining=True) is Standing.LEAVING


def test_a_replica_that_is_to_start_anew_with_a_changed_spec_is_leaving() -> None:
    view = workload(generation=2)
    assert standing(view, run(RunState.RUNNING, generation=1), Liveness.LIVE, is_draining=False) is Standing.LEAVING
    assert standing(view, run(RunState.RUNNING, generation=2), Liveness.LIVE, is_draining=False) is Standing.READY


@pytest.mark.parametrize("state", list(RunState))
def test_nothing_serves_on_a_lost_host(state: RunState) -> None:
    assert standing(workload(), run(state), Liveness.LOST, is_draining=False) is None


def test_nothing_serves_that_was_not_placed() -> None:
    view = replace(workload(), status={})
    assert standing(view, None, Liveness.LIVE, is_draining=False) is None


TROUBLES = [
    (None, ONE, Reason.SERVICE_NOT_FOUND, 'the Service "web" does not exist'),
    (service(selector={"app": "x"}), ONE, Reason.SERVICE_HAS_SELECTOR, "remove spec.selector"),
    (service(type="ExternalName"), ONE, Reason.SERVICE_IS_EXTERNAL, "ExternalName"),
    (service(ports=[{"port": 80}]), ONE, Reason.SERVICE_PORT_NOT_FOUND, 'no port named "http"'),
    (
        service(),
        Unroutable('its address "n" is no IP'),
        Reason.HOST_NOT_ROUTABLE,
        'host "h1": its address "n" is no IP',
    ),
]


@pytest.mark.parametrize(("found", "where", "reason", "said"), TROUBLES)
def test_why_a_service_leads_nowhere_is_said(
    found: ServiceView | None, where: Address | Unroutable, reason: Reason, said: str
) -> None:
    trouble = trouble_of("web", found, where, "h1")
    assert trouble is not None
    assert trouble.reason is reason
    assert said in trouble.message


@pytest.mark.parametrize("where", [ONE, None])
def test_no_trouble_is_no_word(where: Address | None) -> None:
    assert trouble_of("web", service(), where, "h1") is None
    assert trouble_of("web", service(clusterIP="None", ports=[]), where, "h1") is None


def test_only_services_without_a_selector_are_ours() -> None:
    assert is_routed(service())
    assert is_routed(service(selector={}))
    assert not is_routed(service(selector={"app": "x"}))
    assert not is_routed(service(type="ExternalName"))
    assert not is_routed(None)


@given(st.text(max_size=40), st.integers(-1, 70_000))
def test_any_hostname_is_an_address_or_has_a_reason(hostname: str, port: int) -> None:
    found = address_of(hostname, port)
    assert isinstance(found, Unroutable) or address_of(found.ip, found.port) == found
