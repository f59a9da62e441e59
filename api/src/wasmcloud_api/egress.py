"""The egress grammar as patterns, for the CRDs and for every Python model that carries such a list.

The engine on the host has the last word (it also checks port numbers and IPv6 literals); a pattern refuses at
`kubectl apply` what the engine would refuse later. `egress_cases.json` beside this file is the table both are
tested against. The syntax keeps to what Go's, Rust's and Python's regular expressions have in common.
"""

from __future__ import annotations

from typing import Final

_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME: Final = rf"(\*\.)?{_LABEL}(\.{_LABEL})*"
_IPV6: Final = r"\[[0-9A-Fa-f:.]{2,45}\]"
_PORT: Final = r"(:[0-9]{1,5})?"

ALLOWED_HOST_PATTERN: Final = rf"^(\*|https?://({_NAME}|{_IPV6}){_PORT}/?|({_NAME}|{_IPV6}){_PORT})$"
"""`*`, `host[:port]`, `scheme://host[:port][/]`; a host may start with `*.` or be an IPv6 literal in brackets."""

IP_NAME_LOOKUP_PATTERN: Final = (
    rf"^(\*|{_NAME}|[0-9A-Fa-f]{{0,4}}(:[0-9A-Fa-f]{{0,4}}){{2,7}}((\.[0-9]{{1,3}}){{3}})?)$"
)
"""`*`, `*.suffix`, a name, an IPv4 address or a bare IPv6 address."""

_PORT_NUMBER: Final = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

LOOPBACK_PORT_PATTERN: Final = rf"^{_PORT_NUMBER}(/(tcp|udp))?$"
"""`port`, `port/tcp` or `port/udp`, 1 to 65535."""

HOST_ENTRY_LENGTH: Final = 300
"""Longest entry: a scheme, a DNS name (253 characters), a port and a slash."""
