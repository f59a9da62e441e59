"""Logs of operator and hosts: an event name and fields, as one line of text or of JSON on stderr.

Code logs ``log.info("workload_started", extra={"fields": {"object": str(ref), ...}})``.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Literal

LogFormat = Literal["text", "json"]
"""Log lines for people or for machines."""


def configure(log_format: LogFormat, package: str) -> None:
    """Send all logs to stderr in this format: those of ``package`` from INFO on, those of libraries from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(package).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


def _timestamp(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = dict(getattr(record, "fields", {}))
    if record.exc_info:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)
    return fields


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _timestamp(record), "level": record.levelname, "event": record.getMessage()}
        return json.dumps(line | {"logger": record.name} | _fields(record), default=str, ensure_ascii=False)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        traceback = fields.pop("traceback", None)
        shown = "".join(f" {name}={_quoted(value)}" for name, value in fields.items())
        line = f"{_timestamp(record)} {record.levelname} {record.getMessage()}{shown}"
        return f"{line}\n{traceback}" if traceback else line


def _quoted(value: object) -> str:
    """Return the value so that a line stays one line and its fields can be told apart."""
    text = str(value)
    return text if text.isprintable() and " " not in text and '"' not in text and text else json.dumps(text)
