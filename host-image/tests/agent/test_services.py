"""A workload's service, by plain NATS requests to a host process."""

from __future__ import annotations

import asyncio

import pytest
from ground.wait import eventually_async

from .conftest import StartHost
from .driver import Host, Json, Operator, get, start_request, status_of

STARTED = ("RUNNING", "Workload started successfully")


def service(max_restarts: int = 0, **environment: str) -> Json:
    """As an operator sends it: 64-bit integers are texts."""
    return {
        "image": "file://service.wasm",
        "maxRestarts": str(max_restarts),
        "localResources": {"environment": environment},
    }


async def becomes(operator: Operator, host: Host, workload_id: str, state: str) -> str:
    """Wait until the host reports the state, and return the message."""

    async def check() -> str:
        told, message = await operator.status(host.id, workload_id)
        assert told == state, f"{told}: {message}"
        return message

    return await eventually_async(check, within_s=60)


async def test_components_reach_their_service_and_nobody_elses(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    for workload_id in ("one", "two"):
        request = start_request(workload_id, host=f"{workload_id}.localhost", name=workload_id, service=service())
        assert await operator.start(host.id, request) == STARTED
    assert (await operator.start(host.id, start_request("none", host="none.localhost", name="none"))) == STARTED

    async def connected(name: str) -> None:
        path = "/connect?addr=127.0.0.1:7777"
        said = await asyncio.to_thread(get, host.http_port, path, f"{name}.localhost")
        assert said == (200, "connected"), said

    for name in ("one", "two"):
        await eventually_async(lambda name=name: connected(name), within_s=60)  # type: ignore[misc]
    said = await asyncio.to_thread(get, host.http_port, "/connect?addr=127.0.0.1:7777", "none.localhost")
    assert said == (200, "connection-refused")
    assert await operator.stop(host.id, "one") == ("STOPPING", "Workload stopped")
    await connected("two")


async def test_a_good_end_is_completed(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    assert (await operator.start(host.id, start_request("one", service=service(3, MODE="exit"))))[0] in {
        "RUNNING",
        "COMPLETED",
    }
    assert await becomes(operator, host, "one", "COMPLETED") == "the service ended well"
    assert await operator.running(host.id) == {"one": "COMPLETED"}
    beat = await operator.ask(host.id, "heartbeat")
    assert beat.get("workloadCount", "0") == "0", "the figure changes, so that the operator looks soon"
    assert beat["componentCount"] == "1"
    assert await asyncio.to_thread(get, host.http_port) == (200, "hello from http-p2\n")


async def test_a_service_that_fails_for_good_is_an_error_until_it_is_stopped(
    start_host: StartHost, operator: Operator
) -> None:
    host = await start_host()
    request = start_request("one", service=service(1, MODE="exit", CODE="1"))
    assert (await operator.start(host.id, request))[0] == "RUNNING"
    message = await becomes(operator, host, "one", "ERROR")
    assert message == "the service exited with code 1 after 1 restart; its last lines: leaving as told"
    assert (await operator.start(host.id, request))[0] == "ERROR"
    await operator.stop(host.id, "one")
    assert await operator.status(host.id, "one") == ("NOT_FOUND", "Workload not found: one")
    assert (await operator.start(host.id, start_request("one", service=service())))[0] == "RUNNING"


async def test_a_new_pull_password_of_the_service_is_no_new_content(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    for password in ("old", "new"):
        secret = {"imagePullSecret": {"username": "me", "password": password}}
        assert await operator.start(host.id, start_request("one", service=service() | secret)) == STARTED
    state, message = await operator.start(host.id, start_request("one", service=service(1)))
    assert (state, message) == ("ERROR", "Workload id one is taken by other content")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"image": "file://missing.wasm"}, "failed to pull image for service: file://missing.wasm: no such file"),
        ({"image": "file://http-p2.wasm"}, "component service can't run as a service: it exports no wasi:cli/run"),
        ({"localResources": {"allowedHosts": ["*foo"]}}, "invalid local_resources for service: invalid allowed_hosts"),
    ],
)
async def test_a_bad_service_refuses_the_workload(
    start_host: StartHost, operator: Operator, broken: Json, says: str
) -> None:
    host = await start_host()
    reply = await operator.ask(host.id, "workload.start", start_request("one", service=service() | broken))
    state, message = status_of(reply)
    assert state == "ERROR"
    assert message.startswith(says)
