"""WorkloadReplicaSet: a number of equal Workloads."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from wasmcloud_api.crds.base import (
    AGE,
    READY,
    Column,
    Count,
    Definition,
    Int64,
    KubernetesObject,
    LabelValue,
    Resource,
    Scale,
    Status,
)
from wasmcloud_api.crds.shared import Conditions, ReplicaCounts
from wasmcloud_api.crds.workload import WorkloadSpec


class WorkloadTemplate(Resource):
    """What each replica is made from."""

    labels: dict[str, LabelValue] = Field(default_factory=dict)
    """Labels of the Workloads."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the Workloads."""
    spec: WorkloadSpec
    """What runs, and where it may run."""


class WorkloadReplicaSetSpec(Resource):
    """How many Workloads, and of what."""

    replicas: Count = 1
    """How many Workloads there should be."""
    template: WorkloadTemplate
    """What each replica is made from."""


class WorkloadReplicaSetStatus(Status):
    """What is known about the replica set."""

    replicas: ReplicaCounts | None = None
    """How many replicas there are."""
    observed_generation: Int64 | None = None
    """The `metadata.generation` that this status was made from."""
    conditions: Conditions = ()
    """ScaleUp, ScaleDown and Ready."""


class WorkloadReplicaSet(KubernetesObject):
    """A number of equal Workloads. Usually made by a WorkloadDeployment."""

    definition: ClassVar[Definition] = Definition(
        plural="workloadreplicasets",
        singular="workloadreplicaset",
        short_names=("wrs",),
        columns=(Column("REPLICAS", ".spec.replicas", "integer"), READY, AGE),
        scale=Scale(status_path=".status.replicas.current"),
    )

    kind: Literal["WorkloadReplicaSet"] = "WorkloadReplicaSet"
    """Kind of this object."""
    spec: WorkloadReplicaSetSpec
    """How many Workloads, and of what."""
    status: WorkloadReplicaSetStatus = WorkloadReplicaSetStatus()
    """What is known about the replica set."""
