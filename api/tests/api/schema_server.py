"""Asking a real API server what it thinks of an object."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ground.control_plane import ADMIN, ControlPlane
from ground.wait import eventually
from wasmcloud_api.crds import KINDS
from wasmcloud_api.names import API_VERSION

CRDS = Path(__file__).parents[3] / "crds"
NAMESPACE = "api-schema"
PLURALS = {kind.__name__: kind.definition.plural for kind in KINDS}

Document = dict[str, Any]


class RefusedError(AssertionError):
    """What the server said; an AssertionError, so that `eventually` tries again."""


class SchemaServer:
    """Judges strictly (an unknown field is an error) in a namespace of its own."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._plane = control_plane
        address = control_plane.url.removeprefix("https://")
        self._http = http.client.HTTPSConnection(address, context=ssl.create_default_context(cafile=control_plane.ca))
        self._kept: dict[str, Document] = {}

    def __enter__(self) -> Self:
        self._plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
        self._plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
        self._plane.kubectl("create", "namespace", NAMESPACE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def create(self, document: Document, *, dry_run: bool = True) -> Document:
        """Return the object as the server would store it. Raises RefusedError."""
        here = {**document, "metadata": {**document["metadata"], "namespace": NAMESPACE}}
        return self._send("POST", _path(document["kind"]), here, dry_run=dry_run)

    def judge(self, document: Document, *, status_of: Document | None = None) -> Document:
        """Return the object as the server would store it, or as it would with this status on another object."""
        return self.create(document) if status_of is None else self.replace_status(document, status_of)

    def replace_status(self, document: Document, before: Document) -> Document:
        """Return the object with the document's status; `before` is the object to keep it on. Raises RefusedError."""
        kind = document["kind"]
        if kind not in self._kept:
            named = {**before, "metadata": {"name": "keeps-status"}}
            self._kept[kind] = eventually(lambda: self.create(named, dry_run=False), within_s=30)
        kept = self._kept[kind]
        path = f"{_path(kind)}/{kept['metadata']['name']}/status"
        return self._send("PUT", path, {**document, "metadata": kept["metadata"]}, dry_run=True)

    def _send(self, method: str, path: str, document: Document, *, dry_run: bool) -> Document:
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        headers = {"Authorization": f"Bearer {self._plane.token(ADMIN)}", "Content-Type": "application/json"}
        self._http.request(method, path + query, json.dumps(document), headers)
        response = self._http.getresponse()
        answer: Document = json.loads(response.read())
        if response.status >= 300:
            raise RefusedError(answer["message"])
        return answer


def _path(kind: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/{PLURALS[kind]}"
