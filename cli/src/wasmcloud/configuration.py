"""ConfigMaps and Secrets in manifests: checked as strictly as our own kinds."""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

_FIELDS = {
    "ConfigMap": ("apiVersion", "kind", "metadata", "data", "binaryData", "immutable"),
    "Secret": ("apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable"),
}
_METADATA = ("name", "namespace", "labels", "annotations")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def configuration_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each thing that is wrong with a ConfigMap or a Secret. Never quotes a value."""
    kind = body["kind"]
    if body.get("apiVersion") != "v1":
        yield f"apiVersion of a {kind} must be v1."
    yield from _unknown("", body, _FIELDS[kind])
    yield from _metadata_problems(body.get("metadata"))
    if body.get("binaryData"):
        yield "binaryData can't be given to a workload, whose configuration is text; use data."
    for field in ("data", "stringData"):
        yield from _entry_problems(field, body.get(field), is_base64=kind == "Secret" and field == "data")


def _metadata_problems(metadata: object) -> Iterator[str]:
    if not isinstance(metadata, dict):
        yield "metadata.name is missing."
        return
    yield from _unknown("metadata.", metadata, _METADATA)
    for field in ("name", "namespace"):
        value = metadata.get(field, "default" if field == "namespace" else None)
        if value is None:
            yield f"metadata.{field} is missing."
        elif not isinstance(value, str) or not _NAME.fullmatch(value):
            yield f"metadata.{field} must be lower-case letters, digits, '-' and '.', a letter or digit at both ends."


def _entry_problems(field: str, entries: object, *, is_base64: bool) -> Iterator[str]:
    if entries is None:
        return
    if not isinstance(entries, dict):
        yield f"{field} must be a map from names to text."
        return
    for name, value in entries.items():
        if not isinstance(name, str) or not _KEY.fullmatch(name):
            yield f"{field}: the name {name!r} may hold letters, digits, '-', '_' and '.' only."
        elif not isinstance(value, str):
            yield f"{field}.{name} is not text; put the value in quotes."
        elif is_base64 and not _is_base64_text(value):
            yield f"{field}.{name} must be base64 of UTF-8 text; plain text belongs under stringData."


def _is_base64_text(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True).decode()
    except ValueError:
        return False
    return True


def _unknown(prefix: str, mapping: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    for field in mapping:
        if field not in known:
            near = difflib.get_close_matches(str(field), known, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(known)}."
            yield f"{prefix}{field}: unknown field{hint}"
