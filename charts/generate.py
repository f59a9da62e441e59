"""What of the chart is made from other files: its copy of the CustomResourceDefinitions, and docs/values.md.

    python charts/generate.py            writes them
    python charts/generate.py --check    fails when they are out of date

Helm reads nothing outside of the chart's folder, hence the copy.
"""
# ruff: noqa: INP001  # no package: run by make

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).parent
ROOT = CHART.parent
MARK = "# -- "
HEADER = """# Values of the chart

Generated from `charts/values.yaml`; to change it: `make generate`.

What stands under `runtime` but `hostGroups` is the default of every host group: an entry of `runtime.hostGroups` may
set each of these itself, beside its `name` and `namespace`. Maps are merged, a list of the group replaces the default;
`env`, `envFrom` and `extraArgs` are added to it, and `null` takes it away where a value may be left out, such as
`resources.limits.memory`. A name that isn't here is an error.
"""


@dataclass(frozen=True, slots=True)
class Value:
    """A value's path, what its comment says, and its default."""

    path: str
    comment: str
    default: object


def documented_values(text: str) -> list[Value]:
    """Return all values of a values.yaml, in its order. Raises ValueError for one without a comment."""
    lines = text.splitlines()
    defaults = yaml.safe_load(text)
    root = yaml.compose(text, yaml.SafeLoader)
    assert root is not None, "values.yaml is empty"  # noqa: S101
    return list(_walk(root, defaults, (), lines))


def _walk(node: yaml.Node, default: object, path: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    if not isinstance(node, yaml.MappingNode) or not isinstance(default, dict) or not node.value:
        raise ValueError(f"values.yaml: {'.'.join(path)} has no comment that begins with {MARK!r}")
    for key, value in node.value:
        below = (*path, key.value)
        above = lines[key.start_mark.line - 1].strip() if key.start_mark.line else ""
        if above.startswith(MARK):
            yield Value(".".join(below), above.removeprefix(MARK), default[key.value])
        else:
            yield from _walk(value, default[key.value], below, lines)


def reference(values: list[Value]) -> str:
    """Return the text of docs/values.md."""
    parts, section = [HEADER], None
    for value in values:
        top = value.path.partition(".")[0]
        heading = top if "." in value.path else "The release"
        if heading != section:
            section = heading
            parts.append(f"\n## {heading}\n\n| value | default | |\n|---|---|---|\n")
        default = json.dumps(value.default).replace("|", "\\|")
        parts.append(f"| `{value.path}` | `{default}` | {value.comment.replace('|', chr(92) + '|')} |\n")
    return "".join(parts)


def wanted() -> dict[Path, str]:
    """Return the generated files and what they should hold."""
    files = {CHART / "files" / "crds" / crd.name: crd.read_text() for crd in sorted((ROOT / "crds").glob("*.yaml"))}
    files[ROOT / "docs" / "values.md"] = reference(documented_values((CHART / "values.yaml").read_text()))
    return files


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    files = wanted()
    stale = [path for path in (CHART / "files" / "crds").glob("*") if path not in files]
    changed = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale + changed:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `make generate`\n")
        return 1 if stale or changed else 0
    for path in stale:
        path.unlink()
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
