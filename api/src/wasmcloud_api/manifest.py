"""Manifests as people write them, judged as strictly as `kubectl apply` does, in sentences."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from wasmcloud_api import egress
from wasmcloud_api.crds import KINDS, KubernetesObject
from wasmcloud_api.crds.artifact import DURATION_PATTERN
from wasmcloud_api.crds.base import DNS_LABEL_PATTERN, DNS_SUBDOMAIN_PATTERN, LABEL_VALUE_PATTERN
from wasmcloud_api.crds.host_interface import INTERFACE_NAME_PATTERN
from wasmcloud_api.field_path import field_path
from wasmcloud_api.names import API_VERSION

_KINDS: Final = {kind.__name__: kind for kind in KINDS}


class ManifestError(ValueError):
    """A document that is no valid object; `problems` has one sentence for each thing that is wrong."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def parse(document: object) -> KubernetesObject:
    """Return the object that a parsed YAML document describes. Raises ManifestError."""
    if not isinstance(document, Mapping):
        raise ManifestError((f"a manifest must be a mapping, not {_yaml_type(document)}",))
    kind = _kind_of(document)
    try:
        parsed = kind.model_validate(document, extra="forbid")
    except ValidationError as error:
        raise ManifestError(tuple(_sentence(kind, item) for item in _independent(error.errors()))) from None
    if not parsed.metadata.name and not parsed.metadata.generate_name:
        raise ManifestError(("metadata.name: required",))
    return parsed


def _kind_of(document: Mapping[Any, Any]) -> type[KubernetesObject]:
    if document.get("apiVersion") != API_VERSION:
        raise ManifestError((f'apiVersion: must be "{API_VERSION}"{_found(document, "apiVersion")}',))
    name = document.get("kind")
    if not isinstance(name, str) or name not in _KINDS:
        hint = _did_you_mean(str(name), list(_KINDS)) or f"; must be one of {', '.join(_KINDS)}"
        raise ManifestError((f"kind: unknown kind{_found(document, 'kind')}{hint}",))
    return _KINDS[name]


def _found(document: Mapping[Any, Any], key: str) -> str:
    return f', found "{document[key]}"' if document.get(key) is not None else ", found none"


def _independent(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the errors without those over a list's length that come of its bad items not being counted."""
    parents = {error["loc"][:-1] for error in errors}
    return [error for error in errors if error["type"] != "too_short" or error["loc"] not in parents]


def _sentence(kind: type[BaseModel], error: Mapping[str, Any]) -> str:
    """Return pydantic's error as `path: what is wrong`."""
    location, what = error["loc"], error["type"]
    path = field_path(location)
    if what == "extra_forbidden":
        return f"{path}: unknown field{_did_you_mean(str(location[-1]), _field_names(kind, location[:-1]))}"
    if what == "missing":
        return f"{path}: required"
    if what in _EXPECTED:
        return f"{path}: must be {_EXPECTED[what]}, found {_found_instead(what, error['input'])}"
    if what == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return f'{path}: "{error["input"]}" must be {_PATTERNS.get(pattern, f"text that matches {pattern}")}'
    if what in {"too_short", "too_long"}:
        bound = "at least {min_length}" if what == "too_short" else "at most {max_length}"
        return f"{path}: must have {bound.format_map(error['ctx'])} item(s)"
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    if text.startswith("["):
        return path + text
    return f"{path}: {text.replace('should', 'must', 1)}"


_EXPECTED: Final = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "a boolean",
}
_PATTERNS: Final = {
    egress.ALLOWED_HOST_PATTERN: "`*`, `host[:port]` or `*.suffix[:port]`, with or without `http://` or `https://`",
    egress.IP_NAME_LOOKUP_PATTERN: "`*`, `*.suffix`, a name or an IP address, without scheme, port or path",
    egress.LOOPBACK_PORT_PATTERN: "a port from 1 to 65535, with or without `/tcp` or `/udp`",
    DNS_LABEL_PATTERN: "lower-case letters, digits and `-`, with a letter or digit at both ends",
    DNS_SUBDOMAIN_PATTERN: "lower-case letters, digits, `-` and `.`, with a letter or digit at both ends",
    LABEL_VALUE_PATTERN: "letters, digits, `-`, `_` and `.`, with a letter or digit at both ends",
    INTERFACE_NAME_PATTERN: "lower-case letters, digits and `-`, with a letter or digit first",
    DURATION_PATTERN: "a duration such as `30s`, `5m` or `1h30m`",
}


def _found_instead(what: str, value: object) -> str:
    hint = "; quote it" if what == "string_type" and isinstance(value, bool | int | float) else ""
    return _yaml_type(value) + hint


def _field_names(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the names of the fields that the object at this location may have."""
    here: type[BaseModel] | None = kind
    for step in location:
        if isinstance(step, str) and here is not None:
            annotation = next((info.annotation for info in here.model_fields.values() if info.alias == step), None)
            here = _model_in(annotation)
    return [info.alias or name for name, info in here.model_fields.items()] if here else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field's type is or holds: `Model`, `Model | None`, `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _did_you_mean(name: str, names: list[str]) -> str:
    lower = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    return f'; did you mean "{lower[near[0]]}"?' if near else ""


def _yaml_type(value: object) -> str:
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a mapping",
    }
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
