"""One cluster for all tests here, with the images that `make images` made."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ground.helm import CHART
from ground.kind_cluster import KindCluster

ROOT = CHART.parent


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[KindCluster]:
    version = re.search(r"^appVersion: (\S+)$", (CHART / "Chart.yaml").read_text(), re.MULTILINE)
    nats = re.search(r"repository: nats\n.*\n +tag: (\S+)", (CHART / "values.yaml").read_text())
    assert version is not None
    assert nats is not None
    own = [f"ghcr.io/wasmcloud/wasmcloud-{name}:{version[1]}" for name in ("operator", "host")]
    images = [*own, f"nats:{nats[1]}"]
    for image in images:
        known = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
        if known.returncode != 0:
            raise RuntimeError(f"docker has no image {image}: run `make images`")
    with KindCluster("wasmcloud-test", tmp_path_factory.mktemp("kind")) as running:
        running.load(images)
        yield running
        if request.session.testsfailed:
            running.save_logs()
            print(f"what the cluster was like: {keep(running.directory)}")


def keep(directory: Path) -> Path:
    """Where the logs stay when pytest's own directories go."""
    kept = ROOT / ".kind-logs"
    subprocess.run(["rm", "-rf", str(kept)], check=True)
    subprocess.run(["cp", "-r", str(directory), str(kept)], check=True)
    return kept
