"""What our models make of manifests: the same table as the API server's, and the sentences."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_api import manifest
from wasmcloud_api.crds import KINDS, Artifact, Workload, WorkloadDeployment
from wasmcloud_api.manifest import ManifestError

from .manifest_cases import BAD, Bad
from .manifests import FULL, SMALL, Document, changed, dotted


def problems_of(document: object) -> tuple[str, ...]:
    with pytest.raises(ManifestError) as refused:
        manifest.parse(document)
    return refused.value.problems


@pytest.mark.parametrize("document", [*FULL.values(), *SMALL.values()], ids=[*FULL, *SMALL])
def test_a_good_manifest_survives_the_round_trip(document: Document) -> None:
    parsed = manifest.parse(document)
    assert manifest.parse(parsed.document()) == parsed


@pytest.mark.parametrize("kind", FULL)
def test_a_full_document_comes_out_as_it_went_in(kind: str) -> None:
    assert manifest.parse(FULL[kind]).document() == FULL[kind]


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_bad_manifest_is_refused_at_that_field_alone(case: Bad) -> None:
    (problem,) = problems_of(case.document())
    assert problem.startswith(dotted(case.reported_at or case.path))
    assert case.problem.ours in problem


COMPONENT = ("spec", "components", 0)
RESOURCES = (*COMPONENT, "localResources")
SENTENCES: list[tuple[Document | list[int] | None, str]] = [
    (None, "a manifest must be a mapping, not nothing"),
    ([1], "a manifest must be a mapping, not a list"),
    ({}, 'apiVersion: must be "runtime.wasmcloud.dev/v1alpha1", found none'),
    ({"apiVersion": "v1"}, 'apiVersion: must be "runtime.wasmcloud.dev/v1alpha1", found "v1"'),
    (
        {"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": "WorkloadDeploymnet"},
        'kind: unknown kind, found "WorkloadDeploymnet"; did you mean "WorkloadDeployment"?',
    ),
    (
        {"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": "Pod"},
        (
            'kind: unknown kind, found "Pod"; must be one of Host, Workload, WorkloadReplicaSet, WorkloadDeployment, '
            "Artifact"
        ),
    ),
    (changed(SMALL["Workload"], ("metadata",), {}), "metadata.name: required"),
    (
        changed(SMALL["Workload"], (*COMPONENT, "imagePulPolicy"), "Always"),
        'spec.components[0].imagePulPolicy: unknown field; did you mean "imagePullPolicy"?',
    ),
    (changed(SMALL["Workload"], ("spec", "zzz"), 1), "spec.zzz: unknown field"),
    (
        changed(FULL["Workload"], (*RESOURCES, "environment", "configfrom"), []),
        'spec.components[0].localResources.environment.configfrom: unknown field; did you mean "configFrom"?',
    ),
    (
        changed(FULL["WorkloadDeployment"], ("spec", "template", "spec", "volumes", 0, "ephemral"), {}),
        'spec.template.spec.volumes[0].ephemral: unknown field; did you mean "ephemeral"?',
    ),
    (
        changed(FULL["Workload"], (*RESOURCES, "config", "port"), 8080),
        "spec.components[0].localResources.config.port: must be a string, found an integer; quote it",
    ),
    (
        changed(FULL["Workload"], (*RESOURCES, "allowedHosts"), ["ftp://example.com"]),
        (
            'spec.components[0].localResources.allowedHosts[0]: "ftp://example.com" must be `*`, `host[:port]` or '
            "`*.suffix[:port]`, with or without `http://` or `https://`"
        ),
    ),
    (
        changed(SMALL["Artifact"], ("spec", "interval"), "soon"),
        'spec.interval: "soon" must be a duration such as `30s`, `5m` or `1h30m`',
    ),
    (
        changed(FULL["Workload"], ("spec", "components"), [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]),
        'spec.components[1]: Duplicate value: name "a"',
    ),
]


@pytest.mark.parametrize(("document", "sentence"), SENTENCES, ids=[sentence[:60] for _, sentence in SENTENCES])
def test_the_sentence(document: object, sentence: str) -> None:
    assert problems_of(document) == (sentence,)


def test_every_problem_is_told_at_once() -> None:
    document = changed(SMALL["Workload"], (*COMPONENT, "poolSize"), -1)
    document = changed(document, ("spec", "hostID"), "x")
    assert len(problems_of(document)) == 2


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_null_counts_as_absent(field: str) -> None:
    parsed = manifest.parse(changed(SMALL["Workload"], ("metadata", field), None))
    assert parsed == manifest.parse(SMALL["Workload"])


def test_a_required_field_that_is_null_is_missing() -> None:
    assert problems_of(changed(SMALL["Workload"], ("spec",), None)) == ("spec: required",)


def test_what_comes_from_the_api_server_may_have_unknown_fields() -> None:
    newer = changed(SMALL["Workload"], (*COMPONENT, "precompiledUrl"), "https://example.com/x")
    assert Workload.model_validate(newer) == Workload.model_validate(SMALL["Workload"])


def test_fields_that_say_the_default_make_no_difference_to_the_document() -> None:
    spelled_out = changed(SMALL["WorkloadDeployment"], ("spec", "replicas"), 1)
    spelled_out = changed(spelled_out, ("spec", "template", "spec", "volumes"), [])
    spelled_out = changed(spelled_out, ("spec", "template", "spec", "components", 0, "poolSize"), 0)
    short = WorkloadDeployment.model_validate(SMALL["WorkloadDeployment"])
    assert WorkloadDeployment.model_validate(spelled_out).document() == short.document()


def test_a_status_keeps_its_zeros() -> None:
    document = WorkloadDeployment.model_validate(FULL["WorkloadDeployment"]).document()
    assert document["status"]["replicas"]["ready"] == 0


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("1h30m", 5400), ("2h3m4s", 7384)])
def test_an_interval_in_seconds(text: str, seconds: int) -> None:
    parsed = Artifact.model_validate(changed(SMALL["Artifact"], ("spec", "interval"), text))
    assert parsed.spec.interval_s == seconds


def test_an_artifact_is_followed_every_five_minutes_by_default() -> None:
    assert Artifact.model_validate(SMALL["Artifact"]).spec.interval_s == 300


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["spec", "template", "components", "name"]), inner)
    ),
    max_leaves=10,
)
FIELDS = [
    (kind, path)
    for kind, document in FULL.items()
    for path in (("metadata",), ("metadata", "labels"), ("status",), *((("spec",),) if "spec" in document else ()))
]


@given(where=st.sampled_from(FIELDS), value=ANYTHING)
def test_whatever_a_field_holds_the_answer_is_an_object_or_a_manifest_error(
    where: tuple[str, tuple[str, ...]], value: Any
) -> None:
    kind, path = where
    document = {**FULL[kind], "metadata": {**FULL[kind]["metadata"]}}
    here: Document = document
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    with contextlib.suppress(ManifestError):
        manifest.parse(document)


@given(ANYTHING)
def test_whatever_a_document_is_the_answer_is_a_manifest_error(document: Any) -> None:
    with pytest.raises(ManifestError):
        manifest.parse(document)


def test_there_are_five_kinds() -> None:
    assert [kind.__name__ for kind in KINDS] == list(FULL)
