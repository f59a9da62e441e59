"""The Lease in Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from wasmcloud_operator.adapters.kubernetes_api import MERGE_PATCH, KubernetesApi
from wasmcloud_operator.decide.leadership import LEASE_DURATION_S, LeaseRecord
from wasmcloud_operator.engine.ports import NotFound
from wasmcloud_operator.model.keys import Key
from wasmcloud_operator.model.metadata import seconds

_API_VERSION: Final = "coordination.k8s.io/v1"
_RESOURCE: Final = "leases"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=4.0, sock_connect=2.0)
"""Two tries fit into the time in which a holder has to renew."""


class KubernetesLease:
    """Implements the port Lease."""

    def __init__(self, api: KubernetesApi, key: Key) -> None:
        self._api = api
        self._key = key
        self._collection = f"/apis/{_API_VERSION}/namespaces/{quote(key.namespace)}/{_RESOURCE}"
        self._path = f"{self._collection}/{quote(key.name)}"

    async def read(self) -> LeaseRecord | None:
        """See the port."""
        try:
            return _record(await self._api.call("GET", self._path, _RESOURCE, timeout=_TIMEOUT))
        except NotFound:
            return None

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        """See the port."""
        spec = {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": record.duration_s,
            "acquireTime": _time(record.acquired_s),
            "renewTime": _time(record.renewed_s),
            "leaseTransitions": record.transition_count,
        }
        if record.version:
            patch = {"metadata": {"resourceVersion": record.version}, "spec": spec}
            stored = await self._api.call(
                "PATCH", self._path, _RESOURCE, body=patch, content_type=MERGE_PATCH, timeout=_TIMEOUT
            )
        else:
            metadata = {"namespace": self._key.namespace, "name": self._key.name}
            body = {"apiVersion": _API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}
            stored = await self._api.call("POST", self._collection, _RESOURCE, body=body, timeout=_TIMEOUT)
        return _record(stored)


def _record(body: Mapping[str, Any]) -> LeaseRecord:
    """Return what a Lease says; whoever wrote it may have left anything out."""
    spec = body.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        duration_s=spec.get("leaseDurationSeconds") or LEASE_DURATION_S,
        acquired_s=seconds(spec.get("acquireTime")),
        renewed_s=seconds(spec.get("renewTime")),
        transition_count=spec.get("leaseTransitions") or 0,
        version=body["metadata"]["resourceVersion"],
    )


def _time(now_s: float) -> str:
    """Return a MicroTime, which must have its six digits."""
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
