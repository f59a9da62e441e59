"""NATS credentials files: a user's JWT and the seed of its key, as `nsc generate creds` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PARTS: Final = ("NATS USER JWT", "USER NKEY SEED")


class CredentialsError(ValueError):
    """A file that can't be used as credentials; one sentence without anything of its content."""


def read_credentials(path: Path) -> str:
    """Return the text of a credentials file, checked to have both parts. Raises CredentialsError.

    nats-py is given this text instead of the path: in a file without a JWT it would look for one for ever.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
    except OSError as error:
        raise CredentialsError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CredentialsError(f"{path} is no NATS credentials file: it is not plain text") from None
    for part in _PARTS:
        head = next((number for number, line in enumerate(lines) if f"BEGIN {part}" in line), len(lines))
        content = next(iter(lines[head + 1 :]), "")
        if not content or content.startswith("-"):
            raise CredentialsError(f'{path} is no NATS credentials file: it has no part "{part}"')
    return "\n".join(lines) + "\n"
