"""Calls to the Kubernetes API: raw JSON over kept-alive connections, each outcome mapped to a value of the port."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import KUBE_CONFIG_DEFAULT_LOCATION, ConfigException, load_incluster_config, load_kube_config
from wasmcloud_api.crds import KINDS
from wasmcloud_api.names import API_VERSION

from wasmcloud_operator.adapters.connections import Connections
from wasmcloud_operator.adapters.kubernetes_events import EventSink
from wasmcloud_operator.decide.references import why_withheld
from wasmcloud_operator.engine.ports import (
    AlreadyExists,
    ClusterError,
    Conflict,
    JsonObject,
    NotFound,
    Occurrence,
    Rejected,
    Unavailable,
    Withheld,
)
from wasmcloud_operator.model.keys import BUILT_IN, Key, Kind, Ref, api_version

PLURALS: Final[dict[Kind, str]] = {
    **{Kind(model.__name__): model.definition.plural for model in KINDS},
    Kind.SERVICE: "services",
    Kind.ENDPOINT_SLICE: "endpointslices",
}

_REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=30.0, sock_connect=5.0)
_KEEPALIVE_S: Final = 75.0
"""Below the 90 s after which an API server closes an idle connection; aiohttp's own 15 s means many TLS handshakes."""
_CONNECTION_COUNT: Final = 80
"""More than the engine's calls at a time, so that Events and the Lease never wait for those."""
_PAGE_SIZE: Final = 500
_JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"

Observe = Callable[[str, str, str, float], None]
"""Told of each call: its verb, the resource, the outcome (a status code or an error's name), its seconds."""


class NoClusterError(Exception):
    """There is no usable kubeconfig and no service account. The message is one sentence."""


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """What another client of the same API server needs."""

    server: str
    tls: ssl.SSLContext
    proxy: str | None
    authorization: Callable[[], Awaitable[str | None]]
    """Returns the present Authorization header; token files and exec plug-ins are read anew when they expire."""


async def connect(kubeconfig: Path | None) -> ApiClient:
    """Return a client by this kubeconfig; None: the pod's service account, else $KUBECONFIG or ~/.kube/config.

    Raises NoClusterError.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            load_incluster_config(client_configuration=configuration)
        else:
            paths = _existing(KUBE_CONFIG_DEFAULT_LOCATION if kubeconfig is None else str(kubeconfig))
            await load_kube_config(config_file=paths, client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError, ValueError) as error:
        raise NoClusterError(f"no access to a Kubernetes cluster: {error}") from None
    configuration.connection_pool_maxsize = _CONNECTION_COUNT
    client = ApiClient(configuration)
    client.user_agent = "wasmcloud-operator"
    connector = Connections(limit=_CONNECTION_COUNT, tls=client.rest_client.ssl_context, keepalive_s=_KEEPALIVE_S)
    configuration.client_session_kwargs = {"connector": connector, "trust_env": False}
    return client


def _existing(paths: str) -> str:
    if not any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep)):
        raise NoClusterError(f"no access to a Kubernetes cluster: not in a pod, and {paths} is not there")
    return paths


class KubernetesApi:
    """Implements the port Cluster. ``run`` must be running for Events to be written."""

    def __init__(self, client: ApiClient, observe: Observe = lambda *_: None) -> None:
        self._client = client
        self._observe = observe
        self._events = EventSink(self._create_event, self._patch_event)

    async def run(self) -> None:
        """Write recorded Events until cancelled."""
        await self._events.run()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
        await self._client.configuration.client_session_kwargs["connector"].close()

    def access(self) -> Access:
        """Return how this client reaches the API server."""
        configuration = self._client.configuration
        return Access(
            server=configuration.host,
            tls=self._client.rest_client.ssl_context,
            proxy=configuration.proxy,
            authorization=self._authorization,
        )

    async def create(self, kind: Kind, body: JsonObject) -> JsonObject:
        """See the port."""
        typed = {"apiVersion": api_version(kind), "kind": str(kind), **body}
        path = collection(kind, body["metadata"]["namespace"])
        return await self.call("POST", path, PLURALS[kind], body=typed)

    async def patch(self, ref: Ref, patch: JsonObject) -> JsonObject:
        """See the port."""
        return await self.call("PATCH", _path(ref), PLURALS[ref.kind], body=dict(patch), content_type=MERGE_PATCH)

    async def patch_status(self, ref: Ref, patch: JsonObject) -> JsonObject:
        """See the port."""
        resource = f"{PLURALS[ref.kind]}/status"
        body = {"status": patch}
        return await self.call("PATCH", f"{_path(ref)}/status", resource, body=body, content_type=MERGE_PATCH)

    async def delete(self, ref: Ref, *, uid: str) -> None:
        """See the port."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self.call("DELETE", _path(ref), PLURALS[ref.kind], body=options)
        except (NotFound, Conflict):
            return  # gone, or another object has its name: either way the one that was meant is gone

    async def get(self, ref: Ref) -> JsonObject | None:
        """See the port."""
        return await self._found(_path(ref), PLURALS[ref.kind])

    async def list(self, kind: Kind, namespace: str) -> list[JsonObject]:
        """See the port."""
        items: list[JsonObject] = []
        query = {"limit": str(_PAGE_SIZE)}
        while True:
            page = await self.call("GET", f"{collection(kind, namespace)}?{urlencode(query)}", PLURALS[kind])
            items += [without_bookkeeping(item) for item in page["items"]]
            proceed = page["metadata"].get("continue")
            if not proceed:
                return items
            query["continue"] = proceed

    async def config_map(self, key: Key) -> Mapping[str, str] | None:
        """See the port."""
        found = await self._found(_core_path(key, "configmaps"), "configmaps")
        return None if found is None else found.get("data") or {}

    async def secret(self, key: Key) -> Mapping[str, bytes] | None:
        """See the port."""
        found = await self._found(_core_path(key, "secrets"), "secrets")
        if found is None:
            return None
        if why := why_withheld(found):
            raise Withheld(why)
        return {name: base64.b64decode(value) for name, value in (found.get("data") or {}).items()}

    async def record(self, occurrence: Occurrence) -> None:
        """See the port. Only queues the Event: writing it never delays a reconciliation."""
        self._events.add(occurrence)

    async def served_kinds(self) -> set[Kind]:
        """Return which of the kinds the API server knows. Raises ClusterError."""
        try:
            found = await self.call("GET", f"/apis/{API_VERSION}", "discovery")
        except NotFound:
            return set(BUILT_IN)
        names = {resource["kind"] for resource in found["resources"]}
        return {kind for kind in Kind if kind in names or kind in BUILT_IN}

    async def _create_event(self, namespace: str, body: JsonObject) -> None:
        await self.call("POST", f"/api/v1/namespaces/{quote(namespace)}/events", "events", body=body)

    async def _patch_event(self, key: Key, patch: JsonObject) -> None:
        await self.call("PATCH", _core_path(key, "events"), "events", body=patch, content_type=MERGE_PATCH)

    async def _found(self, path: str, resource: str) -> JsonObject | None:
        try:
            return await self.call("GET", path, resource)
        except NotFound:
            return None

    async def call(
        self,
        verb: str,
        path: str,
        resource: str,
        *,
        body: JsonObject | None = None,
        content_type: str = _JSON,
        timeout: aiohttp.ClientTimeout = _REQUEST_TIMEOUT,
    ) -> dict[str, Any]:
        """Make one call, ``resource`` being its name in metrics. Returns the decoded answer, raises a ClusterError."""
        started_s = time.monotonic()
        outcome = "unreachable"
        try:
            headers = {"Accept": _JSON, "Content-Type": content_type, "User-Agent": self._client.user_agent}
            if authorization := await self._authorization():
                headers["Authorization"] = authorization
            url = self._client.configuration.host + path
            response = await self._client.call_api(verb, url, headers, body, None, timeout)
            outcome = str(response.status)
            content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ConfigException) as error:
            raise Unavailable(f"{verb} {path}: {error or type(error).__name__}") from None
        finally:
            self._observe(verb, resource, outcome, time.monotonic() - started_s)
        if 200 <= response.status < 300:
            return without_bookkeeping(_decoded(f"{verb} {path}", response.status, content))
        raise error_of(f"{verb} {path}", response.status, content, response.headers.get("Retry-After"))

    async def _authorization(self) -> str | None:
        header: str | None = await self._client.configuration.get_api_key_with_prefix("BearerToken")
        return header


