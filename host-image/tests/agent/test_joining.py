"""Heartbeats, and what becomes of a host when NATS comes late, goes, or wants to know who asks."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ground.nats import NatsServer
from ground.nats_accounts import NatsAccount
from ground.process import Process, free_ports
from nats.aio.client import Client
from wasmcloud_host.heartbeat import announced_port
from wasmcloud_host.settings import Settings

from .conftest import StartHost
from .driver import Operator, get, host_process, said_in_log, start_request


async def test_a_heartbeat_says_everything(start_host: StartHost) -> None:
    before = datetime.now(UTC)
    host = await start_host(
        host_group="edge",
        host_label=["gpu=true", "zone=a"],
        environment="team-a",
        host_name="127.0.0.1",
        friendly_name="edge-1",
        max_workloads="9",
    )
    said = host.first_heartbeat
    assert said["id"] == host.id
    assert said["friendlyName"] == "edge-1"
    assert said["hostname"] == "127.0.0.1"
    assert said["environment"] == "team-a"
    assert said["httpPort"] == host.http_port
    assert said["labels"] == {"hostgroup": "edge", "gpu": "true", "zone": "a", "wasmcloud.dev/max-workloads": "9"}
    assert said["version"]
    assert said["osName"] == "linux"
    assert said["osArch"]
    assert said["osKernel"]
    assert before <= datetime.fromisoformat(said["startedAt"]) <= datetime.now(UTC)
    assert int(said["systemMemoryTotal"]) > int(said["systemMemoryFree"]) > 0
    assert {"namespace": "wasi", "package": "http", "version": "0.3.0", "interfaces": ["handler"]} in said["exports"]
    assert "cli" in {entry["package"] for entry in said["imports"]}


async def test_a_listener_on_loopback_is_not_announced_to_others(start_host: StartHost) -> None:
    """Protects: no Service leads to a pod's address where nobody listens."""
    said = (await start_host(host_name="10.0.0.7")).first_heartbeat
    assert (said["hostname"], said.get("httpPort", 0)) == ("10.0.0.7", 0)


@pytest.mark.parametrize(
    ("listener", "host_name", "port"),
    [
        ("127.0.0.1:0", "10.0.0.7", 0),
        ("127.0.0.1:0", "edge.example", 0),
        ("[::1]:0", "fd00::7", 0),
        ("127.0.0.1:0", "127.0.0.2", 8000),
        ("[::1]:0", "localhost", 8000),
        ("127.0.0.1:0", None, 8000),
        ("0.0.0.0:0", "10.0.0.7", 8000),
        ("[::]:0", "10.0.0.7", 8000),
        (":0", "10.0.0.7", 8000),
        ("10.0.0.7:0", "10.0.0.7", 8000),
    ],
)
def test_the_port_is_announced_where_others_reach_it(listener: str, host_name: str | None, port: int) -> None:
    assert announced_port(Settings(http_addr=listener, host_name=host_name), 8000) == port


