"""Every row of the protocol's table of replies, asked by plain NATS requests of a host process."""

from __future__ import annotations

import asyncio
import socket

import pytest
from ground.wait import eventually_async

from .conftest import StartHost
from .driver import Json, Operator, component, get, http_interface, start_request, status_of

STARTED = ("RUNNING", "Workload started successfully")


async def test_start_done(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    assert await operator.start(host.id, start_request("one")) == STARTED
    assert await operator.status(host.id, "one") == STARTED
    assert await asyncio.to_thread(get, host.http_port) == (200, "hello from http-p2\n")


async def test_start_again_is_the_same_start(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    replies = await asyncio.gather(*(operator.start(host.id, start_request("one")) for _ in range(5)))
    assert set(replies) == {STARTED}
    assert await operator.start(host.id, start_request("one")) == STARTED
    assert await operator.running(host.id) == {"one": "RUNNING"}


async def test_a_new_pull_password_is_no_new_content(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    for password in ("old", "new"):
        secret = {"username": "me", "password": password}
        assert await operator.start(host.id, start_request("one", component(imagePullSecret=secret))) == STARTED


async def test_image_that_cannot_be_pulled_leaves_the_id_free(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    state, message = await operator.start(host.id, start_request("one", component("file://missing.wasm", "web")))
    assert state == "ERROR"
    assert message.startswith("failed to pull image for component 'web': file://missing.wasm: no such file")
    assert await operator.status(host.id, "one") == ("NOT_FOUND", "Workload not found: one")
    assert await operator.start(host.id, start_request("one")) == STARTED


async def test_registry_that_is_not_there(start_host: StartHost, operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        registry = f"127.0.0.1:{listener.getsockname()[1]}"
    host = await start_host(allow_insecure_registry=registry)
    state, message = await operator.start(host.id, start_request("one", component(f"{registry}/hello:1")))
    assert state == "ERROR"
    assert message.startswith("failed to pull image for component 'hello': ")
    assert registry in message
    assert await operator.running(host.id) == {}


async def test_bad_egress_list_leaves_the_id_free(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    bad = component(name="web", localResources={"allowedHosts": ["ok.example", "a.example/path", "*foo"]})
    state, message = await operator.start(host.id, start_request("one", bad))
    assert state == "ERROR"
    assert message.startswith("invalid local_resources for component web: invalid allowed_hosts:")
    assert "a.example/path" in message
    assert "*foo" in message
    assert "ok.example" not in message
    assert await operator.running(host.id) == {}


async def test_id_taken_by_other_content(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    await operator.start(host.id, start_request("one"))
    state, message = await operator.start(host.id, start_request("one", host="other.localhost"))
    assert state == "ERROR"
    assert "taken by other content" in message
    assert await operator.status(host.id, "one") == STARTED


@pytest.mark.parametrize(
    ("guest", "says"),
    [
        ("text.wasm", "text"),
        ("html.wasm", "text.wasm|HTML|text"),
        ("core-module.wasm", "core module"),
        ("truncated.wasm", "truncated|ends|out of bounds"),
        ("wrong-wasi.wasm", "wasi:http/types@0.9.9"),
        ("unknown-import.wasm", "acme:custom/thing@1.0.0"),
        ("no-handler.wasm", "handler"),
    ],
)
async def test_what_cannot_run_is_kept_until_stopped(
    start_host: StartHost, operator: Operator, guest: str, says: str
) -> None:
    host = await start_host()
    request = start_request("one", component(f"file://bad/{guest}"))
    state, message = await operator.start(host.id, request)
    assert state == "ERROR"
    assert any(part in message for part in says.split("|")), message
    assert await operator.status(host.id, "one") == ("ERROR", message)
    assert await operator.start(host.id, request) == ("ERROR", message)
    assert (await operator.ask(host.id, "heartbeat")).get("workloadCount", "0") == "0"
    assert (await operator.stop(host.id, "one"))[0] == "STOPPING"
    assert await operator.start(host.id, start_request("one")) == STARTED


@pytest.mark.parametrize(
    ("workload", "says"),
    [
        (
            {"service": {"image": "file://service.wasm", "localResources": {"volumeMounts": [{"name": "data"}]}}},
            "the service has volumeMounts",
        ),
        ({"volumes": [{"name": "data"}]}, "volumes"),
        (
            {
                "witWorld": {
                    "components": [component()],
                    "hostInterfaces": [
                        {"namespace": "acme", "package": "custom", "interfaces": ["thing"], "version": "1.0.0"}
                    ],
                }
            },
            "acme:custom/thing@1.0.0",
        ),
        ({"witWorld": {}}, "no components"),
    ],
)
async def test_what_this_host_lacks_is_refused_by_name(
    start_host: StartHost, operator: Operator, workload: Json, says: str
) -> None:
    host = await start_host()
    state, message = await operator.start(host.id, start_request("one", **workload))
    assert state == "ERROR"
    assert says in message
    assert await operator.status(host.id, "one") == ("ERROR", message)


async def test_stopped_while_starting(start_host: StartHost, operator: Operator, silent_registry: str) -> None:
    host = await start_host(allow_insecure_registry=silent_registry)
    starting = asyncio.create_task(operator.start(host.id, start_request("one", component(f"{silent_registry}/a:1"))))
    await until_starting(operator, host.id, "one")
    assert (await operator.stop(host.id, "one"))[0] == "STOPPING"
    assert await starting == ("STOPPING", "Workload was stopped while starting")
    assert await operator.status(host.id, "one") == ("NOT_FOUND", "Workload not found: one")


async def until_starting(operator: Operator, host_id: str, workload_id: str) -> None:
    async def check() -> None:
        assert (await operator.running(host_id)).get(workload_id) == "STARTING"

    await eventually_async(check, within_s=30)


async def test_a_slow_pull_delays_nothing_else(start_host: StartHost, operator: Operator, silent_registry: str) -> None:
    host = await start_host(allow_insecure_registry=silent_registry, heartbeat_interval="500ms")
    slow = [
        asyncio.create_task(operator.start(host.id, start_request(f"slow-{n}", component(f"{silent_registry}/{n}:1"))))
        for n in range(20)
    ]
    await until_starting(operator, host.id, "slow-19")
    assert (await operator.ask(host.id, "heartbeat", within_s=5))["id"] == host.id
    await operator.next_heartbeat_with(host.id, "workloadCount", "20")
    assert await operator.start(host.id, start_request("quick")) == STARTED
    assert (await operator.status(host.id, "slow-3"))[0] == "STARTING"
    assert (await operator.stop(host.id, "quick"))[0] == "STOPPING"
    for number in range(20):
        assert (await operator.stop(host.id, f"slow-{number}"))[0] == "STOPPING"
    assert {await each for each in slow} == {("STOPPING", "Workload was stopped while starting")}


async def test_stop_frees_the_id_and_the_name(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    await operator.start(host.id, start_request("one"))
    assert (await operator.stop(host.id, "one"))[0] == "STOPPING"
    assert (await asyncio.to_thread(get, host.http_port))[0] == 404
    assert await operator.stop(host.id, "one") == ("NOT_FOUND", "Workload not found: one")
    assert await operator.start(host.id, start_request("one")) == STARTED


async def test_what_was_never_here(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    assert await operator.status(host.id, "nobody") == ("NOT_FOUND", "Workload not found: nobody")
    assert await operator.stop(host.id, "nobody") == ("NOT_FOUND", "Workload not found: nobody")
    assert await operator.running(host.id) == {}


GARBAGE = [
    b"",
    b"garbage",
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b"{}",
    b'{"workloadId": ""}',
    b'{"workloadId": 5}',
    b'{"workloadId": {"a": 1}, "workload": []}',
    b"[" * 5000,
]
"""Nothing that a start, a stop or a status could be."""

HALF_A_START = [
    b'{"workloadId": "one"}',
    b'{"workloadId": "one", "workload": {"witWorld": {"components": "all"}}}',
    b'{"workloadId": "one", "workload": {"witWorld": {"components": [{"poolSize": "many"}]}}}',
]


async def test_garbage_is_answered(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    asked = [(command, each) for command in ("start", "stop", "status") for each in GARBAGE]
    asked += [("start", each) for each in HALF_A_START]
    for command, payload in asked:
        state, message = status_of(await operator.ask(host.id, f"workload.{command}", payload))
        assert state == "ERROR", (command, payload)
        assert message, (command, payload)
    assert await operator.running(host.id) == {}


async def test_what_needs_no_body_ignores_it(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    for payload in (b"", b"{}", b"garbage"):
        assert (await operator.ask(host.id, "heartbeat", payload))["id"] == host.id
        assert await operator.ask(host.id, "workload.list", payload) == {}


async def test_an_unknown_command_is_answered(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    state, message = status_of(await operator.ask(host.id, "workload.dance"))
    assert state == "ERROR"
    assert "'workload.dance'" in message


V2_REQUEST: Json = {
    "workload": {
        "namespace": "default",
        "name": "hello",
        "annotations": {},
        "service": None,
        "wit_world": {
            "components": [
                {
                    "name": "hello",
                    "image": "file://http-p2.wasm",
                    "local_resources": {
                        "memory_limit_mb": -1,
                        "cpu_limit": "0",
                        "config": {},
                        "environment": {"GREETING": "hi"},
                        "volume_mounts": [],
                        "allowed_hosts": [],
                    },
                    "pool_size": -1,
                    "max_invocations": -1,
                    "image_pull_policy": 2,
                    "image_pull_secret": None,
                    "a_field_of_tomorrow": True,
                }
            ],
            "host_interfaces": [
                {
                    "namespace": "wasi",
                    "package": "http",
                    "version": "0.2.2",
                    "interfaces": ["incoming-handler"],
                    "config": {"host": "hello.localhost", "host-aliases": "a.localhost,b.localhost"},
                }
            ],
        },
        "volumes": [],
    },
    "workload_id": "one",
}


async def test_a_v2_operators_snake_case_request(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    assert await operator.start(host.id, V2_REQUEST) == STARTED
    for name in ("hello.localhost", "A.localhost:80", "b.localhost"):
        assert (await asyncio.to_thread(get, host.http_port, "/", name))[0] == 200
    assert "GREETING=hi" in (await asyncio.to_thread(get, host.http_port, "/env"))[1]
    assert await operator.ask(host.id, "workload.status", {"workload_id": "one"}) == {
        "workloadStatus": {"workloadId": "one", "workloadState": "WORKLOAD_STATE_RUNNING", "message": STARTED[1]}
    }
    assert "wasmcloud_host_unknown_fields_total 1.0" in (await asyncio.to_thread(host.page, "/metrics"))[1]


async def test_wasi_0_3(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    world = {
        "components": [component("file://http-p3.wasm")],
        "hostInterfaces": [http_interface("hello.localhost", "handler")],
    }
    assert await operator.start(host.id, start_request("one", witWorld=world)) == STARTED
    assert await asyncio.to_thread(get, host.http_port) == (200, "hello from http-p3\n")


async def test_path_prefix(start_host: StartHost, operator: Operator) -> None:
    host = await start_host()
    interfaces = [http_interface("hello.localhost", **{"path-prefix": "/count"})]
    world = {"components": [component()], "hostInterfaces": interfaces}
    assert await operator.start(host.id, start_request("one", witWorld=world)) == STARTED
    assert (await asyncio.to_thread(get, host.http_port, "/count"))[0] == 200
    assert (await asyncio.to_thread(get, host.http_port, "/"))[0] == 404


async def test_a_full_host_says_so(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(max_workloads="1")
    assert host.first_heartbeat["labels"]["wasmcloud.dev/max-workloads"] == "1"
    await operator.start(host.id, start_request("one"))
    state, message = await operator.start(host.id, start_request("two", host="two.localhost"))
    assert (state, "--max-workloads" in message) == ("ERROR", True)
    await operator.stop(host.id, "one")
    assert await operator.start(host.id, start_request("two", host="two.localhost")) == STARTED
