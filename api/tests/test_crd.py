"""The generated CRDs: in step with the models, described in full, and every constraint of theirs has a bad case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from wasmcloud_api import conditions, crd
from wasmcloud_api.crds import KINDS, KubernetesObject

from .manifest_cases import BAD, Bad
from .manifests import dotted

ROOT = Path(__file__).parents[2]
CONSTRAINTS = {
    "required",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "enum",
    "x-kubernetes-list-type",
    "x-kubernetes-validations",
}


def test_the_files_are_in_step_with_the_models() -> None:
    assert crd.main(["--check", str(ROOT / "crds")]) == 0


def test_drift_is_found_and_the_message_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main([str(tmp_path)]) == 0
    assert crd.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "hosts.yaml").write_text("by hand")
    (tmp_path / "artifacts.yaml").unlink()
    (tmp_path / "left-over.yaml").write_text("")
    assert crd.main(["--check", str(tmp_path)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [Path(line.split()[0]).name for line in told] == ["artifacts.yaml", "hosts.yaml", "left-over.yaml"]
    assert all(line.endswith(f"run: python -m wasmcloud_api.crd {tmp_path}") for line in told)


@pytest.mark.parametrize("arguments", [[], ["--check"], ["a", "b"]])
def test_a_wrong_call_gets_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main(arguments) == 2
    assert "usage: python -m wasmcloud_api.crd" in capsys.readouterr().err
    assert conditions.main(arguments) == 2
    assert "usage: python -m wasmcloud_api.conditions" in capsys.readouterr().err


def test_the_files_are_plain_yaml_that_says_the_same() -> None:
    for kind in KINDS:
        text = crd.files()[f"{kind.definition.plural}.yaml"]
        assert yaml.safe_load(text) == crd.crd_of(kind)
        assert not re.search(r"[&*]id\d", text), "anchors are not for people"


Node = tuple[str, dict[str, Any]]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[Node]:
    """Yield each part of a schema with its path; list items are `[]`."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: type[KubernetesObject]) -> None:
    bare = [path for path, node in nodes(crd.schema_of(kind)) if "description" not in node and not path.endswith("[]")]
    assert bare == ["metadata"]


def test_the_template_of_a_deployment_is_the_whole_workload_spec() -> None:
    workload, replica_set, deployment = (
        crd.schema_of(kind)["properties"]["spec"]
        for kind in KINDS
        if kind.__name__ in {"Workload", "WorkloadReplicaSet", "WorkloadDeployment"}
    )
    for owner in (replica_set, deployment):
        assert owner["properties"]["template"]["properties"]["spec"] == workload


def constraints_of(kind: type[KubernetesObject]) -> set[tuple[str, str]]:
    """Return (path, keyword) of each constraint; a template's spec is left to Workload, which it equals."""
    found = set()
    for path, node in nodes(crd.schema_of(kind)):
        if path.startswith("spec.template.spec."):
            continue
        for keyword in CONSTRAINTS & node.keys():
            if keyword == "required":
                found |= {(f"{path}.{name}".lstrip("."), keyword) for name in node[keyword]}
            else:
                found.add((path, keyword))
    return found


def covered_by(case: Bad) -> tuple[str, str]:
    path = case.path[:-1] if case.problem.keyword == "x-kubernetes-list-type" else case.reported_at or case.path
    return re.sub(r"\[\d+\]", "[]", dotted(path)), case.problem.keyword


@pytest.mark.parametrize("kind", KINDS)
def test_every_constraint_has_a_bad_manifest(kind: type[KubernetesObject]) -> None:
    covered = {covered_by(case) for case in BAD if case.kind == kind.__name__}
    assert sorted(constraints_of(kind) - covered) == []
