"""Who may take a Lease, and what is written into it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_operator.decide.leadership import (
    LEASE_DURATION_S,
    RENEW_DEADLINE_S,
    RETRY_S,
    LeaseRecord,
    Sighting,
    claim,
    given_back,
    may_take,
    sighted,
)

HERS = LeaseRecord("her", 15, acquired_s=1000.0, renewed_s=1010.0, transition_count=3, version="7")


def test_a_holder_stops_before_others_may_begin_and_has_several_tries() -> None:
    assert RETRY_S * 3 < RENEW_DEADLINE_S < LEASE_DURATION_S


@pytest.mark.parametrize(
    ("sighting", "now_s", "may"),
    [
        (None, 0.0, True),
        (Sighting(HERS, 100.0), 100.0, False),
        (Sighting(HERS, 100.0), 115.0, False),
        (Sighting(HERS, 100.0), 115.1, True),
        (Sighting(dataclasses.replace(HERS, duration_s=60), 100.0), 159.0, False),
        (Sighting(dataclasses.replace(HERS, holder=""), 100.0), 100.0, True),
        (Sighting(dataclasses.replace(HERS, holder="me"), 100.0), 100.0, True),
    ],
)
def test_a_lease_may_be_taken_when_nobody_can_hold_it(sighting: Sighting | None, now_s: float, may: bool) -> None:
    assert may_take(sighting, "me", now_s=now_s) is may


def test_only_a_change_is_a_sighting() -> None:
    first = sighted(None, HERS, now_s=1.0)
    assert sighted(first, HERS, now_s=9.0) == Sighting(HERS, 1.0)
    renewed = dataclasses.replace(HERS, version="8")
    assert sighted(first, renewed, now_s=9.0) == Sighting(renewed, 9.0)


def test_a_lease_that_vanished_is_still_the_last_holders() -> None:
    seen = sighted(sighted(None, HERS, now_s=1.0), None, now_s=9.0)
    assert seen == Sighting(HERS, 1.0)
    assert not may_take(seen, "me", now_s=15.0)
    assert may_take(seen, "me", now_s=17.0)


def test_what_is_written() -> None:
    assert claim(None, "me", now_s=5.0) == LeaseRecord("me", LEASE_DURATION_S, 5.0, 5.0, 0, "")
    assert claim(HERS, "me", now_s=2000.0) == LeaseRecord("me", LEASE_DURATION_S, 2000.0, 2000.0, 4, "7")
    assert claim(HERS, "her", now_s=2000.0) == dataclasses.replace(HERS, renewed_s=2000.0)
    back = given_back(HERS, now_s=2000.0)
    assert (back.holder, back.duration_s, back.version) == ("", 1, "7")


@given(st.floats(0, 1e6), st.floats(0, RENEW_DEADLINE_S), st.floats(0, 30))
def test_whoever_holds_it_has_stopped_when_another_may_begin(asked_s: float, delay_s: float, later_s: float) -> None:
    """Whatever the wall clocks say: the holder counts from when it asked, a waiter from when it saw the answer."""
    seen_s = asked_s + delay_s
    now_s = seen_s + later_s
    if may_take(Sighting(HERS, seen_s), "me", now_s=now_s):
        assert now_s > asked_s + RENEW_DEADLINE_S
