from __future__ import annotations

from pathlib import Path

import pytest
from wasmcloud_api import conditions
from wasmcloud_api.conditions import CONDITION_TYPES, Documented, Reason

TABLE = Path(__file__).parents[2] / "docs" / "conditions.md"


def test_the_table_is_in_step_with_the_constants() -> None:
    assert conditions.main(["--check", str(TABLE)]) == 0


def test_drift_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "conditions.md"
    assert conditions.main(["--check", str(path)]) == 1
    assert f"run: python -m wasmcloud_api.conditions {path}" in capsys.readouterr().err
    assert conditions.main([str(path)]) == 0
    assert conditions.main(["--check", str(path)]) == 0


def test_each_member_says_what_it_means() -> None:
    groups: list[type[Documented]] = [*CONDITION_TYPES.values(), Reason]
    for group in groups:
        for member in group:
            assert member.meaning.endswith("."), member
            assert f"| {member} | {member.meaning} |" in TABLE.read_text(encoding="utf-8")


def test_reasons_fit_what_kubernetes_asks_of_them() -> None:
    assert all(reason.value.isalnum() and reason.value[0].isupper() for reason in Reason)
