"""Images: from a registry with a login, and images that are none."""

from __future__ import annotations

import json

import pytest
from ground.oci_registry import OciRegistry
from ground.wait import eventually
from integration.system import READY_WITHIN_S, ROOT, System, condition, deployment, pull_secret

HELLO_WASM = ROOT / "examples" / "hello" / "hello.wasm"


def test_an_image_is_pulled_with_the_secret_it_names(system: System, oci_registry: OciRegistry) -> None:
    host = system.add_host("one", "--allow-insecure-registry", oci_registry.host)
    oci_registry.push("team/hello", "1", HELLO_WASM.read_bytes())
    system.apply(pull_secret("login", oci_registry.docker_config()))
    image = f"{oci_registry.host}/team/hello:1"
    system.apply(deployment("app", image=image, component={"imagePullSecret": {"name": "login"}}))
    system.await_ready("app")
    system.assert_answer(host, "app.localhost", "Hello, world!\n")


def test_a_login_that_is_wrong_is_said_and_never_shown(system: System, oci_registry: OciRegistry) -> None:
    system.add_host("one", "--allow-insecure-registry", oci_registry.host)
    oci_registry.push("team/hello", "1", HELLO_WASM.read_bytes())
    wrong = {"auths": {oci_registry.host: {"username": "puller", "password": "not-the-password"}}}
    system.apply(pull_secret("login", json.dumps(wrong)))
    image = f"{oci_registry.host}/team/hello:1"
    system.apply(deployment("app", image=image, component={"imagePullSecret": {"name": "login"}}))
    message = eventually(lambda: failure(system, "ImagePullFailed"), within_s=READY_WITHIN_S)
    assert "failed to pull image for component 'app'" in message, message
    assert "not-the-password" not in system.dump()


@pytest.mark.parametrize(
    ("image", "reason", "said"),
    [
        ("file://core-module.wasm", "ImageNotComponent", "core module"),
        ("file://text.wasm", "ImageNotComponent", "text"),
        ("file://nowhere.wasm", "ImagePullFailed", "nowhere.wasm"),
        ("file://unknown-import.wasm", "InterfaceUnavailable", "acme:custom/thing"),
    ],
)
def test_an_image_that_cannot_run_says_why(system: System, image: str, reason: str, said: str) -> None:
    system.add_host("one")
    system.apply(deployment("app", image=image))
    message = eventually(lambda: failure(system, reason), within_s=READY_WITHIN_S)
    assert said in message, message


def failure(system: System, reason: str) -> str:
    """The message of the one workload's Ready condition, when it is False for this reason."""
    (workload,) = system.items("workloads")
    said = condition(workload, "Ready")
    assert (said.get("status"), said.get("reason")) == ("False", reason), said
    return str(said["message"])
