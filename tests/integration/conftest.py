"""The product as a black box: nothing here imports our packages."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from ground.control_plane import ControlPlane
from ground.nats import NatsServer
from integration.system import ROOT, System

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane, which knows our kinds."""
    control_plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", timeout_s=90)
    return control_plane


@pytest.fixture
def system(
    cluster: ControlPlane, nats_server: NatsServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[System]:
    """An operator without hosts; what it and its hosts said is printed when the test fails."""
    running = System(cluster, nats_server, tmp_path)
    try:
        running.start()
        yield running
        if request.node.stash.get(FAILED, False):
            print(running.dump())
        assert running.forbidden() == [], "the operator asks for more than its Roles give"
    finally:
        running.stop()
