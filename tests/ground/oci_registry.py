"""A real OCI registry on loopback, over plain HTTP, with a login."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ground.process import Process, free_ports
from ground.wait import eventually

USERNAME = "puller"
PASSWORD = "correct horse"
PASSWORD_BCRYPT = "$2b$04$tVNsBO9MGciB1kYjNHRpw.JqsEI0NhvrZZJEqkXi1XCc8XE0WQPyu"

WASM_LAYER = "application/wasm"
WASM_CONFIG = "application/vnd.wasm.config.v0+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def registry_binary() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(cache) / "wasmcloud" / "registry" / "registry"
    if not path.is_file():
        raise RuntimeError(f"the OCI registry is not built ({path}): run `make ground`")
    return path


class OciRegistry:
    """Use as a context manager. Nothing can be read or written without USERNAME and PASSWORD."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_ports(1)[0]
        self.host = f"127.0.0.1:{self._port}"
        config = directory / "config.yaml"
        argv: list[str | Path] = [registry_binary(), "serve", config]
        # Left to itself it would look for a collector of traces.
        quiet = {"OTEL_TRACES_EXPORTER": "none"}
        self.process = Process("registry", argv, directory / "registry.log", env=quiet)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers."""
        logins = self._directory / "htpasswd"
        logins.write_text(f"{USERNAME}:{PASSWORD_BCRYPT}\n")
        config = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._directory / "storage")}},
            "http": {"addr": self.host},
            "auth": {"htpasswd": {"realm": "ground", "path": str(logins)}},
        }
        (self._directory / "config.yaml").write_text(json.dumps(config))
        self.process.start()
        eventually(self._assert_answering, within_s=30)

    def stop(self) -> None:
        self.process.stop()

    def push(self, name: str, tag: str, wasm: bytes, *, layer: str = WASM_LAYER) -> str:
        """Push a component as `NAME:TAG`; returns its digest. The image's reference is `HOST/NAME:TAG`."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._push_blob(name, b"{}", WASM_CONFIG),
            "layers": [self._push_blob(name, wasm, layer)],
        }
        body = json.dumps(manifest).encode()
        self._call("PUT", f"/v2/{name}/manifests/{tag}", body, content_type=MANIFEST, expect=201)
        return _digest(body)

    def docker_config(self) -> str:
        """The text of a Secret of type kubernetes.io/dockerconfigjson that logs in here."""
        return json.dumps({"auths": {self.host: {"username": USERNAME, "password": PASSWORD, "auth": _basic()}}})

    def _push_blob(self, name: str, blob: bytes, media_type: str) -> dict[str, str | int]:
        started = self._call("POST", f"/v2/{name}/blobs/uploads/", b"", expect=202)
        where = started.removeprefix(f"http://{self.host}")
        digest = _digest(blob)
        separator = "&" if "?" in where else "?"
        self._call("PUT", f"{where}{separator}digest={digest}", blob, expect=201)
        return {"mediaType": media_type, "digest": digest, "size": len(blob)}

    def _call(
        self, verb: str, path: str, body: bytes, *, content_type: str = "application/octet-stream", expect: int
    ) -> str:
        """The response's Location."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            headers = {"Authorization": f"Basic {_basic()}", "Content-Type": content_type}
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            text = response.read()
            assert response.status == expect, f"{verb} {path}: {response.status} {text!r}"
            return response.getheader("Location", "")
        finally:
            connection.close()

    def _assert_answering(self) -> None:
        self.process.assert_running()
        try:
            self._call("GET", "/v2/", b"", expect=200)
        except OSError as error:
            raise AssertionError(f"the registry doesn't answer: {error}") from error


def _basic() -> str:
    return base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"
