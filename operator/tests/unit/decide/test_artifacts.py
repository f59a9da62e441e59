"""When a registry is asked, and what an Artifact's status says."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import artifact, deployment
from wasmcloud_api.conditions import Reason
from wasmcloud_operator.decide.artifacts import (
    Failure,
    Inquiry,
    answered,
    artifact_status,
    ask_in_s,
    failed,
    known_digest,
)
from wasmcloud_operator.decide.references import artifacts_of
from wasmcloud_operator.model.images import is_followed, pinned, repository, split_registry
from wasmcloud_operator.model.views import ArtifactView

ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")
KINDS = ("Sync", "Published", "Ready")
DENIED = Failure(Reason.REGISTRY_ACCESS_DENIED, "the registry answered 401")


def told(status: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in status["conditions"]}


def after(view: ArtifactView, status: dict[str, Any]) -> ArtifactView:
    """The artifact once its status was written."""
    return dataclasses.replace(view, status={**view.status, **status})


def published(generation: int = 1, **more: Any) -> dict[str, Any]:
    condition = {"type": "Published", "status": "True", "observedGeneration": generation}
    return {"artifactUrl": f"r.example/app@{ONE}", "digest": ONE, "conditions": [condition], **more}


def test_a_new_artifact_is_asked_for_at_once() -> None:
    assert ask_in_s(artifact(), None, now_s=7.0) == 0.0


def test_an_answer_holds_for_the_interval() -> None:
    view = artifact(interval="30s")
    inquiry = answered(view, ONE, now_s=100.0)
    assert ask_in_s(view, inquiry, now_s=110.0) == 20.0
    assert ask_in_s(view, inquiry, now_s=130.0) == 0.0
    assert ask_in_s(view, inquiry, now_s=500.0) == 0.0


def test_a_changed_spec_is_asked_for_at_once() -> None:
    inquiry = answered(artifact(), ONE, now_s=100.0)
    assert ask_in_s(artifact(generation=2), inquiry, now_s=100.0) == 0.0


@pytest.mark.parametrize("image", [f"r.example/app@{ONE}", f"r.example/app:1@{ONE}", "file://app.wasm"])
def test_an_image_without_a_tag_to_follow_needs_no_asking(image: str) -> None:
    view = artifact(image=image)
    assert ask_in_s(view, None, now_s=0.0) is None
    status = artifact_status(view, None, now_s=0.0)
    assert status["artifactUrl"] == ("file://app.wasm" if "file" in image else f"r.example/app@{ONE}")
    assert {status for status, _, _ in told(status).values()} == {"True"}
    assert after(view, status).image == status["artifactUrl"]


def test_the_status_before_the_first_answer_says_so() -> None:
    status = artifact_status(artifact(), None, now_s=0.0)
    assert told(status) == dict.fromkeys(
        ("Sync", "Published", "Ready"), ("Unknown", "Reconcile", "the registry is being asked")
    )
    assert after(artifact(), status).image is None


def test_an_answer_is_published() -> None:
    view = artifact()
    status = artifact_status(view, answered(view, ONE, now_s=1.0), now_s=0.0)
    assert (status["artifactUrl"], status["digest"]) == (f"r.example/app@{ONE}", ONE)
    assert told(status) == dict.fromkeys(KINDS, ("True", "Available", ""))
    assert after(view, status).image == f"r.example/app@{ONE}"


def test_a_failure_before_any_answer_says_why() -> None:
    view = artifact()
    status = artifact_status(view, failed(view, None, DENIED, now_s=0.0, chance=0.5), now_s=0.0)
    assert told(status) == dict.fromkeys(
        ("Sync", "Published", "Ready"), ("False", "RegistryAccessDenied", DENIED.message)
    )
    assert after(view, status).image is None


def test_a_failure_keeps_the_last_digest_and_says_so() -> None:
    view = artifact()
    inquiry = failed(view, answered(view, ONE, now_s=0.0), DENIED, now_s=300.0, chance=0.5)
    status = artifact_status(view, inquiry, now_s=0.0)
    assert status["digest"] == ONE
    assert told(status)["Sync"] == ("False", "RegistryAccessDenied", DENIED.message)
    assert told(status)["Published"][0] == "True"
    assert told(status)["Ready"][0] == "True"
    assert DENIED.message in told(status)["Ready"][2]


def test_a_failure_after_a_restart_keeps_what_an_earlier_operator_wrote() -> None:
    view = artifact(status=published())
    inquiry = failed(view, None, DENIED, now_s=0.0, chance=0.5)
    assert known_digest(view, inquiry) == ONE
    assert artifact_status(view, inquiry, now_s=0.0)["artifactUrl"] == f"r.example/app@{ONE}"


def test_the_digest_of_another_tag_is_not_published_but_serves_on() -> None:
    view = artifact(image="r.example/app:2", generation=2, status=published())
    inquiry = failed(view, answered(artifact(), ONE, now_s=0.0), DENIED, now_s=1.0, chance=0.5)
    status = artifact_status(view, inquiry, now_s=0.0)
    assert "artifactUrl" not in status
    assert told(status)["Published"][0] == "False"
    assert after(view, status).image == f"r.example/app@{ONE}"


def test_the_digest_of_another_repository_is_taken_away() -> None:
    view = artifact(image="r.example/other:1", generation=2, status=published())
    status = artifact_status(view, None, now_s=0.0)
    assert (status["artifactUrl"], status["digest"]) == (None, None)
    assert view.image is None


def test_only_a_changed_interval_keeps_the_digest() -> None:
    view = artifact(interval="1m", generation=2, status=published())
    status = artifact_status(view, answered(artifact(), ONE, now_s=0.0), now_s=0.0)
    assert told(status)["Published"][0] == "True"
    assert told(status)["Sync"][0] == "Unknown"


@pytest.mark.parametrize(("interval", "longest_s"), [("10s", 60.0), ("2m", 120.0), ("24h", 300.0)])
def test_failures_in_a_row_are_further_and_further_apart(interval: str, longest_s: float) -> None:
    view, inquiry, waits = artifact(interval=interval), None, []
    for _ in range(12):
        inquiry = failed(view, inquiry, DENIED, now_s=0.0, chance=1.0)
        waits.append(ask_in_s(view, inquiry, now_s=0.0))
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == longest_s
    assert ask_in_s(view, answered(view, ONE, now_s=0.0), now_s=0.0) == view.spec.interval_s


@given(st.floats(0, 1e6), st.integers(0, 40), st.floats(0, 1, exclude_max=True))
def test_the_next_question_is_never_far(now_s: float, count: int, chance: float) -> None:
    view = artifact()
    before = Inquiry(view.spec.image, 1, 0.0, ONE, DENIED if count else None, count)
    inquiry = failed(view, before, DENIED, now_s=now_s, chance=chance)
    wait_s = ask_in_s(view, inquiry, now_s=now_s)
    assert wait_s is not None
    assert 0.499 <= wait_s <= 300.001  # but for the rounding of a large clock
    assert known_digest(view, inquiry) == ONE


def test_a_name_in_a_template_is_explained_by_the_deployment_or_is_the_artifacts_own() -> None:
    template = {"spec": {"components": [{"name": n, "image": f"artifact://{n}"} for n in ("a", "b")]}}
    view = deployment(template=template, artifacts=[{"name": "a", "artifactFrom": {"name": "shop-a"}}])
    assert artifacts_of(view.spec) == {"a": "shop-a", "b": "b"}


@pytest.mark.parametrize(
    ("image", "registry", "path", "without_tag"),
    [
        ("nginx", "docker.io", "library/nginx", "nginx"),
        ("team/app:1", "docker.io", "team/app:1", "team/app"),
        ("index.docker.io/nginx:1", "docker.io", "library/nginx:1", "index.docker.io/nginx"),
        ("localhost/app", "localhost", "app", "localhost/app"),
        ("127.0.0.1:5000/a/b:2", "127.0.0.1:5000", "a/b:2", "127.0.0.1:5000/a/b"),
        (f"R.example/a:1@{ONE}", "r.example", f"a:1@{ONE}", "R.example/a"),
    ],
)
def test_the_parts_of_an_image(image: str, registry: str, path: str, without_tag: str) -> None:
    assert split_registry(image) == (registry, path)
    assert repository(image) == without_tag
    assert pinned(image, TWO) == f"{without_tag}@{TWO}"
    assert is_followed(image) is ("@" not in image)
