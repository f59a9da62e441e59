"""Which addresses the hosts get, and what is said of those they can't have."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud.addresses import host_addresses, require_free
from wasmcloud.complaints import BadInput, CannotRun


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("127.0.0.1:8000", 1, ["127.0.0.1:8000"]),
        ("127.0.0.1:8000", 3, ["127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.1:8002"]),
        ("localhost:80", 1, ["127.0.0.1:80"]),
        ("[::1]:8000", 2, ["[::1]:8000", "[::1]:8001"]),
        ("0.0.0.0:65535", 1, ["0.0.0.0:65535"]),
    ],
)
def test_each_host_gets_the_next_port(text: str, count: int, expected: list[str]) -> None:
    assert [str(address) for address in host_addresses(text, count)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "8000",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:8e3",
        "a.b:80",
        "::1",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match=r"such as 127\.0\.0\.1:8000, not "):
        host_addresses(text, 1)


def test_ports_end_at_65535() -> None:
    with pytest.raises(BadInput, match="3 hosts starting at port 65534 would need ports above 65535"):
        host_addresses("127.0.0.1:65534", 3)


@given(st.text(), st.integers(min_value=1, max_value=100))
def test_any_text_is_an_address_or_bad_input(text: str, count: int) -> None:
    try:
        addresses = host_addresses(text, count)
    except BadInput:
        return
    assert len({str(address) for address in addresses}) == count


@pytest.mark.parametrize(
    ("text", "reachable"), [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("127.0.0.2:80", "127.0.0.2:80")]
)
def test_every_interface_is_reached_over_loopback(text: str, reachable: str) -> None:
    assert host_addresses(text, 1)[0].reachable == reachable


def test_a_port_that_was_just_closed_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server.accept()[0].close()  # leaves the server's side in TIME_WAIT
        client.close()
    require_free(host_addresses(f"127.0.0.1:{port}", 1))


def test_a_port_in_use_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(CannotRun, match=f"Port {port} is taken"):
            require_free(host_addresses(f"127.0.0.1:{port}", 1))
