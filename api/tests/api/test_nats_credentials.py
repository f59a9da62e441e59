"""Credentials files for NATS: what can't be one is told in a sentence that holds nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from wasmcloud_api.nats_credentials import CredentialsError, read_credentials

JWT = "-----BEGIN NATS USER JWT-----\neyJ0.body.mark\n------END NATS USER JWT------\n"
SEED = "-----BEGIN USER NKEY SEED-----\nSUASEED\n------END USER NKEY SEED------\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{JWT}\n*** keep it ***\n\n{SEED}",
        f"{JWT}{SEED}".replace("\n", "\r\n"),
        f"{SEED}{JWT}",
        JWT + SEED.partition("\n---")[0],
    ],
)
def test_what_nsc_and_editors_write_is_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "user.creds"
    file.write_bytes(text.encode())
    read = read_credentials(file)
    assert "-----BEGIN NATS USER JWT-----\neyJ0.body.mark\n" in read
    assert "-----BEGIN USER NKEY SEED-----\nSUASEED\n" in read


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", 'has no part "NATS USER JWT"'),
        (SEED.encode(), 'has no part "NATS USER JWT"'),
        (JWT.encode(), 'has no part "USER NKEY SEED"'),
        (JWT.replace("eyJ0.body.mark\n", "").encode() + SEED.encode(), 'has no part "NATS USER JWT"'),
        (f"{JWT}-----BEGIN USER NKEY SEED-----".encode(), 'has no part "USER NKEY SEED"'),
        (b"SUASEED\xff", "is not plain text"),
    ],
)
def test_what_is_none_is_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "user.creds"
    file.write_bytes(content)
    with pytest.raises(CredentialsError) as refused:
        read_credentials(file)
    assert str(refused.value).startswith(f"{file} is no NATS credentials file: it ")
    assert says in str(refused.value)
    assert "SUASEED" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="can't be read: No such file"):
        read_credentials(tmp_path / "none")
