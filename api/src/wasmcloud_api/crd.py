"""CustomResourceDefinitions out of the models: `python -m wasmcloud_api.crd [--check] crds/`."""

from __future__ import annotations

import sys
from typing import Any, Final

import yaml

from wasmcloud_api.crds import KINDS, KubernetesObject
from wasmcloud_api.crds.base import Column
from wasmcloud_api.generated import settle, target
from wasmcloud_api.names import GROUP, VERSION

Schema = dict[str, Any]

_KEPT: Final = (
    "type",
    "format",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "required",
)
_SERVER_FIELDS: Final[Schema] = {
    "apiVersion": {"type": "string", "description": f"Group and version of this object's schema: {GROUP}/{VERSION}."},
    "metadata": {"type": "object"},
}


def structural(schema: Schema, definitions: Schema) -> Schema:
    """Return pydantic's JSON schema in the form Kubernetes asks for: no references, no unions with null, no titles."""
    if "$ref" in schema:
        definition = definitions[schema["$ref"].rpartition("/")[2]]
        return structural(definition | {key: value for key, value in schema.items() if key != "$ref"}, definitions)
    if "anyOf" in schema and not schema.get("x-kubernetes-int-or-string"):
        (choice,) = [option for option in schema["anyOf"] if option != {"type": "null"}]
        return structural(choice | {key: value for key, value in schema.items() if key != "anyOf"}, definitions)
    out = {key: value for key, value in schema.items() if key in _KEPT or key.startswith("x-kubernetes-")}
    if "description" in schema:
        out["description"] = " ".join(schema["description"].split())
    if schema.get("default") and isinstance(schema["default"], str | int):
        # Zeros and empty containers mean the same as absence and stay out of objects.
        out["default"] = schema["default"]
    if schema.get("x-kubernetes-int-or-string"):
        out["anyOf"] = schema["anyOf"]
    if schema.get("properties"):
        out["properties"] = {name: structural(field, definitions) for name, field in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            out[key] = structural(schema[key], definitions)
    return out


def schema_of(kind: type[KubernetesObject]) -> Schema:
    """Return the structural schema of a kind."""
    raw = kind.model_json_schema()
    schema = structural(raw, raw.get("$defs", {}))
    name = {"type": "string", "description": f"Kind of this object: {kind.__name__}."}
    schema["properties"] |= _SERVER_FIELDS | {"kind": name}
    return schema


def crd_of(kind: type[KubernetesObject]) -> Schema:
    """Return the CustomResourceDefinition of a kind."""
    definition = kind.definition
    names: Schema = {
        "kind": kind.__name__,
        "listKind": f"{kind.__name__}List",
        "plural": definition.plural,
        "singular": definition.singular,
    }
    if definition.short_names:
        names["shortNames"] = list(definition.short_names)
    subresources: Schema = {"status": {}}
    if scale := definition.scale:
        subresources["scale"] = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": scale.status_path}
        if scale.selector_path:
            subresources["scale"]["labelSelectorPath"] = scale.selector_path
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in definition.columns],
        "schema": {"openAPIV3Schema": schema_of(kind)},
        "subresources": subresources,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _column(column: Column) -> Schema:
    return {"name": column.name, "type": column.type, "jsonPath": column.path}


class _Plain(yaml.SafeDumper):
    """Writes repeated parts out in full: kubectl reads YAML anchors, people don't."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def files() -> dict[str, str]:
    """Return the text of each file in crds/ by its name."""
    head = "# Generated from api/src/wasmcloud_api/crds; to change it: python -m wasmcloud_api.crd crds/\n"
    return {
        f"{kind.definition.plural}.yaml": head + yaml.dump(crd_of(kind), Dumper=_Plain, sort_keys=True, width=120)
        for kind in KINDS
    }


def main(arguments: list[str]) -> int:
    """Write the files into the folder given; with `--check` only compare. Returns the exit code."""
    given = target(arguments, "python -m wasmcloud_api.crd [--check] crds/")
    if given is None:
        return 2
    folder, check = given
    texts = {folder / name: text for name, text in files().items()}
    left_over = frozenset(folder.glob("*.yaml")) - texts.keys()
    return settle(texts, f"python -m wasmcloud_api.crd {folder}", check=check, left_over=left_over)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
