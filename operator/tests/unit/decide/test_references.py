"""What a workload names, and the logins of pull secrets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_api.crds import WorkloadSpec
from wasmcloud_operator.decide.references import (
    Credentials,
    References,
    config_digest,
    credentials_for,
    references,
)
from wasmcloud_operator.model.images import registry_of


def secret(auths: Any) -> dict[str, bytes]:
    return {".dockerconfigjson": json.dumps({"auths": auths}).encode()}


def auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_all_names_are_found_once_and_sorted() -> None:
    layer = {"configFrom": [{"name": "b"}, {"name": "a"}], "secretFrom": [{"name": "s"}]}
    spec = WorkloadSpec.model_validate(
        {
            "components": [
                {
                    "name": "one",
                    "image": "artifact://app",
                    "imagePullSecret": {"name": "login"},
                    "localResources": {"environment": layer},
                }
            ],
            "service": {"image": "r/x:1", "localResources": {"environment": {"configFrom": [{"name": "c"}]}}},
            "hostInterfaces": [
                {"namespace": "wasi", "package": "keyvalue", "interfaces": ["store"], "secretFrom": [{"name": "t"}]}
            ],
        }
    )
    assert references(spec) == References(("a", "b", "c"), ("s", "t"), ("login",), ("app",))


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nginx", "docker.io"),
        ("library/nginx:1", "docker.io"),
        ("docker.io/library/nginx", "docker.io"),
        ("index.docker.io/x/y", "docker.io"),
        ("registry-1.docker.io/x/y", "docker.io"),
        ("ghcr.io/a/b@sha256:0", "ghcr.io"),
        ("localhost/a", "localhost"),
        ("registry:5000/a", "registry:5000"),
        ("Registry.Example/a", "registry.example"),
    ],
)
def test_the_registry_of_an_image(image: str, registry: str) -> None:
    assert registry_of(image) == registry


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
def test_the_names_of_docker_hub_are_one(key: str) -> None:
    found = credentials_for("library/nginx", secret({key: {"auth": auth("me:pass:word")}}))
    assert found == Credentials("me", "pass:word")


def test_username_and_password_work_without_auth() -> None:
    found = credentials_for("ghcr.io/a/b", secret({"ghcr.io": {"username": "me", "password": "p"}}))
    assert found == Credentials("me", "p")


def test_a_secret_for_other_registries_has_no_login() -> None:
    assert credentials_for("ghcr.io/a/b", secret({"quay.io": {"auth": auth("a:b")}})) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "no key"),
        ({".dockerconfigjson": b"not json"}, "not the JSON"),
        ({".dockerconfigjson": b'{"auths": []}'}, "not the JSON"),
        ({".dockerconfigjson": b"[]"}, "not the JSON"),
        (secret({"ghcr.io": {"auth": "s3cr3t!"}}), "not base64"),
        (secret({"ghcr.io": {"auth": "s3cr3té"}}), "not base64"),
        (secret({"ghcr.io": "s3cr3t"}), "not a JSON object"),
    ],
)
def test_a_bad_pull_secret_is_refused_without_its_values(data: dict[str, bytes], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        credentials_for("ghcr.io/a/b", data)
    assert "s3cr3t" not in str(caught.value)


@given(data=st.binary(max_size=60))
def test_any_bytes_are_credentials_none_or_a_sentence(data: bytes) -> None:
    try:
        credentials_for("ghcr.io/a/b", {".dockerconfigjson": data})
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


def test_credentials_do_not_print() -> None:
    assert "word" not in repr(Credentials("me", "password"))


def test_the_digest_changes_with_content_and_salt_and_not_with_order() -> None:
    base = config_digest("u", {"a": {"x": "1", "y": "2"}}, {"s": {"k": b"v"}})
    assert base == config_digest("u", {"a": {"y": "2", "x": "1"}}, {"s": {"k": b"v"}})
    others = [
        config_digest("v", {"a": {"x": "1", "y": "2"}}, {"s": {"k": b"v"}}),
        config_digest("u", {"a": {"x": "1"}}, {"s": {"k": b"v"}}),
        config_digest("u", {"a": {"x": "1", "y": "2"}}, {"s": {"k": b"w"}}),
        config_digest("u", {"a": {"x": "1", "y": "2"}, "s": {}}, {}),
    ]
    assert len({base, *others}) == 5
    assert len(base) == 8
