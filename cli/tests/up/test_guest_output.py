"""Which lines of a host are a guest's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud.guest_output import guest_line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"default/hello-1-a hello stdout: it works\n", "default/hello-1-a hello | it works"),
        (b"default/hello-1-a hello stderr: \n", "default/hello-1-a hello | "),
        (b"shop/cart  stdout: no name\n", "shop/cart  | no name"),
        (b"default/a b stdout: stdout: twice", "default/a b | stdout: twice"),
        (b"default/a b stdout: \xff", "default/a b | \ufffd"),
        (b"thread 'main' panicked at src/main.rs stdout: x", None),
        (b"\n", None),
    ],
)
def test_lines(line: bytes, said: str | None) -> None:
    assert guest_line(line) == said


@given(st.dictionaries(st.text(), st.text()))
def test_a_hosts_own_event_is_never_a_guests_line(fields: dict[str, str]) -> None:
    assert guest_line(json.dumps({"event": "default/a b stdout: x", **fields}).encode()) is None
