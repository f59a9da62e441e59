"""What to type or click to reach a workload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wasmcloud_api.names import HOST_ALIASES_KEY, HTTP_HANDLERS, HostId

from wasmcloud.addresses import Address


def links_of(ready: Iterable[Mapping[str, Any]], addresses: Mapping[HostId, Address]) -> tuple[str, ...]:
    """Return a link for each HTTP name on each host that serves it: a URL, or curl when the name leads elsewhere."""
    found: dict[str, None] = {}
    for workload in ready:
        address = addresses.get(workload["status"].get("hostId", ""))
        if address is not None:
            found |= dict.fromkeys(_link(name, prefix, address) for name, prefix in _http_names(workload["spec"]))
    return tuple(found)


def _http_names(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for entry in spec.get("hostInterfaces") or ():
        if (entry["namespace"], entry["package"]) == ("wasi", "http") and not HTTP_HANDLERS.isdisjoint(
            entry["interfaces"]
        ):
            config = entry.get("config") or {}
            names = ",".join((config.get("host", ""), config.get(HOST_ALIASES_KEY, ""))).split(",")
            prefix = "/" + config.get("path-prefix", "").strip("/ ")
            yield from ((name.strip(), prefix) for name in names if name.strip())


def _link(name: str, prefix: str, address: Address) -> str:
    # RFC 6761: names under localhost lead to loopback without anybody's DNS.
    if name == "localhost" or (name.endswith(".localhost") and "*" not in name):
        return f"http://{name}:{address.port}{prefix}"
    return f"curl -H 'Host: {name.replace('*', 'any')}' http://{address.reachable}{prefix}"
