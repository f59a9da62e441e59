"""What guests write, found among the lines of a host."""

from __future__ import annotations

import re

_GUEST_LINE = re.compile(r"(?P<who>[a-z0-9.-]+/\S+ \S*) (?:stdout|stderr): (?P<text>.*)")
"""As the engine writes them; a host's own lines are JSON, and so start with a brace."""


def guest_line(line: bytes) -> str | None:
    """Return the line for the screen when a guest wrote it, else None."""
    found = _GUEST_LINE.fullmatch(line.decode(errors="replace").rstrip("\n"))
    return f"{found['who']} | {found['text']}" if found else None
