"""The API server with the kinds of other projects, and the namespaces that the chart's tests use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from chart.matrix import TENANTS
from ground.control_plane import ControlPlane
from ground.wait import eventually

ROOT = Path(__file__).parents[2]


def foreign_crds() -> Path:
    """The kinds of cert-manager, the Prometheus operator and the Gateway API, as these projects define them."""
    fetch = [str(ROOT / "tests" / "ground" / "fetch-crds")]
    return Path(subprocess.run(fetch, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


@pytest.fixture(scope="session")
def judge(control_plane: ControlPlane) -> ControlPlane:
    """An API server that knows all kinds of the chart's objects."""
    for source in (ROOT / "crds", foreign_crds()):
        control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(source))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", timeout_s=90)
    for namespace in ("default", *TENANTS):
        present = control_plane.kubectl("get", "namespace", namespace, "--ignore-not-found", "--output", "name")
        if not present:
            control_plane.kubectl("create", "namespace", namespace)

    def has_defaults() -> None:
        control_plane.kubectl("get", "namespace", "default")

    eventually(has_defaults, within_s=30)
    return control_plane
