"""The interfaces that components may import and export on this host, and what workloads declare of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from wasmcloud_api.names import HOST_ALIASES_KEY, HTTP_HANDLERS
from wasmcloud_api.wire import WitInterface

from wasmcloud_host.settings import Settings

WASI_0_2: Final = "0.2.12"
WASI_0_3: Final = "0.3.0"


def _wasi(package: str, version: str, *interfaces: str) -> WitInterface:
    return WitInterface(namespace="wasi", package=package, version=version, interfaces=interfaces)


IMPORTS: Final = (
    _wasi(
        "cli",
        WASI_0_2,
        "environment",
        "exit",
        "stdin",
        "stdout",
        "stderr",
        "terminal-input",
        "terminal-output",
        "terminal-stdin",
        "terminal-stdout",
        "terminal-stderr",
    ),
    _wasi("clocks", WASI_0_2, "monotonic-clock", "wall-clock"),
    _wasi("filesystem", WASI_0_2, "preopens", "types"),
    _wasi("http", WASI_0_2, "outgoing-handler", "types"),
    _wasi("io", WASI_0_2, "error", "poll", "streams"),
    _wasi("random", WASI_0_2, "random", "insecure", "insecure-seed"),
    _wasi(
        "sockets",
        WASI_0_2,
        "instance-network",
        "ip-name-lookup",
        "network",
        "tcp",
        "tcp-create-socket",
        "udp",
        "udp-create-socket",
    ),
    _wasi(
        "cli",
        WASI_0_3,
        "environment",
        "exit",
        "stdin",
        "stdout",
        "stderr",
        "terminal-input",
        "terminal-output",
        "terminal-stdin",
        "terminal-stdout",
        "terminal-stderr",
        "types",
    ),
    _wasi("clocks", WASI_0_3, "monotonic-clock", "system-clock", "types"),
    _wasi("filesystem", WASI_0_3, "preopens", "types"),
    _wasi("http", WASI_0_3, "client", "types"),
    _wasi("random", WASI_0_3, "random", "insecure", "insecure-seed"),
    _wasi("sockets", WASI_0_3, "ip-name-lookup", "types"),
    _wasi("config", "0.2.0-rc.1", "store"),
    _wasi("keyvalue", "0.2.0-draft", "atomics", "batch", "store"),
)
"""What this host gives to components."""

WEBGPU: Final = _wasi("webgpu", "0.3.0-rc.2", "webgpu")
"""What the engine gives to components on a host that was told to offer its GPU."""

EXPORTS: Final = (
    _wasi("http", WASI_0_2, "incoming-handler"),
    _wasi("http", WASI_0_3, "handler"),
)
"""What the engine calls in components."""


@dataclass(frozen=True, slots=True)
class Route:
    """The HTTP names of a workload, in the order declared, and the path below which it answers (None: any)."""

    hosts: tuple[str, ...] = ()
    path_prefix: str | None = None


def imports_of(settings: Settings) -> tuple[WitInterface, ...]:
    """Return what components may import on a host with these settings."""
    return (*IMPORTS, WEBGPU) if settings.wasi_webgpu else IMPORTS


def missing_interfaces(declared: Iterable[WitInterface], imports: Sequence[WitInterface] = IMPORTS) -> list[str]:
    """Return the declared interfaces that neither side of this host has, as `namespace:package/interface@version`."""
    return [
        name
        for entry in declared
        for interface, name in zip(entry.interfaces or ("",), names_of(entry), strict=True)
        if not _has(entry, interface, imports)
    ]


def names_of(entry: WitInterface) -> list[str]:
    """Return the entry's interfaces as `namespace:package/interface[@version]`; the package when it names none."""
    package, version = f"{entry.namespace}:{entry.package}", f"@{entry.version}" if entry.version else ""
    return [f"{package}/{interface}{version}" for interface in entry.interfaces] or [f"{package}{version}"]


def _has(entry: WitInterface, interface: str, imports: Sequence[WitInterface]) -> bool:
    return any(
        (own.namespace, own.package) == (entry.namespace, entry.package)
        and (not interface or interface in own.interfaces)
        and (not entry.version or is_compatible(entry.version, own.version))
        for own in (*imports, *EXPORTS)
    )


def is_compatible(wanted: str, offered: str) -> bool:
    """Whether an interface of version `offered` serves one built for `wanted`, by semantic versioning.

    As wasmtime links: patch releases of 0.2 serve one another, a pre-release serves only itself.
    """
    if "-" in wanted or "-" in offered:
        return wanted == offered
    major, minor = (*wanted.split("."), "", "")[:2]
    own_major, own_minor = offered.split(".")[:2]
    return major == own_major and (major != "0" or minor == own_minor)


def route_of(declared: Sequence[WitInterface]) -> Route:
    """Return the HTTP names out of the `wasi:http` entries: config `host`, `host-aliases` and `path-prefix`.

    Raises ValueError when two entries name different path prefixes.
    """
    entries = [
        entry
        for entry in declared
        if (entry.namespace, entry.package) == ("wasi", "http") and HTTP_HANDLERS.intersection(entry.interfaces)
    ]
    names = [
        name.strip()
        for entry in entries
        for key in ("host", HOST_ALIASES_KEY)
        for name in entry.config.get(key, "").split(",")
    ]
    prefixes = {prefix for entry in entries if (prefix := entry.config.get("path-prefix", "").strip())}
    if len(prefixes) > 1:
        listed = " and ".join(sorted(prefixes))
        raise ValueError(f"hostInterfaces name different path prefixes for one workload: {listed}")
    return Route(tuple(dict.fromkeys(name for name in names if name)), prefixes.pop() if prefixes else None)
