"""Names of objects, typed so that a namespace can never stand where a name belongs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wasmcloud_api.names import API_VERSION


class Kind(StrEnum):
    """The kinds that the operator handles, by their Kubernetes kind."""

    HOST = "Host"
    WORKLOAD = "Workload"
    REPLICA_SET = "WorkloadReplicaSet"
    DEPLOYMENT = "WorkloadDeployment"
    ARTIFACT = "Artifact"
    SERVICE = "Service"
    ENDPOINT_SLICE = "EndpointSlice"


BUILT_IN: Final = {Kind.SERVICE: "v1", Kind.ENDPOINT_SLICE: "discovery.k8s.io/v1"}
"""The kinds that every cluster has, and their API versions."""


TENANTS_KINDS: Final = tuple(kind for kind in Kind if kind is not Kind.HOST)
"""The kinds that are where workloads are; Hosts are where the operator is."""


def api_version(kind: Kind) -> str:
    """Return the `apiVersion` of a kind's objects."""
    return BUILT_IN.get(kind, API_VERSION)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Where an object is: its namespace and its name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One object of one kind."""

    kind: Kind
    key: Key

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
