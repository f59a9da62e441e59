"""The chart's objects for some values, and how to look into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from ground.helm import CHART, helm

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What `helm template` gave, hooks included."""

    objects: list[JsonObject]

    def names(self, kind: str) -> list[str]:
        """Namespace/name of all objects of a kind, sorted."""
        found = [o["metadata"] for o in self.objects if o["kind"] == kind]
        return sorted(f"{m.get('namespace', '')}/{m['name']}" for m in found)

    def one(self, kind: str, name: str, namespace: str = "default") -> JsonObject:
        """The object; fails where there is none."""
        for candidate in self.objects:
            metadata = candidate["metadata"]
            if (candidate["kind"], metadata["name"]) == (kind, name) and metadata.get(
                "namespace", namespace
            ) == namespace:
                return candidate
        raise AssertionError(f"no {kind} {namespace}/{name}; there are {self.names(kind)}")

    def text(self) -> str:
        """All objects for kubectl."""
        return yaml.safe_dump_all(self.objects)


def render(
    values: Mapping[str, Any] | None = None, *, release: str = "wasmcloud", namespace: str = "default"
) -> Rendered:
    """Render the chart; nobody may change what comes back. Raises HelmError where the values are refused."""
    return _render(json.dumps(values or {}, sort_keys=True), release, namespace)


@cache
def _render(values: str, release: str, namespace: str) -> Rendered:
    text = helm("template", release, str(CHART), "--namespace", namespace, "--values", "-", stdin=values)
    return Rendered([document for document in yaml.load_all(text, yaml.CSafeLoader) if document])


def nested(path: str, value: object) -> JsonObject:
    """The values that set one path: `a.b` and 1 give {"a": {"b": 1}}."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def merged(*layers: Mapping[str, Any]) -> JsonObject:
    """Maps merged, later layers win."""
    out: JsonObject = {}
    for layer in layers:
        for key, value in layer.items():
            both_maps = isinstance(value, Mapping) and isinstance(out.get(key), dict)
            out[key] = merged(out[key], value) if both_maps else value
    return out


def container(workload: JsonObject, name: str | None = None) -> JsonObject:
    """A container of a Deployment, DaemonSet or StatefulSet; the first without a name."""
    containers: list[JsonObject] = workload["spec"]["template"]["spec"]["containers"]
    return next(c for c in containers if name is None or c["name"] == name)


def environment(workload: JsonObject, name: str | None = None) -> dict[str, Any]:
    """A container's variables: the value, or where it comes from. A later one wins, as in Kubernetes."""
    return {e["name"]: e.get("value", e.get("valueFrom")) for e in container(workload, name).get("env", [])}
