"""A tag in a registry that wants a login: deployments follow what it names."""

from __future__ import annotations

from typing import Any

from ground.oci_registry import OciRegistry
from ground.wait import eventually
from integration.system import READY_WITHIN_S, ROOT, System, condition, deployment, pull_secret

HELLO = ROOT / "examples" / "hello" / "hello.wasm"
GUEST = ROOT / "tests" / "guests" / "http-p2.wasm"


def artifact(name: str, image: str) -> dict[str, Any]:
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "Artifact",
        "metadata": {"name": name},
        "spec": {"image": image, "interval": "1s", "imagePullSecret": {"name": "login"}},
    }


def following(name: str, tracked: str) -> dict[str, Any]:
    return deployment(
        name,
        image="artifact://code",
        component={"imagePullSecret": {"name": "login"}},
        spec={"artifacts": [{"name": "code", "artifactFrom": {"name": tracked}}]},
    )


def test_what_a_tag_names_is_run_and_what_it_names_next_is_rolled_out(
    system: System, oci_registry: OciRegistry
) -> None:
    system.restart_operator("--allow-insecure-registry", oci_registry.host)
    host = system.add_host("one", "--allow-insecure-registry", oci_registry.host)
    system.apply(pull_secret("login", oci_registry.docker_config()))
    image = f"{oci_registry.host}/team/app:stable"
    system.apply(artifact("app", image))
    system.apply(following("web", "app"))
    eventually(lambda: assert_waiting(system), within_s=READY_WITHIN_S)
    first = oci_registry.push("team/app", "stable", HELLO.read_bytes())
    system.assert_answer(host, "web.localhost", "Hello, world!\n")
    assert_published(system, f"{oci_registry.host}/team/app@{first}")
    second = oci_registry.push("team/app", "stable", GUEST.read_bytes())
    system.assert_answer(host, "web.localhost", "hello from http-p2\n")
    assert_published(system, f"{oci_registry.host}/team/app@{second}")
    oci_registry.stop()
    eventually(lambda: assert_digest_kept(system, second), within_s=READY_WITHIN_S)
    system.assert_answer(host, "web.localhost", "hello from http-p2\n")


def assert_waiting(system: System) -> None:
    told = condition(system.get("artifact", "app"), "Ready")
    assert told.get("reason") == "ImageNotFound", told
    waits = condition(system.get("workloaddeployment", "web"), "Artifact")
    assert waits.get("reason") == "ArtifactNotReady", waits
    assert "has no image" in waits["message"], waits


def assert_published(system: System, image: str) -> None:
    status = system.get("artifact", "app")["status"]
    assert (status["artifactUrl"], status["digest"]) == (image, image.partition("@")[2])
    images = {one["spec"]["components"][0]["image"] for one in system.items("workloads")}
    assert image in images


def assert_digest_kept(system: System, digest: str) -> None:
    found = system.get("artifact", "app")
    assert condition(found, "Sync").get("reason") == "RegistryUnavailable", found
    assert condition(found, "Ready").get("status") == "True", found
    assert found["status"]["digest"] == digest
