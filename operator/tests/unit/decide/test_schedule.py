"""Filters, scores and the order that decides."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import GIB, host
from wasmcloud_api.conditions import Reason
from wasmcloud_api.crds import TopologySpreadConstraint, WorkloadSpec
from wasmcloud_api.names import HostId
from wasmcloud_operator.decide.demand import Demand, demand_of
from wasmcloud_operator.decide.schedule import Candidate, Load, Rules, Scene, Unfit, place, place_many
from wasmcloud_operator.model.hosts import HostView

SHARED, SEPARATE = Rules(), Rules(allow_shared_hosts=False)


def demand(*, spread: list[dict[str, Any]] | None = None, **spec: Any) -> Demand:
    constraints = tuple(TopologySpreadConstraint.model_validate(one) for one in spread or ())
    return demand_of("shop", WorkloadSpec.model_validate(spec), constraints)


def scene(*hosts: HostView, rules: Rules = SHARED, **more: Any) -> Scene:
    return Scene([Candidate(view) for view in hosts], rules=rules, **more)


def unfit(found: HostId | Unfit) -> Unfit:
    assert isinstance(found, Unfit)
    return found


def test_no_hosts_is_said_as_such() -> None:
    assert unfit(place(demand(), scene())).reason is Reason.NO_HOSTS


def test_the_message_counts_hosts_by_cause_and_says_what_was_wanted() -> None:
    hosts = [host(f"o{n}", environment="other") for n in range(3)] + [
        host(f"t{n}", environment="team-a") for n in range(2)
    ]
    found = unfit(place(demand(environment="team-a", hostSelector={"gpu": "true"}), scene(*hosts)))
    assert found.message == '0 of 5 hosts fit: 3 are in another environment (want "team-a"), 2 lack label gpu=true'
    assert found.reason is Reason.NO_MATCHING_HOST


@pytest.mark.parametrize(
    ("view", "spec", "reason", "words"),
    [
        (host(draining=True), {}, Reason.NO_MATCHING_HOST, "1 is draining"),
        (host("h1"), {"hostId": "h2"}, Reason.HOST_PIN_UNAVAILABLE, '1 is not the host "h2"'),
        (host(), {"hostSelector": {"zone": "a"}}, Reason.NO_MATCHING_HOST, "1 lacks label zone=a"),
        (
            host(offers=("wasi:keyvalue/store@0.2.0",)),
            {"hostInterfaces": [{"namespace": "wasi", "package": "blobstore", "interfaces": ["container"]}]},
            Reason.INTERFACE_UNAVAILABLE,
            "1 lacks interface wasi:blobstore/container",
        ),
        (
            host(labels={"wasmcloud.dev/max-workloads": "0"}),
            {},
            Reason.INSUFFICIENT_CAPACITY,
            "1 has all its workloads",
        ),
        (
            host(system_memory_free=GIB),
            {"components": [{"name": "a", "image": "i", "localResources": {"memoryLimitMb": 2048}}]},
            Reason.INSUFFICIENT_CAPACITY,
            "1 has too little free memory (want 2048 MiB)",
        ),
    ],
)
def test_each_filter_has_its_reason_and_words(view: HostView, spec: dict[str, Any], reason: Reason, words: str) -> None:
    found = unfit(place(demand(**spec), scene(view)))
    assert (found.reason, words in found.message) == (reason, True), found.message


def test_a_host_that_does_not_answer_takes_nothing() -> None:
    lost = Scene([Candidate(host(), is_live=False)])
    assert "1 is not ready" in unfit(place(demand(), lost)).message


@pytest.mark.parametrize(
    ("wanted", "rules", "fits"),
    [
        ("", SHARED, {"mine", "other", "none"}),
        ("", SEPARATE, {"mine"}),
        ("shop", SHARED, {"mine"}),
        ("shop", SEPARATE, {"mine"}),
        ("elsewhere", SHARED, {"other"}),
        ("elsewhere", SEPARATE, set()),
    ],
)
def test_environments_as_the_table_of_the_api_says(wanted: str, rules: Rules, fits: set[str]) -> None:
    hosts = [host("mine", environment="shop"), host("other", environment="elsewhere"), host("none")]
    found = {
        view.host_id for view in hosts if place(demand(environment=wanted), scene(view, rules=rules)) == view.host_id
    }
    assert found == fits


def test_another_environment_is_denied_where_hosts_are_not_shared() -> None:
    found = unfit(place(demand(environment="elsewhere"), scene(host(environment="elsewhere"), rules=SEPARATE)))
    assert found.reason is Reason.ENVIRONMENT_DENIED


def test_a_pin_is_no_way_round_the_environment() -> None:
    pinned = demand(hostId="h1")
    assert (
        unfit(place(pinned, scene(host("h1", environment="other"), rules=SEPARATE))).reason
        is Reason.HOST_PIN_UNAVAILABLE
    )
    assert place(pinned, scene(host("h1"), host("h2"))) == "h1"


@pytest.mark.parametrize(
    ("offer", "wanted", "fits"),
    [
        ("wasi:keyvalue/store@0.2.0", "0.2.3", True),
        ("wasi:keyvalue/store@0.2.0-draft", "0.2.0", False),
        ("wasi:keyvalue/store@0.2.0-draft", "0.2.0-draft+build.7", True),
        ("wasi:keyvalue/store@0.2.0-draft", "0.2.0-draft2", False),
        ("wasi:keyvalue/store@0.3.0", "0.2.0", False),
        ("wasi:keyvalue/store@1.4.0", "1.0.0", True),
        ("wasi:keyvalue/store@2.0.0", "1.0.0", False),
        ("wasi:keyvalue/store", "1.0.0", True),
        ("wasi:keyvalue/atomics@0.2.0", "", False),
    ],
)
def test_versions_of_interfaces_are_compatible_or_not(offer: str, wanted: str, fits: bool) -> None:
    asked = [{"namespace": "wasi", "package": "keyvalue", "interfaces": ["store"], "version": wanted}]
    assert (place(demand(hostInterfaces=asked), scene(host(offers=(offer,)))) == "h1") is fits


def test_native_wasi_is_everywhere_and_a_silent_host_has_everything() -> None:
    asked = [{"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"]}]
    assert place(demand(hostInterfaces=asked), scene(host(offers=("wasi:keyvalue/store",)))) == "h1"
    asked = [{"namespace": "acme", "package": "thing", "interfaces": ["do"]}]
    assert place(demand(hostInterfaces=asked), scene(host())) == "h1"


def test_replicas_of_the_same_group_count_before_all_workloads() -> None:
    found = place(
        demand(),
        scene(
            host("busy"),
            host("mine"),
            loads={HostId("busy"): Load(50), HostId("mine"): Load(1)},
            peers={HostId("mine"): 1},
        ),
    )
    assert found == "busy"


def test_memory_promised_to_others_is_not_free() -> None:
    asked = demand(components=[{"name": "a", "image": "i", "localResources": {"memoryLimitMb": 1024}}])
    full = {HostId("h1"): Load(7, 7 * GIB + 1)}
    assert unfit(place(asked, scene(host(), loads=full))).reason is Reason.INSUFFICIENT_CAPACITY
    assert place(asked, scene(host(), loads={HostId("h1"): Load(3, 3 * GIB)})) == "h1"


@pytest.mark.parametrize("pressed", [{"system_cpu_usage": 81.0}, {"system_memory_free": GIB}])
def test_a_host_under_pressure_is_taken_only_where_no_other_fits(pressed: dict[str, Any]) -> None:
    assert place(demand(), scene(host("a", **pressed), host("b"))) == "b"
    assert place(demand(), scene(host("a", **pressed))) == "a"
    assert place(demand(), scene(host("a", **pressed), host("b"), rules=Rules(True, 99.0, 99.0))) in {"a", "b"}


def test_a_host_to_avoid_is_taken_only_where_no_other_fits() -> None:
    avoid = frozenset({HostId("a")})
    assert place(demand(), scene(host("a"), host("b")), avoid=avoid) == "b"
    assert place(demand(), scene(host("a")), avoid=avoid) == "a"


def zones(count: int) -> list[HostView]:
    return [host(f"h{n}", labels={"zone": f"z{n % 2}" if n else "z0"}) for n in range(count)]


def test_do_not_schedule_bounds_the_skew_and_shuts_out_hosts_without_the_label() -> None:
    hosts = [
        host("a", labels={"zone": "x"}),
        host("b", labels={"zone": "x"}),
        host("c", labels={"zone": "y"}),
        host("d"),
    ]
    rule = [{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]
    chosen, rest = place_many(demand(spread=rule), 8, scene(*hosts))
    by_zone = Counter({"a": "x", "b": "x", "c": "y"}[one] for one in chosen)
    assert (by_zone["x"], by_zone["y"], rest) == (4, 4, None)


def test_do_not_schedule_makes_wait_and_schedule_anyway_does_not() -> None:
    full = host("y", labels={"zone": "y", "wasmcloud.dev/max-workloads": "1"})
    for when, placed in (("DoNotSchedule", 3), ("ScheduleAnyway", 5)):
        rule = [{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": when}]
        chosen, _ = place_many(demand(spread=rule), 5, scene(host("x", labels={"zone": "x"}), full))
        assert len(chosen) == placed


@given(
    hosts=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    count=st.integers(0, 40),
    order=st.randoms(use_true_random=False),
)
def test_placing_is_even_and_does_not_depend_on_order(hosts: list[int], count: int, order: Any) -> None:
    views = [host(f"h{n}", labels={"zone": str(zone)}) for n, zone in enumerate(hosts)]
    chosen, rest = place_many(demand(), count, scene(*views))
    shuffled = list(views)
    order.shuffle(shuffled)
    assert (chosen, rest) == place_many(demand(), count, scene(*shuffled))
    counts = Counter(chosen)
    assert len(chosen) == count
    assert max(counts.values(), default=0) - min((counts[v.host_id] for v in views), default=0) <= 1


def test_a_hundred_replicas_on_ten_hosts_are_ten_each() -> None:
    chosen, _ = place_many(demand(), 100, scene(*(host(f"h{n}") for n in range(10))))
    assert set(Counter(chosen).values()) == {10}


def test_a_thousand_workloads_on_a_hundred_hosts_cost_less_than_a_second_of_cpu() -> None:
    views = [host(f"h{n}") for n in range(100)]
    began_s = time.process_time()
    loads: dict[HostId, Load] = {}
    for _ in range(1000):
        found = place(demand(hostSelector={}), scene(*views, loads=loads))
        assert not isinstance(found, Unfit)
        loads[found] = Load(loads.get(found, Load()).workload_count + 1)
    assert {load.workload_count for load in loads.values()} == {10}
    assert time.process_time() - began_s < 10.0  # generous: the benchmark has the figure
