"""A pod that sends requests, and what came back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ground.kind_cluster import KindCluster
from ground.wait import eventually

NAME = "client"


@dataclass(frozen=True, slots=True)
class Tally:
    good_count: int
    resent_count: int
    """Requests whose kept connection was closed before they were answered, and that were sent again."""
    recent: list[str]
    """The different bodies among the last 50 answers."""
    failure_count: int
    failures: list[str]
    """The first 20, each with its time of day."""


class Traffic:
    """Requests on their way. `tally` raises AssertionError while there is nothing to read yet."""

    def __init__(self, cluster: KindCluster) -> None:
        self._cluster = cluster

    def tally(self) -> Tally:
        lines = self._cluster.kubectl("logs", NAME, "--tail=1").splitlines()
        assert lines, "the client has said nothing yet"
        return Tally(**json.loads(lines[-1]))

    def assert_unharmed(self, more_count: int = 100) -> None:
        """Fails when a request so far has failed, or one of the next ones does."""
        wanted = self.tally().good_count + more_count

        def has_more() -> Tally:
            seen = self.tally()
            assert seen.good_count >= wanted or seen.failures, seen
            return seen

        seen = eventually(has_more, within_s=120, every_s=0.5)
        assert not seen.failures, seen

    def await_only(self, body: str, within_s: float) -> None:
        """Returns when all of the last answers are this one."""

        def has_only() -> None:
            seen = self.tally()
            assert seen.recent == [body], seen

        eventually(has_only, within_s=within_s, every_s=0.5)


@contextmanager
def traffic(cluster: KindCluster, image: str, url: str, host: str = "") -> Iterator[Traffic]:
    """Sends from the control plane's node, which is never drained, with a Python that `image` has."""
    script = Path(__file__).parent / "send_requests.py"
    cluster.kubectl("create", "configmap", NAME, f"--from-file={script}")
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(_pod(cluster, image, [url, host])))
    try:
        sent = Traffic(cluster)
        eventually(lambda: _assert_going(sent), within_s=120, every_s=0.5)
        yield sent
    finally:
        cluster.kubectl("delete", f"pod/{NAME}", f"configmap/{NAME}", "--grace-period=1")


def _assert_going(sent: Traffic) -> None:
    seen = sent.tally()
    assert seen.good_count >= 20, seen
    assert not seen.failures, seen


def _pod(cluster: KindCluster, image: str, arguments: list[str]) -> dict[str, object]:
    container = {
        "name": NAME,
        "image": image,
        "command": ["python3", "/client/send_requests.py", *arguments],
        "volumeMounts": [{"name": "script", "mountPath": "/client"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME},
        "spec": {
            "nodeName": cluster.control_plane_node,
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            "volumes": [{"name": "script", "configMap": {"name": NAME}}],
        },
    }


ASK = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Host": sys.argv[2]} if sys.argv[2] else {})
try:
    reply = urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as error:
    reply = error
print(reply.status, reply.read().decode(), end="")
"""


def ask_inside(cluster: KindCluster, url: str, host: str = "") -> str:
    """Status and body that a URL answers to a pod: the operator's, which has a Python. Raises KubectlError."""
    return cluster.kubectl("exec", "deployment/wasmcloud-operator", "--", "python3", "-c", ASK, url, host)
