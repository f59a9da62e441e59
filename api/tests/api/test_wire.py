"""The NATS messages: literal payloads of both sides, properties of the encoding, and whatever else may arrive."""

from __future__ import annotations

import contextlib
import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_api import wire
from wasmcloud_api.wire.codec import REVEAL

from .wire_cases import CANONICAL, EQUAL_IN_MEANING, REFUSED, START
from .wire_messages import MESSAGES

KINDS: list[type[wire.Message]] = [
    wire.HostHeartbeat,
    wire.WorkloadStartRequest,
    wire.WorkloadStopRequest,
    wire.WorkloadStatusRequest,
    wire.WorkloadStartResponse,
    wire.WorkloadStopResponse,
    wire.WorkloadStatusResponse,
    wire.WorkloadListResponse,
]


@pytest.mark.parametrize(("message", "canonical"), CANONICAL, ids=[type(message).__name__ for message, _ in CANONICAL])
def test_it_writes_and_reads_canonical_json(message: wire.Message, canonical: str) -> None:
    assert json.loads(wire.encode(message)) == json.loads(canonical)
    assert wire.decode(type(message), canonical.encode()) == message


@pytest.mark.parametrize(("kind", "given_text", "canonical"), EQUAL_IN_MEANING)
def test_tolerant_input(kind: type[wire.Message], given_text: str, canonical: str) -> None:
    message = wire.decode(kind, given_text.encode())
    assert message == wire.decode(kind, canonical.encode())
    assert wire.decode(kind, wire.encode(message)) == message


@pytest.mark.parametrize(("kind", "payload", "sentence"), REFUSED, ids=[text[:70] for _, text, _ in REFUSED])
def test_what_is_no_such_message_is_refused_with_a_sentence(
    kind: type[wire.Message], payload: str, sentence: str
) -> None:
    with pytest.raises(wire.WireError) as refused:
        wire.decode(kind, payload.encode())
    assert str(refused.value).startswith(f"{kind.__name__}: {sentence}")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(wire.WireError, match="not JSON"):
        wire.decode(wire.HostHeartbeat, b"\xff\xfe")


def test_unknown_fields_are_ignored_and_told_with_their_paths() -> None:
    payload = (
        '{"workloadId":"u","traceId":"1","workload":{"labels":{"a":"b"},"annotations":{"kept":"1"},'
        '"witWorld":{"components":[{"image":"x"},{"image":"y","gpu":{"count":1}}]},"volumes":[{"size":1}]}}'
    )
    told: list[str] = []
    message = wire.decode(wire.WorkloadStartRequest, payload.encode(), on_unknown=told.append)
    assert told == ["traceId", "workload.labels", "workload.witWorld.components.gpu", "workload.volumes.size"]
    assert b"gpu" not in wire.encode(message)


@pytest.mark.parametrize("text", [repr(START), str(START), f"{START.workload.wit_world.components}"])
def test_a_password_never_shows(text: str) -> None:
    assert "robot" in text
    assert "hunter2" not in text


def test_a_password_shows_in_encode_alone() -> None:
    assert b"hunter2" in wire.encode(START)
    assert "hunter2" not in START.model_dump_json()
    assert "hunter2" not in repr(START.model_dump())


@pytest.mark.parametrize("value", ["hello", "info", "web.example"])
def test_settings_may_be_secret_and_never_show(value: str) -> None:
    assert value in wire.encode(START).decode()
    assert value not in repr(START)


def test_an_error_shows_nothing_of_the_payload() -> None:
    payload = (
        '{"workloadId":"u","workload":{"service":{"imagePullSecret":{"password":["hunter2"]},"maxRestarts":"hunter3"}}}'
    )
    with pytest.raises(wire.WireError) as refused:
        wire.decode(wire.WorkloadStartRequest, payload.encode())
    shown = "".join(traceback.format_exception(refused.value))
    assert "imagePullSecret.password" in shown
    assert "hunter" not in shown


@given(MESSAGES)
def test_what_was_encoded_decodes_to_itself(message: wire.Message) -> None:
    told: list[str] = []
    assert wire.decode(type(message), wire.encode(message), on_unknown=told.append) == message
    assert told == []


@given(MESSAGES)
def test_snake_case_with_every_default_written_out_means_the_same(message: wire.Message) -> None:
    spelled_out = message.model_dump_json(context=REVEAL).encode()
    told: list[str] = []
    assert wire.decode(type(message), spelled_out, on_unknown=told.append) == message
    assert told == []


@given(MESSAGES)
def test_output_is_strict(message: wire.Message) -> None:
    check_strict(json.loads(wire.encode(message)), message)


UINT64_FIELDS = {"systemMemoryTotal", "systemMemoryFree", "componentCount", "workloadCount", "maxRestarts"}


def check_strict(value: Any, message: wire.Message) -> None:
    """Every key is the lowerCamelCase name of a field, nothing is null, and 64-bit integers are strings."""
    names = {info.alias: name for name, info in type(message).model_fields.items()}
    for key, field in value.items():
        assert key in names
        assert "_" not in key
        assert field is not None
        if key in UINT64_FIELDS:
            assert isinstance(field, str)
        inner = getattr(message, names[key])
        if isinstance(inner, wire.Message):
            check_strict(field, inner)
        elif isinstance(inner, tuple):
            for item, part in zip(field, inner, strict=True):
                if isinstance(part, wire.Message):
                    check_strict(item, part)


@given(kind=st.sampled_from(KINDS), payload=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_wire_error(kind: type[wire.Message], payload: bytes) -> None:
    with contextlib.suppress(wire.WireError):
        wire.decode(kind, payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(message=MESSAGES, value=JSON, data=st.data())
def test_a_message_with_any_value_in_any_place_is_a_message_or_a_wire_error(
    message: wire.Message, value: Any, data: st.DataObject
) -> None:
    document = json.loads(wire.encode(message))
    here, key = (
        document,
        data.draw(st.sampled_from(sorted(info.alias or "" for info in type(message).model_fields.values()))),
    )
    while isinstance(here.get(key), dict) and here[key] and data.draw(st.booleans()):
        here = here[key]
        key = data.draw(st.sampled_from(sorted(here)))
    here[key] = value
    with contextlib.suppress(wire.WireError):
        wire.encode(wire.decode(type(message), json.dumps(document).encode()))
