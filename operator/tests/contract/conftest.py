"""The memory store and a real API server, for tests that hold both to the same behaviour."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ground.control_plane import ADMIN, ControlPlane
from ground.wait import eventually
from wasmcloud_operator.model.keys import BUILT_IN, Kind

from contract.worlds import KubernetesWorld, MemoryWorld, World, opened

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture(scope="session")
def api_server(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRDs."""
    control_plane.kubectl("apply", "-f", str(CRDS))
    control_plane.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
    eventually(lambda: _assert_served(control_plane), within_s=60)
    return control_plane


def _assert_served(plane: ControlPlane) -> None:
    found = json.loads(plane.kubectl("get", "--raw", "/apis/runtime.wasmcloud.dev/v1alpha1"))
    kinds = {resource["kind"] for resource in found["resources"]}
    assert kinds >= {str(kind) for kind in Kind if kind not in BUILT_IN}, f"only {kinds} are served"


@pytest.fixture
async def kubernetes(api_server: ControlPlane) -> AsyncIterator[KubernetesWorld]:
    """A Kubernetes API, with all rights."""
    async with opened(api_server.kubeconfig(ADMIN)) as api:
        yield KubernetesWorld(api_server, api)


@pytest.fixture(params=["memory", "kubernetes"])
def world(request: pytest.FixtureRequest) -> World:
    """Each test that asks for this runs against the memory store and against a real API server."""
    if request.param == "memory":
        return MemoryWorld()
    found: KubernetesWorld = request.getfixturevalue("kubernetes")
    return found
