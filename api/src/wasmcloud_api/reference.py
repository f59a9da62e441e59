"""The API reference for people: `python -m wasmcloud_api.reference [--check] docs/api.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from wasmcloud_api.crd import Schema, schema_of
from wasmcloud_api.crds import KINDS, KubernetesObject
from wasmcloud_api.generated import settle, target
from wasmcloud_api.names import API_VERSION

TEMPLATE_SPEC = "spec.template.spec"


def markdown() -> str:
    """Return the text of docs/api.md."""
    lines = [
        "# Kubernetes API",
        "",
        "Generated from `api/src/wasmcloud_api/crds`; to change it: `python -m wasmcloud_api.reference docs/api.md`.",
        "",
        f"All kinds are of `{API_VERSION}` and namespaced. A field marked * must be set.",
        "`kubectl explain` says the same.",
    ]
    for kind in KINDS:
        lines += _section(kind)
    return "\n".join(lines) + "\n"


def _section(kind: type[KubernetesObject]) -> list[str]:
    schema = schema_of(kind)
    names = ", ".join(f"`{name}`" for name in (kind.definition.plural, *kind.definition.short_names))
    return [
        "",
        f"## {kind.__name__}",
        "",
        schema["description"],
        "",
        f"For kubectl: {names}.",
        "",
        "| field | type | meaning |",
        "|---|---|---|",
        *(f"| `{path}`{mark} | {_type(field)} | {_meaning(field)} |" for path, mark, field in _fields(schema)),
        *_rules(schema),
    ]


def _fields(schema: Schema, parent: str = "") -> Iterator[tuple[str, str, Schema]]:
    """Yield (path, mark, schema) of each field, as the model has them; a template's spec is left to Workload."""
    for name, field in schema.get("properties", {}).items():
        path = f"{parent}.{name}".lstrip(".")
        if path in {"apiVersion", "kind", "metadata"}:
            continue
        yield path, "*" if name in schema.get("required", ()) else "", field
        if path != TEMPLATE_SPEC:
            yield from _fields(field.get("items", field), path + ("[]" if "items" in field else ""))


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "number or percentage"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "items" in field:
        return f"list of {_type(field['items'])}"
    if "additionalProperties" in field:
        return f"map to {_type(field['additionalProperties'])}"
    return str(field.get("format") or field["type"])


def _meaning(field: Schema) -> str:
    facts = [field["description"].replace("|", "\\|")]
    if "default" in field:
        facts.append(f"Default `{field['default']}`.")
    for key, text in (("minimum", "At least"), ("maximum", "At most")):
        if key in field and abs(field[key]) not in {0, 2**31 - 1}:
            facts.append(f"{text} {field[key]}.")
    return " ".join(facts)


def _rules(schema: Schema) -> list[str]:
    """Return the rules over several fields, as a list under the table."""
    found = [
        f"- `{path}`: {rule['message']}."
        for path, _, field in _fields(schema)
        for node in (field, field.get("items", {}))
        for rule in node.get("x-kubernetes-validations", ())
    ]
    return ["", "Rules:", "", *found] if found else []


def main(arguments: list[str]) -> int:
    """Write the reference to the path given; with `--check` only compare. Returns the exit code."""
    given = target(arguments, "python -m wasmcloud_api.reference [--check] docs/api.md")
    if given is None:
        return 2
    path, check = given
    return settle({path: markdown()}, f"python -m wasmcloud_api.reference {path}", check=check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
