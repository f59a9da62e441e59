"""What the engine counts and times; an adapter turns it into Prometheus metrics."""

from __future__ import annotations

from typing import Protocol


class Measure(Protocol):
    """Takes measurements. Never blocks and never fails."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a value, such as seconds, to a histogram."""
        ...


class Unmeasured:
    """Takes no measurements."""

    def count(self, name: str, **labels: str) -> None:
        """Forget it."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Forget it."""