async def test_heartbeats_go_on_and_count_what_runs(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(heartbeat_interval="200ms")
    await operator.next_heartbeat(host.id)
    await operator.start(host.id, start_request("one"))
    said = await operator.ask(host.id, "heartbeat")
    assert (said["workloadCount"], said["componentCount"]) == ("1", "1")
    await operator.stop(host.id, "one")
    assert "workloadCount" not in await operator.ask(host.id, "heartbeat")


async def test_logs_for_machines(start_host: StartHost, operator: Operator) -> None:
    host = await start_host(log_format="json")
    await operator.start(host.id, start_request("one"))
    events = {json.loads(line)["event"] for line in host.process.log.read_text().splitlines()}
    assert {"host_started", "nats_connected", "workload_started"} <= events


async def test_a_host_without_an_id_keeps_the_one_it_made(
    nats_server: NatsServer, operator: Operator, processes: list[Process], tmp_path: Path
) -> None:
    flags = {
        "scheduler-nats-url": nats_server.url,
        "http-addr": "127.0.0.1:0",
        "oci-cache-dir": str(tmp_path / "cache"),
    }
    host = host_process(tmp_path, "host", flags)
    neighbour = host_process(tmp_path, "neighbour", flags)
    processes += [host, neighbour]
    host.start()
    first = await operator.next_heartbeat()
    neighbour.start()
    other = await operator.next_heartbeat()
    assert first["id"] != other["id"]
    assert first["friendlyName"] != other["friendlyName"]
    host.kill()
    host.start()
    again = await operator.next_heartbeat()
    assert (again["id"], again["friendlyName"]) == (first["id"], first["friendlyName"])


async def test_a_pods_uid_is_the_id(
    nats_server: NatsServer, operator: Operator, processes: list[Process], tmp_path: Path
) -> None:
    flags = {
        "scheduler-nats-url": nats_server.url,
        "http-addr": "127.0.0.1:0",
        "oci-cache-dir": str(tmp_path / "cache"),
    }
    host = host_process(tmp_path, "host", flags, {"WASMCLOUD_HOST_POD_UID": "8b1f-pod"})
    processes.append(host)
    host.start()
    assert (await operator.next_heartbeat())["id"] == "8b1f-pod"


async def test_a_host_waits_for_nats_and_says_so(processes: list[Process], tmp_path: Path) -> None:
    late = NatsServer(tmp_path)
    web_port = free_ports(1)[0]
    flags = {
        "host-id": "early",
        "scheduler-nats-url": late.url.replace("//", "//someone:hush@"),
        "http-addr": "127.0.0.1:0",
        "web-addr": f"127.0.0.1:{web_port}",
        "oci-cache-dir": str(tmp_path / "cache"),
    }
    host = host_process(tmp_path, "host", flags)
    processes.append(host)
    host.start()
    await asyncio.to_thread(said_in_log, host, "nats_connect_failed")
    assert (await asyncio.to_thread(get, web_port, "/healthz"))[0] == 200
    assert await asyncio.to_thread(get, web_port, "/readyz") == (503, "waiting for NATS\n")
    with late:
        client = Client()
        await client.connect(late.url)
        said = await (await client.subscribe("runtime.operator.heartbeat.early")).next_msg(timeout=30)
        assert json.loads(said.data)["id"] == "early"
        assert (await asyncio.to_thread(get, web_port, "/readyz"))[0] == 200
        await client.close()
    log = host.log.read_text()
    assert f"127.0.0.1:{late.port}" in log
    assert "hush" not in log


async def test_workloads_serve_on_while_nats_is_away(
    start_host: StartHost, operator: Operator, nats_server: NatsServer
) -> None:
    host = await start_host(heartbeat_interval="500ms")
    await operator.start(host.id, start_request("one"))
    await asyncio.to_thread(nats_server.stop)
    await asyncio.to_thread(said_in_log, host.process, "nats_disconnected")
    assert (await asyncio.to_thread(get, host.http_port))[0] == 200
    assert (await asyncio.to_thread(host.page, "/readyz"))[0] == 200
    assert "wasmcloud_host_nats_connected 0.0" in (await asyncio.to_thread(host.page, "/metrics"))[1]
    await asyncio.to_thread(nats_server.start)
    await operator.next_heartbeat_with(host.id, "workloadCount", "1")
    assert await operator.running(host.id) == {"one": "RUNNING"}
    assert (await asyncio.to_thread(get, host.http_port))[0] == 200


async def test_a_host_joins_again_when_the_server_crashed(
    start_host: StartHost, operator: Operator, nats_server: NatsServer
) -> None:
    host = await start_host(heartbeat_interval="500ms")
    await asyncio.to_thread(nats_server.process.kill)
    await asyncio.to_thread(nats_server.start)
    assert (await operator.next_heartbeat(host.id))["id"] == host.id
    assert (await operator.start(host.id, start_request("one")))[0] == "RUNNING"


async def test_a_wrong_password_is_no_end(processes: list[Process], tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text('authorization { user: "host", password: "right" }\n')
    with NatsServer(tmp_path, ["--config", str(config)]) as server:
        flags = {
            "host-id": "one",
            "scheduler-nats-url": server.url.replace("//", "//host:wrong@"),
            "http-addr": "127.0.0.1:0",
            "oci-cache-dir": str(tmp_path / "cache"),
        }
        host = host_process(tmp_path, "host", flags)
        processes.append(host)
        host.start()
        await asyncio.to_thread(said_in_log, host, "Authorization Violation")
        host.assert_running()
        config.write_text('authorization { user: "host", password: "wrong" }\n')
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        client = Client()
        await client.connect(server.url.replace("//", "//host:wrong@"))
        heartbeats = await client.subscribe("runtime.operator.heartbeat.*")
        assert json.loads((await heartbeats.next_msg(timeout=30)).data)["id"] == "one"
        await client.close()
    assert "wrong" not in host.log.read_text()


async def test_a_credentials_file_logs_in_and_is_read_anew_for_each_connection(
    processes: list[Process], tmp_path: Path
) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    account, stranger = NatsAccount(tmp_path), NatsAccount(strangers)
    creds = stranger.write_credentials(tmp_path / "host.creds")
    with account.server(tmp_path) as server:
        flags: dict[str, str | list[str]] = {
            "host-id": "one",
            "scheduler-nats-url": server.url,
            "scheduler-nats-creds": str(creds),
            "http-addr": "127.0.0.1:0",
            "oci-cache-dir": str(tmp_path / "cache"),
        }
        host = host_process(tmp_path, "host", flags)
        processes.append(host)
        host.start()
        await asyncio.to_thread(said_in_log, host, "Authorization Violation")
        creds.write_text(creds.read_text().partition("------END NATS USER JWT------")[2])
        await asyncio.to_thread(said_in_log, host, "is no NATS credentials file")
        account.write_credentials(creds)
        await asyncio.to_thread(said_in_log, host, "nats_connected")
        client = Client()
        await client.connect(server.url, user_credentials=account.write_credentials(tmp_path / "operator.creds"))
        reply = await client.request("runtime.host.one.heartbeat", b"{}", timeout=30)
        assert json.loads(reply.data)["id"] == "one"
        await client.close()
