"""Types of flags that operator and hosts share. What can't be used is told in a sentence that follows the flag."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from wasmcloud_api.nats_credentials import read_credentials

_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|)", value.strip())
    if match is None:
        raise ValueError(f'"{value}" is no duration such as 0.5, 500ms, 10s or 2m')
    return float(match[1]) * _UNIT_S[match[2]]


def between_commas(value: object) -> object:
    """Return the parts of a text, and anything else as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def namespace_name(value: str) -> str:
    """Return the name of a namespace. Raises ValueError."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError(f'"{value}" is no name of a namespace: lower-case letters, digits and - inside')
    return value


def _nats_urls(value: SecretStr) -> SecretStr:
    for text in value.get_secret_value().split(","):
        if not _is_nats_url(text.strip()):
            raise ValueError("must be of the form nats://host:4222 or tls://host:4222, several separated by commas")
    return value


def _is_nats_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:  # its text may show a part of a password
        return False
    return url.scheme in {"nats", "tls"} and bool(url.hostname)


def _readable(path: Path) -> Path:
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError(f"{path} is no file that can be read")
    return path


def _credentials(path: Path) -> Path:
    read_credentials(path)
    return path


Duration = Annotated[float, BeforeValidator(_seconds)]
"""Seconds; a text may have a unit."""
NatsUrls = Annotated[SecretStr, AfterValidator(_nats_urls)]
"""One URL of NATS or several, separated by commas; they may hold passwords."""
ReadableFile = Annotated[Path, AfterValidator(_readable)]
CredentialsFile = Annotated[Path, AfterValidator(_credentials)]
"""A NATS credentials file."""
