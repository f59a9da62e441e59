from __future__ import annotations

from pathlib import Path

from wasmcloud_api.conditions import CONDITION_TYPES, Documented, Reason

TABLE = Path(__file__).parents[3] / "docs" / "conditions.md"


def test_each_member_says_what_it_means() -> None:
    groups: list[type[Documented]] = [*CONDITION_TYPES.values(), Reason]
    for group in groups:
        for member in group:
            assert member.meaning.endswith("."), member
            assert f"| {member} | {member.meaning} |" in TABLE.read_text(encoding="utf-8")


def test_reasons_fit_what_kubernetes_asks_of_them() -> None:
    assert all(reason.value.isalnum() and reason.value[0].isupper() for reason in Reason)
