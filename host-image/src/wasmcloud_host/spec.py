"""What the engine is asked to run, made out of what the operator sent. No I/O here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wasmcloud_api.names import WorkloadId
from wasmcloud_api.wire import Component, LocalResources, Service, WitInterface, Workload

from wasmcloud_host.artifacts import Artifact
from wasmcloud_host.interfaces import IMPORTS, Route, missing_interfaces, names_of, route_of
from wasmcloud_host.plugins.keyvalue.entries import Entry, entries_of
from wasmcloud_host.settings import Settings

SERVICE_NAME: Final = "service"
"""What the service of a workload is called in logs and errors; on the wire it has no name."""


class SpecError(Exception):
    """A workload that this host can't run as it is declared; one sentence."""


def engine_settings_of(settings: Settings) -> str:
    """Return the engine's EngineSettings."""
    return json.dumps(
        {
            "http_addr": settings.http_addr,
            "cache_dir": str(settings.oci_cache_dir),
            # Of what was pulled, and of what was compiled. The last fifth is for files on their way: room is made for
            # them once they are there.
            "cache_limit_bytes": settings.oci_cache_size * 2 // 5,
            "max_connections": settings.max_connections,
            "request_timeout_s": settings.request_timeout,
            "default_allowed_hosts": settings.allowed_hosts,
            "allow_special_ranges": not settings.deny_special_ranges,
            "deny_private_ranges": settings.deny_private_ranges,
            "allow_host_loopback": settings.allow_host_loopback,
            "webgpu": settings.wasi_webgpu,
            "http_tls_cert_path": _text(settings.tls_cert_path),
            "http_tls_key_path": _text(settings.tls_key_path),
            "http_tls_ca_path": _text(settings.tls_ca_path),
            "http_client_ca_path": _text(settings.http_client_ca_path),
            "oci_ca_path": _text(settings.oci_ca_path),
            "allow_insecure_registries": settings.allow_insecure_registry,
            "pull_timeout_s": settings.registry_pull_timeout,
        }
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def check(workload: Workload, imports: Sequence[WitInterface] = IMPORTS) -> None:
    """Raise SpecError for what this host doesn't offer: better no workload than one that lacks a part."""
    world = workload.wit_world
    if workload.volumes:
        named = ", ".join(volume.name for volume in workload.volumes)
        raise SpecError(f"this host mounts no volumes: the workload has {named}")
    if mounting := [each.name for each in world.components if each.local_resources.volume_mounts]:
        raise SpecError(f"this host mounts no volumes: component {mounting[0]} has volumeMounts")
    if workload.service is not None and workload.service.local_resources.volume_mounts:
        raise SpecError("this host mounts no volumes: the service has volumeMounts")
    if not world.components and workload.service is None:
        raise SpecError("the workload has no components")
    names = [component.name for component in world.components]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError(f"two components of the workload are called {twice[0]!r}")
    if missing := missing_interfaces(world.host_interfaces, imports):
        raise SpecError(f"this host does not offer {', '.join(missing)}, which hostInterfaces asks for")
    _route(workload)


def buckets_of(workload: Workload) -> tuple[Entry, ...]:
    """Return what the workload declares of `wasi:keyvalue`. Raises SpecError."""
    try:
        return entries_of(workload.wit_world.host_interfaces)
    except ValueError as error:
        raise SpecError(str(error)) from error


def spec_of(
    workload_id: WorkloadId, workload: Workload, artifacts: Sequence[Artifact], service_artifact: Artifact | None = None
) -> str:
    """Return the engine's WorkloadSpec; `artifacts` in the order of the components. Raises SpecError."""
    interfaces = workload.wit_world.host_interfaces
    route = _route(workload)
    shared_config = _config_of(interfaces)
    return json.dumps(
        {
            "id": workload_id,
            "namespace": workload.namespace,
            "name": workload.name,
            "hosts": route.hosts,
            "path_prefix": route.path_prefix,
            "components": [
                _component(component, artifact, shared_config)
                for component, artifact in zip(workload.wit_world.components, artifacts, strict=True)
            ],
            "service": _service(workload.service, service_artifact, shared_config),
            "host_interfaces": [name for entry in interfaces for name in names_of(entry)],
        }
    )


def _component(component: Component, artifact: Artifact, shared_config: dict[str, str]) -> dict[str, object]:
    return _program(component.name, component.local_resources, artifact, shared_config) | {
        "pool_size": max(0, component.pool_size),
        "max_invocations": max(0, component.max_invocations),
        "max_concurrency": max(0, component.max_concurrency),
    }


def _service(
    service: Service | None, artifact: Artifact | None, shared_config: dict[str, str]
) -> dict[str, object] | None:
    if service is None or artifact is None:
        return None
    program = _program(SERVICE_NAME, service.local_resources, artifact, shared_config)
    return {"component": program, "max_restarts": service.max_restarts}


def _program(
    name: str, resources: LocalResources, artifact: Artifact, shared_config: dict[str, str]
) -> dict[str, object]:
    return {
        "name": name,
        "path": str(artifact.path),
        "digest": artifact.digest,
        "environment": resources.environment,
        "config": shared_config | resources.config,
        "allowed_hosts": resources.allowed_hosts,
        "allowed_ip_name_lookups": resources.allowed_ip_name_lookups,
        "allowed_host_loopback_ports": resources.allowed_host_loopback_ports,
        "memory_limit_mb": _positive(resources.memory_limit_mb),
        "cpu_limit": _positive(resources.cpu_limit),
    }


def _positive(limit: int) -> int | None:
    """v2 sends 0 or -1 for no limit."""
    return limit if limit > 0 else None


def _config_of(interfaces: Sequence[WitInterface]) -> dict[str, str]:
    """Return what `wasi:config` entries give to every component; the component's own config wins."""
    entries = [entry.config for entry in interfaces if (entry.namespace, entry.package) == ("wasi", "config")]
    return {key: value for config in entries for key, value in config.items()}


def _route(workload: Workload) -> Route:
    try:
        return route_of(workload.wit_world.host_interfaces)
    except ValueError as error:
        raise SpecError(str(error)) from error
