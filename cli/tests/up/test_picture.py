"""From the objects in the store to the rows on the screen."""

from __future__ import annotations

from typing import Any

import pytest
from wasmcloud.addresses import host_addresses
from wasmcloud.picture import Picture, WorkloadRow, picture_of
from wasmcloud.screen import plain_lines
from wasmcloud_api.names import HostId

ONE, TWO = HostId("host-1"), HostId("host-2")
ADDRESSES = dict(zip((ONE, TWO), host_addresses("127.0.0.1:8000", 2), strict=True))


def ready(status: str = "True", reason: str = "Available", message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message}]}


def made(kind: str, name: str, owner: str | None = None, **rest: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": "default", "name": name, "uid": f"uid-{name}"}
    if owner:
        metadata["ownerReferences"] = [{"uid": f"uid-{owner}", "controller": True}]
    return {"kind": kind, "metadata": metadata, "spec": {}, **rest}


def host(host_id: str, status: dict[str, Any]) -> dict[str, Any]:
    return made("Host", host_id, hostId=host_id, status=status)


def workload(name: str, status: dict[str, Any], owner: str | None = None, host_id: str = ONE) -> dict[str, Any]:
    return made("Workload", name, owner, status={**status, "hostId": host_id})


def deployment_with(*replicas: dict[str, Any], wanted: int = 1) -> list[dict[str, Any]]:
    top = made("WorkloadDeployment", "hello", spec={"replicas": wanted})
    return [
        top,
        made("WorkloadReplicaSet", "hello-1", "hello"),
        made("WorkloadReplicaSet", "hello-2", "hello"),
        *replicas,
    ]


def only_row(picture: Picture) -> WorkloadRow:
    (row,) = picture.workloads
    return row


@pytest.mark.parametrize(
    ("objects", "gone", "states"),
    [
        ([], (), ["starting", "starting"]),
        ([host(ONE, ready()), host(TWO, {})], (), ["ready", "starting"]),
        ([host(ONE, ready()), host(TWO, ready("False", "HostLost"))], (), ["ready", "HostLost"]),
        ([host(ONE, ready()), host(TWO, ready())], (TWO,), ["ready", "gone"]),
    ],
)
def test_hosts(objects: list[dict[str, Any]], gone: tuple[HostId, ...], states: list[str]) -> None:
    picture = picture_of(objects, ADDRESSES, gone)
    assert [row.state for row in picture.hosts] == states
    assert picture.has_all_hosts == ("starting" not in states)


def test_hosts_count_what_is_ready_on_them() -> None:
    replicas = [workload("a", ready()), workload("b", ready(), host_id=TWO), workload("c", ready("False", "Starting"))]
    assert [row.workload_count for row in picture_of(replicas, ADDRESSES).hosts] == [1, 1]


@pytest.mark.parametrize(
    ("replicas", "wanted", "state", "counts", "is_failed"),
    [
        ([], 1, "Starting", (0, 1), False),
        ([], 0, "Scaled to 0", (0, 0), False),
        ([workload("a", {}, "hello-1")], 1, "Starting", (0, 1), False),
        ([workload("a", ready(), "hello-1")], 1, "Running", (1, 1), False),
        ([workload("a", ready(), "hello-1")], 2, "Starting", (1, 2), False),
        ([workload("a", ready("False", "Completed"), "hello-1")], 1, "Completed", (0, 1), False),
        ([workload("a", ready("False", "StartFailed"), "hello-1")], 1, "StartFailed", (0, 1), True),
        ([workload("a", ready("False", "NoMatchingHost"), "hello-1")], 1, "NoMatchingHost", (0, 1), True),
        # A rollout whose new version doesn't start: the old one counts, the new one speaks.
        (
            [workload("a", ready(), "hello-1"), workload("b", ready("False", "StartFailed"), "hello-2")],
            1,
            "StartFailed",
            (1, 1),
            True,
        ),
    ],
)
def test_a_deployment_is_the_sum_of_its_replicas(
    replicas: list[dict[str, Any]], wanted: int, state: str, counts: tuple[int, int], *, is_failed: bool
) -> None:
    row = only_row(picture_of(deployment_with(*replicas, wanted=wanted), ADDRESSES))
    assert (row.name, row.state, (row.ready_count, row.wanted_count), row.is_failed) == (
        "default/hello",
        state,
        counts,
        is_failed,
    )


def test_a_workload_of_its_own_has_a_row_and_an_owned_one_has_not() -> None:
    objects = [*deployment_with(workload("a", ready(), "hello-1")), workload("alone", ready())]
    assert [row.name for row in picture_of(objects, ADDRESSES).workloads] == ["default/hello", "default/alone"]


def test_a_message_is_told_in_the_persons_words() -> None:
    objects = deployment_with(workload("a", ready("False", "StartFailed", "no /copies/hello.wasm"), "hello-1"))
    picture = picture_of(objects, ADDRESSES, told_as=lambda text: text.replace("/copies/", ""))
    assert only_row(picture).message == "no hello.wasm"


@pytest.mark.parametrize(
    ("objects", "is_hopeless"),
    [
        ([], False),
        (deployment_with(), False),
        (deployment_with(workload("a", ready("False", "StartFailed"), "hello-1")), True),
        (
            [*deployment_with(workload("a", ready("False", "StartFailed"), "hello-1")), workload("alone", ready())],
            False,
        ),
        (
            deployment_with(
                workload("a", ready("False", "Crashed"), "hello-1"), workload("b", ready(), "hello-1"), wanted=2
            ),
            False,
        ),
    ],
)
def test_hopeless_is_when_nothing_serves_and_nothing_can(objects: list[dict[str, Any]], *, is_hopeless: bool) -> None:
    assert picture_of(objects, ADDRESSES).is_hopeless == is_hopeless


def waiting_for_artifact(status: str) -> list[dict[str, Any]]:
    top, *sets = deployment_with()
    return [
        top | {"status": ready("False", "ArtifactNotReady")},
        *sets,
        made("Artifact", "a", status=ready(status, "Why")),
    ]


@pytest.mark.parametrize(
    ("status", "state", "is_hopeless"),
    [("Unknown", "ArtifactNotReady", False), ("True", "ArtifactNotReady", False), ("False", "Why", True)],
)
def test_an_artifact_is_waited_for_until_it_fails(status: str, state: str, *, is_hopeless: bool) -> None:
    picture = picture_of(waiting_for_artifact(status), ADDRESSES)
    assert only_row(picture).state == state
    assert picture.is_hopeless == is_hopeless


def test_plain_lines_say_it_all() -> None:
    config = {"host": "hello.localhost"}
    http = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"], "config": config}
    running = workload("a", ready(), "hello-1") | {"spec": {"hostInterfaces": [http]}}
    failed = workload("bad", ready("False", "StartFailed", "no import"))
    assert plain_lines(picture_of([host(ONE, ready()), *deployment_with(running), failed], {ONE: ADDRESSES[ONE]})) == [
        "host-1 (127.0.0.1:8000): ready",
        "default/hello: Running, 1 of 1 ready",
        "default/hello: http://hello.localhost:8000/",
        "default/bad: StartFailed, 0 of 1 ready: no import",
    ]
