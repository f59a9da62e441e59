from __future__ import annotations

from collections.abc import Iterator

import pytest
from ground.control_plane import ControlPlane

from .schema_server import SchemaServer


@pytest.fixture(scope="session")
def schema_server(control_plane: ControlPlane) -> Iterator[SchemaServer]:
    """A real API server that knows our CRDs and judges objects without keeping them."""
    with SchemaServer(control_plane) as server:
        yield server
