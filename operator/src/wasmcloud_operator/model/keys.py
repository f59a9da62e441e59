"""Names of objects, typed so that a namespace can never stand where a name belongs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds that the operator handles, by their Kubernetes kind."""

    HOST = "Host"
    WORKLOAD = "Workload"
    REPLICA_SET = "WorkloadReplicaSet"
    DEPLOYMENT = "WorkloadDeployment"
    ARTIFACT = "Artifact"


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
