"""proto3's canonical JSON on pydantic models: strict on the way out, tolerant on the way in.

The rules are protobuf's JSON mapping: lowerCamelCase out, snake_case accepted too; 64-bit integers are strings out,
numbers accepted too; enums by name out, numbers accepted too; null and absence mean the default. Unknown fields are
ignored and reported to a hook. NaN and infinities are refused: no message has a use for them.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SecretStr,
    SerializationInfo,
    StrictBool,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from wasmcloud_api.field_path import field_path


class WireError(ValueError):
    """A payload that is not the message it should be; the text is one sentence without any value of the payload."""


class Message(BaseModel):
    """Base of all messages: frozen, null counts as absent, errors never show the input."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, value: Any) -> Any:
        if isinstance(value, dict) and None in value.values():
            return {key: field for key, field in value.items() if field is not None}
        return value


_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")


def _integer(lowest: int, highest: int) -> BeforeValidator:
    """Return a validator for an integer that may come as a number or as a string, as protobuf allows."""
    problem = f"must be an integer from {lowest} to {highest}"

    def check(value: object) -> int:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = Decimal(value)
        if isinstance(value, float) and math.isfinite(value):
            value = Decimal(value)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError(problem)
        if not lowest <= value <= highest or value != int(value):
            raise ValueError(problem)
        return int(value)

    return BeforeValidator(check)


def _float32(value: object) -> float:
    """Return the nearest value that the other side's field, a 32-bit float, can hold."""
    problem = "must be a finite number that a 32-bit float can hold"
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(problem)
    try:
        rounded = float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        raise ValueError(problem) from None
    if not math.isfinite(rounded):
        raise ValueError(problem)
    return rounded


def _timestamp(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("must be a time in RFC 3339 with a time zone, such as 2026-01-31T12:00:00Z")


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time from the year 1 to the year 9999 in UTC") from None


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


REVEAL: Final = object()
"""Serialization context under which secrets are written as they are; `encode` alone uses it."""


def _secret(value: SecretStr, info: SerializationInfo) -> str:
    return value.get_secret_value() if info.context is REVEAL else str(value)


_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

Int32 = Annotated[int, _integer(-(2**31), 2**31 - 1)]
UInt32 = Annotated[int, _integer(0, 2**32 - 1)]
UInt64 = Annotated[int, _integer(0, 2**64 - 1), PlainSerializer(str, return_type=str, when_used="json")]
Float = Annotated[float, BeforeValidator(_float32)]
Bool = StrictBool
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_timestamp),
    AfterValidator(_utc),
    PlainSerializer(_rfc3339, return_type=str, when_used="json"),
]
Secret = Annotated[SecretStr, PlainSerializer(_secret, return_type=str)]
"""A string that shows as asterisks everywhere but in `encode`."""


class ProtoEnum(StrEnum):
    """An enum whose members are in the order of their numbers, counted from 0; values are the protobuf names."""

    @classmethod
    def _missing_(cls, value: object) -> ProtoEnum | None:
        members = list(cls)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(members):
            return members[value]
        return None


def proto_enum(kind: type[ProtoEnum]) -> BeforeValidator:
    """Return a validator for an enum that may come by name or by number."""

    def check(value: object) -> ProtoEnum:
        try:
            return kind(cast("str", value))
        except ValueError:
            raise ValueError(f"must be the name or number of a {kind.__name__}") from None

    return BeforeValidator(check)


M = TypeVar("M", bound=Message)


def decode(kind: type[M], payload: bytes, *, on_unknown: Callable[[str], None] | None = None) -> M:
    """Return the message in a payload; `on_unknown` is called with the path of each field that was ignored.

    Paths name no list positions, so that occurrences of a field can be counted together.
    Raises WireError for anything else, whatever the bytes are.
    """
    try:
        value = from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise WireError(f"{kind.__name__}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise WireError(f"{kind.__name__}: must be a JSON object")
    try:
        message = kind.model_validate(value)
    except ValidationError as error:
        problems = (
            f"{field_path(item['loc']) or 'message'}: {_sentence(item['msg'])}"
            for item in error.errors(include_input=False)
        )
        raise WireError(f"{kind.__name__}: {'; '.join(problems)}") from None
    if on_unknown is not None:
        for path in _unknown(value, message, ""):
            on_unknown(path)
    return message


def encode(message: Message) -> bytes:
    """Return a message as canonical JSON; fields that equal their default are left out."""
    return message.model_dump_json(by_alias=True, exclude_defaults=True, context=REVEAL).encode()


def _sentence(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _unknown(value: object, parsed: object, path: str) -> Iterator[str]:
    """Yield the paths of fields in the JSON that the parsed message has no place for."""
    if isinstance(parsed, Message) and isinstance(value, dict):
        names = {key: name for name, info in type(parsed).model_fields.items() for key in (name, info.alias)}
        for key, field in value.items():
            if key not in names:
                yield f"{path}{key}"
            else:
                yield from _unknown(field, getattr(parsed, names[key]), f"{path}{key}.")
    elif isinstance(parsed, tuple) and isinstance(value, list):
        for item, message in zip(value, parsed, strict=True):
            yield from _unknown(item, message, path)
