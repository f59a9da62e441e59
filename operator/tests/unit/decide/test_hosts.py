"""Hosts: lost or not, and what their objects say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from specimens import host
from wasmcloud_api.crds import Host
from wasmcloud_operator.decide.hosts import (
    Contact,
    host_conditions,
    host_labels,
    host_status,
    is_gone,
    is_silent_too_long,
    new_host,
    status_delay_s,
)
from wasmcloud_operator.model.hosts import Liveness


@pytest.mark.parametrize(
    ("answered_s", "connected_since_s", "now_s", "lost"),
    [(100, 0, 110, False), (100, 0, 110.1, True), (100, 105, 110.1, False), (100, 105, 115.1, True)],
)
def test_silence_counts_from_the_last_answer_or_from_our_own_return(
    answered_s: float, connected_since_s: float, now_s: float, lost: bool
) -> None:
    contact = Contact(answered_s, 1)
    found = is_silent_too_long(contact, connected_since_s=connected_since_s, now_s=now_s, silent_timeout_s=10)
    assert found is lost


def test_no_responders_means_gone_only_for_a_host_heard_over_this_connection() -> None:
    assert is_gone(Contact(0, 3), connection=3)
    assert not is_gone(Contact(0, 2), connection=3)
    assert not is_gone(Contact(0, -1), connection=0)


def test_the_object_is_valid_and_says_what_the_host_says() -> None:
    view = host("h1", labels={"zone": "a"}, offers=("wasi:keyvalue/store@0.2.0",), environment="shop", http_port=80)
    conditions = host_conditions(view, Liveness.LIVE, "")
    status = host_status(view, conditions, {}, generation=7, seen_s=0, now_s=0)
    body = Host.model_validate(new_host(view, "wasmcloud") | {"status": status})
    assert (body.host_id, body.environment, body.http_port) == ("h1", "shop", 80)
    assert body.metadata.labels == {"zone": "a"}
    assert body.status is not None
    assert body.status.imports == ("wasi:keyvalue/store@0.2.0",)
    assert {condition["observedGeneration"] for condition in status["conditions"]} == {7}
    assert status["lastSeen"] == datetime.fromtimestamp(0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_labels_that_kubernetes_refuses_are_left_out() -> None:
    labels = {"ok": "fine", "also.example/ok": "", "bad key": "x", "long": "v" * 64, "odd": "a b", "-x": "y"}
    assert host_labels(host(labels=labels).beat) == {"ok": "fine", "also.example/ok": ""}


@pytest.mark.parametrize(
    ("draining", "liveness", "expected"),
    [
        (False, Liveness.LIVE, {"Reporting": "True", "Draining": "False", "Ready": "True"}),
        (True, Liveness.LIVE, {"Reporting": "True", "Draining": "True", "Ready": "False"}),
        (False, Liveness.LOST, {"Reporting": "False", "Draining": "False", "Ready": "False"}),
    ],
)
def test_conditions(draining: bool, liveness: Liveness, expected: dict[str, str]) -> None:
    found = host_conditions(host(draining=draining), liveness, "gone")
    assert {c.type: c.status.value for c in found} == expected


@pytest.mark.parametrize(
    ("change", "delay_s"),
    [
        ({"version": "2"}, 0.0),
        ({"conditions": []}, 0.0),
        ({"workloadCount": 9}, 5.0),
        ({"systemCPUUsage": "9.00"}, 60.0),
    ],
)
def test_figures_that_always_move_are_written_rarely(change: dict[str, Any], delay_s: float) -> None:
    old = host_status(host(), host_conditions(host(), Liveness.LIVE, ""), {}, generation=7, seen_s=0, now_s=0)
    assert status_delay_s(old, old | change, steady_s=60.0, counts_s=5.0) == delay_s
