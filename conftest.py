"""What every suite may use: the programs that are too heavy, or too real, to start for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ground.control_plane import ControlPlane
from ground.nats import NatsServer
from ground.oci_registry import OciRegistry
from hypothesis import HealthCheck, settings

# Properties are checked without a time limit for each example: the machine may be busy.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One Kubernetes API server for the whole run: give each test a namespace of its own."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A NATS server of this test alone, which it may stop and start."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
def oci_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OciRegistry]:
    """An empty OCI registry that wants a login."""
    with OciRegistry(tmp_path_factory.mktemp("registry")) as running:
        yield running
