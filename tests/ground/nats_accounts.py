"""A nats-server in operator mode: it lets in who has a credentials file with a JWT that its account has signed."""

from __future__ import annotations

import base64
import json
import secrets
import time
from pathlib import Path
from typing import Any

import nkeys
from ground.nats import NatsServer

_UNLIMITED = -1


class NatsAccount:
    """An account of a NATS operator made for one test. `directory` takes the server's configuration."""

    def __init__(self, directory: Path) -> None:
        operator, self._account = _key(nkeys.PREFIX_BYTE_OPERATOR), _key(nkeys.PREFIX_BYTE_ACCOUNT)
        limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), _UNLIMITED)
        trust = _jwt(operator, operator, {"type": "operator"})
        account = _jwt(operator, self._account, {"type": "account", "limits": {**limits, "wildcards": True}})
        preloaded = f"{_public(self._account)}: {account}"
        self.config = directory / "nats-accounts.conf"
        self.config.write_text(f"operator: {trust}\nresolver: MEMORY\nresolver_preload: {{ {preloaded} }}\n")

    def server(self, directory: Path) -> NatsServer:
        """Return a server that trusts the operator, not started yet."""
        return NatsServer(directory, ["--config", str(self.config)])

    def write_credentials(self, path: Path) -> Path:
        """Write the credentials file of a new user."""
        user = _key(nkeys.PREFIX_BYTE_USER)
        limits = dict.fromkeys(("subs", "data", "payload"), _UNLIMITED)
        jwt = _jwt(self._account, user, {"type": "user", **limits})
        parts = {"NATS USER JWT": jwt, "USER NKEY SEED": user.seed.decode()}
        path.write_text(
            "\n".join(f"-----BEGIN {name}-----\n{text}\n------END {name}------" for name, text in parts.items())
        )
        return path


def _key(prefix: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(secrets.token_bytes(32), prefix))


def _public(key: nkeys.KeyPair) -> str:
    return str(key.public_key.decode())


def _jwt(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, nats: dict[str, Any]) -> str:
    """Return NATS' version 2 of a JWT, by which the issuer speaks for the subject."""
    claims = {
        "jti": secrets.token_hex(16),
        "iat": int(time.time()),
        "iss": _public(issuer),
        "sub": _public(subject),
        "name": nats["type"],
        "nats": {**nats, "version": 2},
    }
    text = f"{_part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_part(claims)}"
    return f"{text}.{_encoded(issuer.sign(text.encode()))}"


def _part(content: dict[str, Any]) -> str:
    return _encoded(json.dumps(content).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
