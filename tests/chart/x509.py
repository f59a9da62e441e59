"""Certificates as openssl sees them."""

from __future__ import annotations

import base64
import datetime as dt
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from chart.rendered import JsonObject


def openssl(*arguments: str, stdin: str | None = None) -> str:
    """What openssl printed. Fails with what it complained of."""
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@dataclass(frozen=True, slots=True)
class Certificate:
    """A PEM certificate."""

    pem: str

    @property
    def serial(self) -> str:
        return self._shown("-serial")

    @property
    def public_key(self) -> str:
        return self._shown("-pubkey")

    @property
    def names(self) -> str:
        return self._shown("-ext", "subjectAltName")

    @property
    def not_after(self) -> dt.datetime:
        text = self._shown("-enddate", "-dateopt", "iso_8601").strip().removeprefix("notAfter=")
        return dt.datetime.fromisoformat(text)

    def assert_issued_by(self, ca: Certificate) -> None:
        with TemporaryDirectory() as directory:
            trusted = Path(directory) / "ca.pem"
            trusted.write_text(ca.pem)
            openssl("verify", "-no-CApath", "-CAfile", str(trusted), stdin=self.pem)

    def _shown(self, *flags: str) -> str:
        return openssl("x509", "-noout", *flags, stdin=self.pem)


def certificate(secret: JsonObject) -> Certificate:
    """The certificate of a Secret of type kubernetes.io/tls."""
    return Certificate(base64.b64decode(secret["data"]["tls.crt"]).decode())
