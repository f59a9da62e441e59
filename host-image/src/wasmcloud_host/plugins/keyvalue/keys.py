"""Keys of components as keys of NATS, which take fewer characters.

What NATS takes stays as it is, so that `nats kv get` finds it; any other byte becomes `=` and two hex digits, as in
quoted-printable. A `=` of the component's own is one of those.
"""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(rb"[-/_.a-zA-Z0-9]")
_ESCAPED: Final = re.compile(r"=([0-9A-F]{2})")


def encoded(key: str) -> str:
    """Return a key that NATS takes for one that isn't empty, a different one for each."""
    characters = [_encoded_byte(byte) for byte in key.encode()]
    # A subject has no empty part: no dot at either end, nor two in a row.
    return "".join(
        "=2E" if character == "." and (at in (0, len(characters) - 1) or characters[at - 1] == ".") else character
        for at, character in enumerate(characters)
    )


def decoded(key: str) -> str:
    """Return what was encoded. Bytes that others wrote and that aren't UTF-8 are replaced."""
    plain = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), key)
    return plain.encode("latin-1", "replace").decode("utf-8", "replace")


def _encoded_byte(byte: int) -> str:
    character = bytes([byte])
    return character.decode() if _PLAIN.match(character) else f"={byte:02X}"
