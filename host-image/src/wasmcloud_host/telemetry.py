"""Logs: an event name plus fields, one line each, for people or for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal

LogFormat = Literal["text", "json"]
"""Log lines for people, or for machines."""


class _Lines(logging.Formatter):
    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self._format = log_format

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, where there is one, becomes a field."""
        seconds, milliseconds = int(record.created), int(record.msecs)
        when = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{milliseconds:03}Z"
        fields: dict[str, object] = dict(getattr(record, "fields", {}))
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._format == "json":
            known = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
            return json.dumps(known | fields, default=str)
        said = " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())
        return f"{when} {record.levelname:<7} {record.getMessage()} {said}".rstrip()


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n') else text


def start_logging(log_format: LogFormat) -> None:
    """Send this process's events to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def event(log: logging.Logger, name: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """Log one event with its fields, in the order given."""
    log.log(level, name, extra={"fields": fields})
