"""Which EndpointSlices a Service gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_operator.decide.routes import (
    SLICE_SIZE,
    Address,
    Replica,
    SlicePlan,
    Standing,
    endpoints,
    known_endpoints,
    plan_slices,
    wanted_slices,
)
from wasmcloud_operator.model.keys import Key, Kind
from wasmcloud_operator.model.metadata import Metadata, parse_metadata
from wasmcloud_operator.model.views import SliceView, is_route, parse, read_slice_name

SERVICE = parse_metadata({"metadata": {"namespace": "shop", "name": "web", "uid": "service-uid"}})
ONE, TWO, SIX = Address("ipv4", 80, "10.0.0.1"), Address("ipv4", 80, "10.0.0.2"), Address("ipv6", 80, "fd00::1")


def stored(body: dict[str, Any]) -> SliceView:
    view = parse(Kind.ENDPOINT_SLICE, body)
    assert isinstance(view, SliceView)
    return view


def applied(plan: SlicePlan, existing: list[SliceView]) -> list[SliceView]:
    """The slices after a plan was carried out."""
    changes = {view.meta.key: change for view, change in plan.patch}
    deleted = {view.meta.key for view in plan.delete}
    kept = []
    for view in existing:
        if view.meta.key not in deleted:
            change = dict(changes.get(view.meta.key, {}))
            change["metadata"] = _merged(view.body["metadata"], change.pop("metadata", {}))
            kept.append(stored(dict(view.body) | change))
    return [*kept, *(stored(body) for body in plan.create)]


def _merged(old: Any, new: dict[str, Any]) -> dict[str, Any]:
    labels = {**old.get("labels", {}), **new.get("labels", {})}
    return {**old, **new, "labels": {name: value for name, value in labels.items() if value is not None}}


def test_a_host_has_one_endpoint_that_is_ready_while_one_replica_is() -> None:
    existing = [stored(body) for body in wanted_slices(SERVICE, {ONE: True, TWO: True}, [])]
    replicas = [
        Replica(ONE, Standing.READY),
        Replica(ONE, Standing.LEAVING),
        Replica(TWO, Standing.LEAVING),
        Replica(TWO, Standing.LEAVING),
    ]
    for order in (replicas, list(reversed(replicas))):
        assert endpoints(order, existing) == {ONE: True, TWO: False}


def test_a_leaving_replica_gets_no_endpoint_that_it_did_not_have() -> None:
    assert endpoints([Replica(ONE, Standing.LEAVING)], []) == {}


def test_a_slice_has_all_that_kubernetes_asks_for() -> None:
    (body,) = wanted_slices(SERVICE, {TWO: False, ONE: True}, [])
    assert body == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "shop",
            "name": "web-wasmcloud-ipv4-80",
            "labels": {
                "kubernetes.io/service-name": "web",
                "endpointslice.kubernetes.io/managed-by": "operator.wasmcloud.dev",
                "wasmcloud.dev/route-manager": "true",
            },
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "service-uid", "controller": True}
            ],
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True, "serving": True, "terminating": False}},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": False, "serving": True, "terminating": True}},
        ],
    }


def test_families_and_ports_have_slices_of_their_own() -> None:
    wanted = {ONE: True, SIX: True, Address("ipv4", 8000, "10.0.0.1"): True}
    slices = wanted_slices(SERVICE, wanted, [])
    assert [(s["metadata"]["name"], s["addressType"], s["ports"][0]["port"]) for s in slices] == [
        ("web-wasmcloud-ipv4-80", "IPv4", 80),
        ("web-wasmcloud-ipv4-8000", "IPv4", 8000),
        ("web-wasmcloud-ipv6-80", "IPv6", 80),
    ]


def test_a_long_slice_goes_on_in_another() -> None:
    wanted = {Address("ipv4", 80, f"10.0.{n // 256}.{n % 256}"): True for n in range(2 * SLICE_SIZE + 1)}
    slices = wanted_slices(SERVICE, wanted, [])
    assert [s["metadata"]["name"] for s in slices] == [
        "web-wasmcloud-ipv4-80",
        "web-wasmcloud-ipv4-80-2",
        "web-wasmcloud-ipv4-80-3",
    ]
    assert sorted(len(s["endpoints"]) for s in slices) == [1, SLICE_SIZE, SLICE_SIZE]


def test_an_endpoint_stays_in_its_slice_when_others_go() -> None:
    wanted = {Address("ipv4", 80, f"10.0.0.{n}"): True for n in range(SLICE_SIZE + 2)}
    existing = [stored(body) for body in wanted_slices(SERVICE, wanted, [])]
    del wanted[Address("ipv4", 80, "10.0.0.0")]
    plan = plan_slices(SERVICE, wanted, existing)
    assert [view.meta.key.name for view, _ in plan.patch] == ["web-wasmcloud-ipv4-80"]
    assert (plan.create, plan.delete) == ((), ())


def test_a_slice_without_endpoints_goes() -> None:
    existing = [stored(body) for body in wanted_slices(SERVICE, {ONE: True}, [])]
    assert plan_slices(SERVICE, {}, existing) == SlicePlan(delete=tuple(existing))


def edited(**changes: Any) -> SliceView:
    (body,) = wanted_slices(SERVICE, {ONE: True}, [])
    return stored(body | changes)


MEDDLINGS = [
    edited(endpoints=[]),
    edited(endpoints=None),
    edited(endpoints=[{"addresses": ["10.9.9.9"], "conditions": {}}]),
    edited(endpoints=[{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}]),
    edited(ports=[{"name": "http", "port": 81, "protocol": "TCP"}]),
    edited(ports=[]),
    edited(metadata={"namespace": "shop", "name": "web-wasmcloud-ipv4-80"}),
    edited(
        metadata={"namespace": "shop", "name": "web-wasmcloud-ipv4-80", "labels": {"kubernetes.io/service-name": "x"}}
    ),
]


@pytest.mark.parametrize("found", MEDDLINGS)
def test_what_somebody_changed_is_put_right(found: SliceView) -> None:
    plan = plan_slices(SERVICE, {ONE: True}, [found])
    assert len(plan.patch) == 1
    (now,) = applied(plan, [found])
    assert plan_slices(SERVICE, {ONE: True}, [now]).is_empty


def test_kube_proxy_passes_over_slices_of_a_headless_service() -> None:
    (body,) = wanted_slices(SERVICE, {ONE: True}, [], is_headless=True)
    assert body["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert plan_slices(SERVICE, {ONE: True}, [stored(body)], is_headless=True).is_empty


@pytest.mark.parametrize("is_headless", [True, False])
def test_a_service_made_anew_with_or_without_an_address_is_seen_by_kube_proxy_or_not(is_headless: bool) -> None:
    (old,) = wanted_slices(SERVICE, {ONE: True}, [], is_headless=not is_headless)
    (new,) = wanted_slices(SERVICE, {ONE: True}, [], is_headless=is_headless)
    plan = plan_slices(SERVICE, {ONE: True}, [stored(old)], is_headless=is_headless)
    assert [view.body for view in applied(plan, [stored(old)])] == [new]


def test_labels_of_others_stay() -> None:
    (body,) = wanted_slices(SERVICE, {ONE: True}, [])
    body["metadata"]["labels"]["team"] = "a"
    assert plan_slices(SERVICE, {ONE: True}, [stored(body)]).is_empty


def test_a_slice_of_another_address_type_is_made_anew() -> None:
    found = edited(addressType="FQDN")
    assert plan_slices(SERVICE, {ONE: True}, [found]) == SlicePlan(delete=(found,))


def test_a_slice_that_wasmcloud_v2_named_is_replaced() -> None:
    metadata = {"namespace": "shop", "name": "web-abc", "labels": {"wasmcloud.dev/route-manager": "true"}}
    found = edited(metadata=metadata)
    plan = plan_slices(SERVICE, {ONE: True}, [found])
    assert [body["metadata"]["name"] for body in plan.create] == ["web-wasmcloud-ipv4-80"]
    assert plan.delete == (found,)


def test_a_service_that_was_made_anew_owns_its_slices() -> None:
    existing = [stored(body) for body in wanted_slices(SERVICE, {ONE: True}, [])]
    anew: Metadata = replace(SERVICE, uid="another")
    ((_, change),) = plan_slices(anew, {ONE: True}, existing).patch
    assert [owner["uid"] for owner in change["metadata"]["ownerReferences"]] == ["another"]


@pytest.mark.parametrize(
    ("name", "labels", "is_ours"),
    [
        ("web-wasmcloud-ipv4-80", {}, True),
        ("web-wasmcloud-ipv6-8080-3", {}, True),
        ("web-abc12", {"wasmcloud.dev/route-manager": "true"}, True),
        ("web-abc12", {"kubernetes.io/service-name": "web"}, False),
        ("web-abc12", None, False),
        ("web-wasmcloud-ipv4", {}, False),
        ("-wasmcloud-ipv4-80", {}, False),
    ],
)
def test_slices_of_ours_are_told_from_others(name: str, labels: dict[str, str] | None, *, is_ours: bool) -> None:
    assert is_route({"metadata": {"name": name, "labels": labels}}) is is_ours


def test_a_slice_belongs_to_the_service_in_its_name_even_without_labels() -> None:
    found = stored({"metadata": {"namespace": "shop", "name": "a-wasmcloud-ipv4-1-wasmcloud-ipv6-80-2"}})
    assert found.service == Key("shop", "a-wasmcloud-ipv4-1")
    labelled = stored({"metadata": {"namespace": "shop", "name": "x", "labels": {"kubernetes.io/service-name": "web"}}})
    assert labelled.service == Key("shop", "web")


addresses = st.builds(
    lambda family, port, n: Address(family, port, f"10.0.{n // 256}.{n % 256}" if family == "ipv4" else f"fd00::{n:x}"),
    st.sampled_from(["ipv4", "ipv6"]),
    st.sampled_from([80, 8080]),
    st.integers(1, 500),
)
wishes = st.dictionaries(addresses, st.booleans(), max_size=250)


@given(st.lists(wishes, max_size=3), wishes)
def test_whatever_there_was_the_slices_come_to_say_what_is_wanted(before: list[Any], wanted: dict[Any, bool]) -> None:
    existing: list[SliceView] = []
    for wish in [*before, wanted]:
        plan = plan_slices(SERVICE, wish, existing)
        existing = applied(plan, existing)
    assert known_endpoints(existing) == wanted
    assert sum(len(view.endpoints) for view in existing) == len(wanted)
    assert all(0 < len(view.endpoints) <= SLICE_SIZE for view in existing)
    assert plan_slices(SERVICE, wanted, existing).is_empty


@given(wishes, wishes)
def test_no_endpoint_that_stays_is_ever_missing_between_the_writes_of_a_plan(
    before: dict[Any, bool], wanted: dict[Any, bool]
) -> None:
    existing = applied(plan_slices(SERVICE, before, []), [])
    plan = plan_slices(SERVICE, wanted, existing)
    staying = before.keys() & wanted.keys()
    for view, change in plan.patch:
        now = [
            stored({**other.body, **(change if other is view else {}), "metadata": other.body["metadata"]})
            for other in existing
        ]
        assert staying <= known_endpoints(now).keys()
    for gone in plan.delete:
        assert not staying & known_endpoints([gone]).keys()


@given(st.from_regex(r"[a-z][a-z0-9-]{0,60}[a-z0-9]", fullmatch=True), addresses, st.integers(1, 99_999))
def test_a_slice_name_is_read_as_it_was_written(name: str, address: Address, page: int) -> None:
    found = read_slice_name(f"{name}-wasmcloud-{address.family}-{address.port}" + (f"-{page}" if page > 1 else ""))
    assert found is not None
    assert (found.service, found.family, found.port, found.page) == (name, address.family, address.port, page)
