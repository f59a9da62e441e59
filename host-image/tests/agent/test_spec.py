from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ByteSize
from wasmcloud_api.names import WorkloadId
from wasmcloud_api.wire import (
    Component,
    HostPath,
    LocalResources,
    Service,
    Volume,
    VolumeMount,
    WitInterface,
    WitWorld,
    Workload,
)
from wasmcloud_host.artifacts import Artifact
from wasmcloud_host.settings import Settings
from wasmcloud_host.spec import SpecError, check, engine_settings_of, spec_of

HTTP = WitInterface(namespace="wasi", package="http", interfaces=("incoming-handler",), config={"host": "a.localhost"})


def workload(*components: Component, interfaces: tuple[WitInterface, ...] = (HTTP,), **rest: object) -> Workload:
    world = WitWorld(
        components=components or (Component(name="one", image="file://a.wasm"),), host_interfaces=interfaces
    )
    return Workload.model_validate({"namespace": "ns", "name": "hello", "wit_world": world, **rest})


def test_everything_that_was_declared_reaches_the_engine() -> None:
    resources = LocalResources(
        memory_limit_mb=64,
        cpu_limit=50,
        config={"colour": "red"},
        environment={"K": "V"},
        allowed_hosts=("a.example",),
        allowed_ip_name_lookups=("b.example",),
        allowed_host_loopback_ports=("80/tcp",),
    )
    component = Component(name="one", local_resources=resources, pool_size=4, max_invocations=100, max_concurrency=8)
    settings = WitInterface(
        namespace="wasi",
        package="config",
        version="0.2.0-rc.1",
        interfaces=("store",),
        config={"colour": "blue", "size": "9"},
    )
    spec = spec_of(
        WorkloadId("uid"), workload(component, interfaces=(HTTP, settings)), [Artifact(Path("/a.wasm"), "sha256:00")]
    )
    assert json.loads(spec) == {
        "id": "uid",
        "namespace": "ns",
        "name": "hello",
        "hosts": ["a.localhost"],
        "path_prefix": None,
        "components": [
            {
                "name": "one",
                "path": "/a.wasm",
                "digest": "sha256:00",
                "environment": {"K": "V"},
                "config": {"colour": "red", "size": "9"},
                "allowed_hosts": ["a.example"],
                "allowed_ip_name_lookups": ["b.example"],
                "allowed_host_loopback_ports": ["80/tcp"],
                "memory_limit_mb": 64,
                "cpu_limit": 50,
                "pool_size": 4,
                "max_invocations": 100,
                "max_concurrency": 8,
            }
        ],
        "service": None,
        "host_interfaces": ["wasi:http/incoming-handler", "wasi:config/store@0.2.0-rc.1"],
    }


def test_a_service_reaches_the_engine() -> None:
    resources = LocalResources(
        memory_limit_mb=64,
        cpu_limit=50,
        environment={"K": "V"},
        config={"colour": "red"},
        allowed_hosts=("a.example",),
        allowed_ip_name_lookups=("b.example",),
        allowed_host_loopback_ports=("80",),
    )
    declared = workload(service=Service(image="file://s.wasm", local_resources=resources, max_restarts=2**40))
    artifact = Artifact(Path("/s.wasm"), "sha256:01")
    spec = json.loads(spec_of(WorkloadId("uid"), declared, [Artifact(Path("/a.wasm"), "sha256:00")], artifact))
    assert spec["service"] == {
        "component": {
            "name": "service",
            "path": "/s.wasm",
            "digest": "sha256:01",
            "environment": {"K": "V"},
            "config": {"colour": "red"},
            "allowed_hosts": ["a.example"],
            "allowed_ip_name_lookups": ["b.example"],
            "allowed_host_loopback_ports": ["80"],
            "memory_limit_mb": 64,
            "cpu_limit": 50,
        },
        "max_restarts": 2**40,
    }


def test_a_service_needs_no_component_beside_it() -> None:
    check(Workload(namespace="ns", name="hello", service=Service(image="file://s.wasm")))


@pytest.mark.parametrize("limit", [0, -1])
def test_no_limit_is_no_limit(limit: int) -> None:
    resources = LocalResources(memory_limit_mb=limit, cpu_limit=limit)
    component = Component(name="one", local_resources=resources, pool_size=-1, max_invocations=-1)
    spec = spec_of(WorkloadId("uid"), workload(component), [Artifact(Path("/a.wasm"), "sha256:00")])
    sent = json.loads(spec)["components"][0]
    assert (sent["memory_limit_mb"], sent["cpu_limit"]) == (None, None)
    assert (sent["pool_size"], sent["max_invocations"], sent["max_concurrency"]) == (0, 0, 0)


MOUNTED = Component(
    name="one", local_resources=LocalResources(volume_mounts=(VolumeMount(name="data", mount_path="/d"),))
)


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (
            workload(service=Service(image="file://s.wasm", local_resources=MOUNTED.local_resources)),
            "the service has volumeMounts",
        ),
        (workload(volumes=(Volume(name="data"),)), "mounts no volumes: the workload has data"),
        (workload(volumes=(Volume(name="etc", host_path=HostPath(local_path="/etc")),)), "mounts no volumes"),
        (workload(MOUNTED), "component one has volumeMounts"),
        (Workload(namespace="ns", name="hello"), "no components"),
        (workload(Component(name="one"), Component(name="one")), "two components of the workload are called 'one'"),
        (
            workload(interfaces=(WitInterface(namespace="acme", package="custom", interfaces=("thing",)),)),
            "does not offer acme:custom/thing",
        ),
    ],
)
def test_what_this_host_lacks_is_refused(refused: Workload, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        check(refused)


def test_engine_settings() -> None:
    settings = Settings(
        http_addr="127.0.0.1:1",
        oci_cache_dir=Path("/cache"),
        oci_cache_size=ByteSize(100),
        allowed_hosts=("a.example",),
        allow_insecure_registry=("127.0.0.1:5000",),
        deny_special_ranges=False,
        deny_private_ranges=True,
        allow_host_loopback=True,
        wasi_webgpu=True,
        max_connections=7,
        request_timeout=3,
        registry_pull_timeout=4,
    )
    assert json.loads(engine_settings_of(settings)) == {
        "http_addr": "127.0.0.1:1",
        "cache_dir": "/cache",
        "cache_limit_bytes": 40,
        "max_connections": 7,
        "request_timeout_s": 3.0,
        "default_allowed_hosts": ["a.example"],
        "allow_special_ranges": True,
        "deny_private_ranges": True,
        "allow_host_loopback": True,
        "webgpu": True,
        "http_tls_cert_path": None,
        "http_tls_key_path": None,
        "http_tls_ca_path": None,
        "http_client_ca_path": None,
        "oci_ca_path": None,
        "allow_insecure_registries": ["127.0.0.1:5000"],
        "pull_timeout_s": 4.0,
    }
