"""The generated documents: in step with their sources, and drift is told with what to run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from wasmcloud_api import conditions, crd, reference

DOCS = Path(__file__).parents[3] / "docs"
Main = Callable[[list[str]], int]
DOCUMENTS: list[tuple[str, Main]] = [("conditions", conditions.main), ("reference", reference.main)]


def test_the_documents_are_in_step_with_their_sources() -> None:
    assert conditions.main(["--check", str(DOCS / "conditions.md")]) == 0
    assert reference.main(["--check", str(DOCS / "api.md")]) == 0


@pytest.mark.parametrize(("module", "main"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_drift_is_told_and_writing_mends_it(
    module: str, main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new-folder" / "document.md"
    assert main(["--check", str(path)]) == 1
    command = f"python -m wasmcloud_api.{module} {path}"
    assert capsys.readouterr().err == f"{path} is not what its source says; run: {command}\n"
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text().replace("Ready", "Steady"))
    assert main(["--check", str(path)]) == 1


@pytest.mark.parametrize("arguments", [[], ["--check"], ["a", "b"], ["--chekc"]])
@pytest.mark.parametrize(("module", "main"), [*DOCUMENTS, ("crd", crd.main)])
def test_a_wrong_call_gets_the_usage(
    module: str, main: Main, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert f"usage: python -m wasmcloud_api.{module} [--check]" in capsys.readouterr().err


def test_the_reference_names_types_defaults_bounds_and_rules() -> None:
    text = reference.markdown()
    assert "| `spec.components[].image`* | string |" in text
    assert "| `spec.deployPolicy` | `RollingUpdate`, `Recreate` |" in text
    assert "Default `25%`." in text
    assert "At least 1. At most 4096." in text
    assert "- `spec.volumes`: exactly one of ephemeral and hostPath must be set." in text
