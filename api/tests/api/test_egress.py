"""The patterns against the table that the engine's own tests read too."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest
from wasmcloud_api import egress

CASES: dict[str, Any] = json.loads(files("wasmcloud_api").joinpath("egress_cases.json").read_text(encoding="utf-8"))
PATTERNS = {
    "allowed_hosts": egress.ALLOWED_HOST_PATTERN,
    "ip_name_lookups": egress.IP_NAME_LOOKUP_PATTERN,
    "loopback_ports": egress.LOOPBACK_PORT_PATTERN,
}


def test_the_table_has_each_list() -> None:
    assert CASES.keys() == PATTERNS.keys()


@pytest.mark.parametrize("table", PATTERNS)
def test_the_pattern_accepts_what_the_engine_accepts(table: str) -> None:
    pattern = re.compile(PATTERNS[table])
    assert [entry for entry in CASES[table]["accepted"] if not pattern.search(entry)] == []


@pytest.mark.parametrize("table", PATTERNS)
def test_the_pattern_refuses_what_the_table_says_it_does(table: str) -> None:
    pattern = re.compile(PATTERNS[table])
    refused = {case["entry"] for case in CASES[table]["refused"] if not pattern.search(case["entry"])}
    assert refused == {case["entry"] for case in CASES[table]["refused"] if case["pattern_refuses"]}


@pytest.mark.parametrize("table", ["allowed_hosts", "ip_name_lookups"])
def test_matching_cases_use_entries_that_are_accepted(table: str) -> None:
    pattern = re.compile(PATTERNS[table])
    entries = {entry.strip() for case in CASES[table]["matching"] for entry in case["entries"]}
    assert [entry for entry in entries if not pattern.search(entry)] == []


def test_every_port_of_the_loopback_list_is_known() -> None:
    pattern = re.compile(egress.LOOPBACK_PORT_PATTERN)
    accepted = [port for port in range(70_000) if pattern.search(str(port))]
    assert accepted == list(range(1, 65_536))
