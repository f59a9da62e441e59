"""What goes wrong at a person's terminal: sentences with an exit code, never a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class Complaint(Exception):
    """Ends the command. Each sentence says what is wrong and, where it can, what to do."""

    exit_code = 1

    def __init__(self, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.sentences: Sequence[str] = sentences


class BadInput(Complaint):
    """What the person gave can't be used as it is: a flag, a file, a field."""

    exit_code = 2


class CannotRun(Complaint):
    """What the person gave is well formed, but can't be carried out here."""


class Broken(CannotRun):
    """A part of ours ended when it shouldn't have. ``logs`` is the folder of its logs, once they were kept."""

    logs: Path | None = None
