"""A CA and what it signed, by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    ca: Path
    cert: Path
    key: Path


def certificates(directory: Path, name: str) -> Certificates:
    """A CA that has signed one certificate, good for 127.0.0.1 and as a client's."""
    ca_key, ca, key, request, cert = (
        directory / f"{name}-{part}.pem" for part in ("ca-key", "ca", "key", "csr", "crt")
    )

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    extensions = directory / f"{name}.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nkeyUsage=digitalSignature\n")
    openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-subj", f"/CN={name} CA", "-days", "1")
    openssl("req", *new_key, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    signer = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "1", "-extfile", extensions)
    openssl("x509", "-req", "-in", request, "-out", cert, *signer)
    return Certificates(ca, cert, key)
