"""One cluster for all tests here, with the images that `make images` made."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Generator, Iterator

import pytest
from ground.helm import CHART
from ground.kind_cluster import KindCluster


@pytest.fixture(scope="session")
def images() -> list[str]:
    """The operator's, the host's and NATS' image, by the names that the chart's defaults give them."""
    version = re.search(r"^appVersion: (\S+)$", (CHART / "Chart.yaml").read_text(), re.MULTILINE)
    nats = re.search(r"repository: nats\n.*\n +tag: (\S+)", (CHART / "values.yaml").read_text())
    assert version is not None
    assert nats is not None
    own = [f"ghcr.io/wasmcloud/wasmcloud-{name}:{version[1]}" for name in ("operator", "host")]
    names = [*own, f"nats:{nats[1]}"]
    for image in names:
        known = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
        if known.returncode != 0:
            raise RuntimeError(f"docker has no image {image}: run `make images`")
    return names


@pytest.fixture(scope="session")
def cluster(images: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindCluster]:
    """A cluster with nothing of ours in it but the images."""
    with KindCluster("wasmcloud-test", tmp_path_factory.mktemp("kind")) as running:
        running.load(images)
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed says where events, objects and logs of that moment are."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and cluster is not None:
        directory = cluster.directory / re.sub(r"\W+", "-", f"{item.name}-{report.when}")
        cluster.save(directory)
        report.sections.append(("what the cluster was like", str(directory)))
    return report
