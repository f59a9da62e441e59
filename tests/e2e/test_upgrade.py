"""From the chart as it was before its last change to the present one, back, and away; a client asks all the while."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from e2e.release import SETTLED_WITHIN_S, URL, VALUES, WAIT, assert_nothing_left, assert_settled, settle
from e2e.traffic import Traffic, traffic
from ground.helm import CHART
from ground.kind_cluster import KindCluster
from ground.wait import eventually

PREVIOUS = "previous"  # the tag of the images that the previous chart installs: the same ones, so that all pods change


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=CHART.parent, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def previous_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart in the commit before the last one that changed it."""
    revisions = git("rev-list", "--max-count=2", "HEAD", "--", "charts").decode().split()
    if len(revisions) < 2:
        raise RuntimeError("the chart's history is not here: git fetch --unshallow")
    directory = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=BytesIO(git("archive", revisions[1], "charts"))) as archive:
        archive.extractall(directory, filter="data")
    return directory / "charts"


@pytest.fixture(scope="module")
def installed(cluster: KindCluster, images: list[str], previous_chart: Path) -> KindCluster:
    """The previous chart; the last test takes it away."""
    tagged = [f"{image.rpartition(':')[0]}:{PREVIOUS}" for image in images[:2]]
    for image, tag in zip(images, tagged, strict=False):
        subprocess.run(["docker", "tag", image, tag], check=True)
    cluster.load(tagged)
    image = {"image": {"tag": PREVIOUS}}
    values = {"operator": VALUES["operator"] | image, "runtime": VALUES["runtime"] | image}
    cluster.helm("install", "wasmcloud", str(previous_chart), "--values", "-", *WAIT, stdin=json.dumps(values))
    settle(cluster, greeted="before")
    return cluster


@pytest.fixture
def client(installed: KindCluster, images: list[str]) -> Iterator[Traffic]:
    """At the end it must not have seen a failure."""
    with traffic(installed, images[0], URL) as sent:
        sent.assert_unharmed()
        yield sent
        sent.assert_unharmed()


def assert_tags(cluster: KindCluster, *tags: str) -> None:
    """Our pods' images have these tags, and pods of the other tags are gone."""
    pods = cluster.get("pods", "-l", "app.kubernetes.io/component in (operator,host)")["items"]
    found = {container["image"].rpartition(":")[2] for pod in pods for container in pod["spec"]["containers"]}
    assert found == set(tags), found


def test_an_upgrade_and_a_rollback(installed: KindCluster, client: Traffic, images: list[str]) -> None:
    """Protects: definitions, certificates and hosts are replaced one after the other while people are served."""
    assert_tags(installed, PREVIOUS)
    installed.helm("upgrade", "wasmcloud", str(CHART), "--values", "-", *WAIT, stdin=json.dumps(VALUES))
    present = images[0].rpartition(":")[2]
    eventually(lambda: assert_tags(installed, present), within_s=SETTLED_WITHIN_S, every_s=0.5)
    eventually(lambda: assert_settled(installed), within_s=SETTLED_WITHIN_S, every_s=0.5)
    client.assert_unharmed()

    settle(installed, greeted="between")
    installed.helm("rollback", "wasmcloud", "1", *WAIT)
    eventually(lambda: assert_tags(installed, PREVIOUS), within_s=SETTLED_WITHIN_S, every_s=0.5)
    eventually(lambda: assert_settled(installed), within_s=SETTLED_WITHIN_S, every_s=0.5)


def test_uninstall_when_hosts_and_nats_went_first(installed: KindCluster) -> None:
    """Protects: nothing hangs on a finalizer that nobody is left to lift."""
    installed.helm("upgrade", "wasmcloud", str(CHART), "--values", "-", *WAIT, stdin=json.dumps(VALUES))
    for kind in ("statefulset/wasmcloud-nats", "deployment/wasmcloud-host-default"):
        installed.kubectl("delete", kind, "--cascade=foreground", "--timeout=120s", timeout_s=150)
    assert installed.get("workloads")["items"]
    installed.helm("uninstall", "wasmcloud", *WAIT)
    eventually(lambda: assert_nothing_left(installed, "service/app"), within_s=120, every_s=0.5)
    installed.kubectl("delete", "workloaddeployment/app", "service/app", "--timeout=60s")

    def has_no_workloads() -> None:
        assert not installed.get("workloads")["items"]

    eventually(has_no_workloads, within_s=60)
