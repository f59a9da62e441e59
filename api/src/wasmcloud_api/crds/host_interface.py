"""The host interfaces of a workload and the rules over their list."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from wasmcloud_api.crds.base import Resource, Rule
from wasmcloud_api.crds.shared import LocalObjectReference

INTERFACE_NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]*$"


class ConfigLayer(Resource):
    """Settings in layers; a later layer wins: `config`, then `configFrom` in order, then `secretFrom` in order."""

    config: dict[str, str] = Field(default_factory=dict)
    """Settings, inline."""
    config_from: tuple[LocalObjectReference, ...] = ()
    """ConfigMaps whose keys are settings."""
    secret_from: tuple[LocalObjectReference, ...] = ()
    """Secrets whose keys are settings."""


class HostInterface(ConfigLayer):
    """Interfaces of one WIT package that the host provides to the workload, with their settings."""

    namespace: Annotated[str, Field(min_length=1, max_length=128)]
    """WIT namespace, such as `wasi`."""
    package: Annotated[str, Field(min_length=1, max_length=128)]
    """WIT package, such as `keyvalue`."""
    interfaces: Annotated[tuple[str, ...], Field(min_length=1)]
    """Interfaces of the package, such as `store`."""
    version: Annotated[str, Field(max_length=64)] = ""
    """Version of the package; any that the host has when empty."""
    name: Annotated[str, Field(max_length=64, pattern=INTERFACE_NAME_PATTERN)] = ""
    """Tells several entries of one package apart; components open the entry by this name."""


NO_DUPLICATES: Final = Rule(
    cel=(
        "self.all(a, self.exists_one(b, a.__namespace__ == b.__namespace__ && a.__package__ == b.__package__"
        " && (has(a.name) ? a.name : '') == (has(b.name) ? b.name : '')"
        " && (has(a.version) ? a.version : '') == (has(b.version) ? b.version : '')))"
    ),
    message="hostInterfaces must not contain duplicate entries with the same namespace, package, name, and version",
)
ONE_UNNAMED: Final = Rule(
    cel=(
        "self.all(a, (has(a.name) && a.name != '') || self.exists_one(b, a.__namespace__ == b.__namespace__"
        " && a.__package__ == b.__package__ && !(has(b.name) && b.name != '')))"
    ),
    message=(
        "at most one unnamed hostInterface is allowed per namespace:package; set a unique name to disambiguate"
        " multiple imports of the same package"
    ),
)


def _check(interfaces: tuple[HostInterface, ...]) -> tuple[HostInterface, ...]:
    if len({(i.namespace, i.package, i.name, i.version) for i in interfaces}) < len(interfaces):
        raise ValueError(NO_DUPLICATES.message)
    unnamed = Counter((i.namespace, i.package) for i in interfaces if not i.name)
    if any(count > 1 for count in unnamed.values()):
        raise ValueError(ONE_UNNAMED.message)
    return interfaces


_RULES: Final = {
    "x-kubernetes-validations": [{"rule": rule.cel, "message": rule.message} for rule in (NO_DUPLICATES, ONE_UNNAMED)]
}
HostInterfaces = Annotated[
    tuple[HostInterface, ...], Field(max_length=64, json_schema_extra=_RULES), AfterValidator(_check)
]