def _decoded(call: str, status: int, content: bytes) -> dict[str, Any]:
    """Return an answer's JSON object. Raises Unavailable for what only a proxy or a server in trouble can have said."""
    try:
        said = json.loads(content)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise Unavailable(f"{call}: answered {status} without a JSON object")
    return said


def without_bookkeeping(body: dict[str, Any]) -> dict[str, Any]:
    """Drop, in place, who wrote which field: nobody here reads it, and it is half of an object's memory."""
    body.get("metadata", {}).pop("managedFields", None)
    return body


def error_of(call: str, status: int, content: bytes, retry_after: str | None) -> ClusterError:
    """Map an API server's refusal to the port's errors: the one place that knows status codes."""
    try:
        said = json.loads(content)
        reason, message = said.get("reason"), f"{call}: {status} {said.get('message')}"
    except (ValueError, AttributeError):
        said, reason, message = {}, None, f"{call}: {status} {content[:200].decode(errors='replace')}"
    match status:
        case 404:
            return NotFound(message)
        case 409 if reason == "AlreadyExists":
            return AlreadyExists(message)
        case 422 if _is_other_uid(said):
            return NotFound(message)
        case 409:
            return Conflict(message)
        case 403 if " cannot " not in message:  # RBAC says `User "x" cannot patch resource "y"`; admission doesn't
            return Rejected(message)
        case 400 | 405 | 413 | 415 | 422:
            return Rejected(message)
    return Unavailable(message, _seconds(retry_after))


def _is_other_uid(said: Mapping[str, Any]) -> bool:
    """Whether a patch named a uid that is not the object's: to the server that is a change of an immutable field."""
    causes = (said.get("details") or {}).get("causes") or []
    return any(cause.get("field") == "metadata.uid" for cause in causes)


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None


def collection(kind: Kind, namespace: str) -> str:
    """Return the path of a kind in a namespace, "" for all namespaces."""
    where = f"/namespaces/{quote(namespace)}" if namespace else ""
    version = api_version(kind)
    return f"/{'apis' if '/' in version else 'api'}/{version}{where}/{PLURALS[kind]}"


def _path(ref: Ref) -> str:
    return f"{collection(ref.kind, ref.key.namespace)}/{quote(ref.key.name)}"


def _core_path(key: Key, resource: str) -> str:
    return f"/api/v1/namespaces/{quote(key.namespace)}/{resource}/{quote(key.name)}"
