"""Events of the host, for its log."""

from __future__ import annotations

import logging


def event(log: logging.Logger, name: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """Log one event with its fields, in the order given."""
    log.log(level, name, extra={"fields": fields})
