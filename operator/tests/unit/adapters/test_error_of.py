"""What an API server's refusals mean to the engine."""

from __future__ import annotations

import json

import pytest
from wasmcloud_operator.adapters.kubernetes_api import error_of
from wasmcloud_operator.engine.ports import AlreadyExists, ClusterError, Conflict, NotFound, Rejected, Unavailable

RBAC = 'workloads is forbidden: User "operator" cannot patch resource "workloads" in API group "x" in namespace "a"'
QUOTA = 'workloads "a" is forbidden: exceeded quota: small, requested: count=1, used: count=5, limited: count=5'
TERMINATING = 'workloads "a" is forbidden: unable to create new content in namespace b because it is being terminated'


@pytest.mark.parametrize(
    ("status", "reason", "message", "expected"),
    [
        (400, "BadRequest", "no", Rejected),
        (401, "Unauthorized", "Unauthorized", Unavailable),
        (403, "Forbidden", RBAC, Unavailable),
        (403, "Forbidden", QUOTA, Rejected),
        (403, "Forbidden", TERMINATING, Rejected),
        (404, "NotFound", 'workloads "a" not found', NotFound),
        (405, "MethodNotAllowed", "no", Rejected),
        (408, "Timeout", "slow", Unavailable),
        (409, "AlreadyExists", 'workloads "a" already exists', AlreadyExists),
        (409, "Conflict", "the object has been modified", Conflict),
        (410, "Expired", "the continue parameter is too old", Unavailable),
        (413, "RequestEntityTooLarge", "large", Rejected),
        (422, "Invalid", "spec.replicas: Invalid value", Rejected),
        (429, "TooManyRequests", "busy", Unavailable),
        (500, "InternalError", "etcdserver: leader changed", Unavailable),
        (503, "ServiceUnavailable", "starting", Unavailable),
        (504, "Timeout", "slow", Unavailable),
    ],
)
def test_statuses(status: int, reason: str, message: str, expected: type[ClusterError]) -> None:
    content = json.dumps({"kind": "Status", "reason": reason, "message": message}).encode()
    error = error_of("PATCH /x", status, content, None)
    assert type(error) is expected
    assert str(error) == f"PATCH /x: {status} {message}"


def test_another_uid_is_not_found() -> None:
    causes = [{"field": "metadata.uid", "message": "field is immutable"}]
    content = json.dumps({"reason": "Invalid", "message": "m", "details": {"causes": causes}}).encode()
    assert type(error_of("PATCH /x", 422, content, None)) is NotFound


@pytest.mark.parametrize(
    ("header", "after_s"), [("7", 7.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]
)
def test_retry_after(header: str | None, after_s: float | None) -> None:
    error = error_of("GET /x", 429, b"{}", header)
    assert isinstance(error, Unavailable)
    assert error.after_s == after_s


@pytest.mark.parametrize("content", [b"", b"<html>bad gateway</html>", b"[]", b"null", b"\xff\xfe", b'"text"'])
def test_answers_that_are_no_status(content: bytes) -> None:
    assert type(error_of("GET /x", 502, content, None)) is Unavailable
    assert type(error_of("GET /x", 422, content, None)) is Rejected
