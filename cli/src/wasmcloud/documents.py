"""YAML files as decoded documents that remember where they stand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wasmcloud.complaints import BadInput

STDIN = Path("-")
"""Stands for standard input, as in kubectl."""

_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file. ``folder`` is what relative paths inside it are relative to."""

    place: str
    folder: Path
    body: Mapping[str, Any]


def manifest_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files behind what ``-f`` was given: a folder stands for the manifests directly in it, by name.

    Raises BadInput for a path that isn't there and for a folder without manifests.
    """
    return [file for path in paths for file in _files_of(path)]


def read_documents(path: Path) -> list[Document]:
    """Return every document of a file or of standard input. Raises BadInput when it isn't YAML or holds no object."""
    name = "standard input" if path == STDIN else str(path)
    folder = Path.cwd() if path == STDIN else path.resolve().parent
    bodies = list(_parsed(_text(path, name), name))
    if not bodies:
        raise BadInput(f"{name} holds no object.")
    documents = []
    for number, body in bodies:
        place = f"{name}, document {number}" if len(bodies) > 1 else name
        if not isinstance(body, dict):
            raise BadInput(
                f"{place} isn't a manifest: it holds {_named(body)} where an object with apiVersion and kind belongs."
            )
        documents.append(Document(place, folder, body))
    return documents


def _files_of(path: Path) -> list[Path]:
    if path == STDIN:
        return [path]
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
        if not found:
            raise BadInput(f"The folder {path} holds no manifest: no file in it ends in {', '.join(_SUFFIXES)}.")
        return found
    if not path.exists():
        raise BadInput(f"There is no file {path}.")
    return [path]


def _text(path: Path, name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"There is no file {name}.") from None
    except OSError as error:
        raise BadInput(f"{name} can't be read: {error.strerror or error}.") from None
    if raw.startswith(b"\0asm"):
        raise BadInput(
            f"{name} is WebAssembly; -f takes a manifest, which names the component as image: file://{path.name}."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{name} isn't YAML: it isn't even text.") from None


def _parsed(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Yield every document that isn't empty, with its number counted from 1."""
    try:
        for number, body in enumerate(yaml.load_all(text, Loader=_Loader), start=1):
            if body is not None:
                yield number, body
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise BadInput(f"{name}{where}: not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{name}: not YAML: {' '.join(str(error).split())}.") from None


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML as Kubernetes reads it: a key given twice is an error, and a date stays a string."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and shape that PyYAML reads
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key "{key_node.value}" is there twice', key_node.start_mark
                )
            if key_node.value != "<<":
                seen.add(key_node.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _named(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return f"the text {value!r}"[:60] if isinstance(value, str) else f"the value {value!r}"[:60]
