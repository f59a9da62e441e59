"""WorkloadDeployment: what a user applies; rolls one template out after another."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, PlainValidator, WithJsonSchema, model_validator

from wasmcloud_api.crds.base import (
    AGE,
    INT32_MAX,
    READY,
    REASON,
    Bool,
    Column,
    Count,
    Definition,
    Int64,
    KeyedList,
    KubernetesObject,
    NonEmpty,
    Positive,
    Resource,
    Rule,
    Scale,
    Status,
)
from wasmcloud_api.crds.replica_set import WorkloadReplicaSetSpec
from wasmcloud_api.crds.shared import Conditions, KubernetesSpec, LocalObjectReference, ReplicaCounts

PERCENT_PATTERN: Final = r"^(100|[1-9]?[0-9])%$"


def _int_or_percent(value: object) -> int | str:
    if isinstance(value, str) and re.fullmatch(PERCENT_PATTERN, value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= INT32_MAX:
        return value
    raise ValueError('must be a number that is not negative, or a percentage from "0%" to "100%"')


IntOrPercent = Annotated[
    int | str,
    PlainValidator(_int_or_percent),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "maximum": INT32_MAX,
            "pattern": PERCENT_PATTERN,
        }
    ),
]
"""A number, or a percentage of the replicas from `0%` to `100%`."""


class DeployPolicy(StrEnum):
    """How a new template replaces the old one."""

    ROLLING_UPDATE = "RollingUpdate"
    RECREATE = "Recreate"


class WhenUnsatisfiable(StrEnum):
    """What to do with a replica that would break a spread constraint."""

    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


SOME_ROOM: Final = Rule(
    cel=(
        "!((has(self.maxSurge) && (self.maxSurge == 0 || self.maxSurge == '0%'))"
        " && (!has(self.maxUnavailable) || self.maxUnavailable == 0 || self.maxUnavailable == '0%'))"
    ),
    message="maxSurge and maxUnavailable must not both be 0",
)


class RollingUpdate(Resource):
    """How many replicas a rollout may add and take away for a while."""

    model_config = ConfigDict(json_schema_extra=SOME_ROOM.schema())

    max_surge: IntOrPercent = "25%"
    """How many replicas may exist beyond `replicas`: a number, or a percentage rounded up."""
    max_unavailable: IntOrPercent = 0
    """How many of `replicas` may be unavailable: a number, or a percentage rounded down."""

    @model_validator(mode="after")
    def _leaves_some_room(self) -> Self:
        if self.max_surge in (0, "0%") and self.max_unavailable in (0, "0%"):
            raise ValueError(SOME_ROOM.message)
        return self


class TopologySpreadConstraint(Resource):
    """How evenly replicas are spread over the values of a Host label."""

    topology_key: NonEmpty
    """A label of Hosts; hosts with the same value are one domain."""
    max_skew: Positive = 1
    """Most by which the replicas in one domain may outnumber those in the emptiest."""
    when_unsatisfiable: WhenUnsatisfiable = WhenUnsatisfiable.DO_NOT_SCHEDULE
    """What to do with a replica that would break the constraint."""


class DeploymentArtifact(Resource):
    """An Artifact under the name by which the template's images refer to it."""

    name: NonEmpty
    """Name used in `artifact://<name>`."""
    artifact_from: LocalObjectReference
    """The Artifact, in the same namespace."""


class WorkloadDeploymentSpec(WorkloadReplicaSetSpec):
    """How many Workloads, of what, and how a change is rolled out."""

    deploy_policy: DeployPolicy = DeployPolicy.ROLLING_UPDATE
    """RollingUpdate replaces replicas step by step; Recreate stops all old ones first."""
    artifacts: Annotated[tuple[DeploymentArtifact, ...], KeyedList(("name",))] = ()
    """Artifacts that the template's images refer to. A new digest starts a rollout."""
    kubernetes: KubernetesSpec = KubernetesSpec()
    """How the workloads show up in Kubernetes."""
    rolling_update: RollingUpdate = RollingUpdate()
    """Bounds of a rolling update."""
    min_ready_seconds: Count = 0
    """How long a replica must be ready before it counts as available."""
    progress_deadline_seconds: Positive = 600
    """After how long without progress a rollout is reported as failed. It is still tried."""
    revision_history_limit: Count = 10
    """How many old replica sets are kept to roll back to."""
    paused: Bool = False
    """Holds rollouts; scaling goes on."""
    topology_spread_constraints: Annotated[
        tuple[TopologySpreadConstraint, ...], KeyedList(("topologyKey", "whenUnsatisfiable"))
    ] = ()
    """How evenly replicas are spread over Hosts."""
    restart_on_config_change: Bool = True
    """Whether a change in a ConfigMap or Secret that the template names starts a rollout."""


class WorkloadDeploymentStatus(Status):
    """What is known about the deployment."""

    current_replica_set: LocalObjectReference | None = None
    """The replica set of the present template."""
    previous_replica_set: LocalObjectReference | None = None
    """The replica set that the present one replaces or replaced."""
    replicas: ReplicaCounts | None = None
    """How many replicas there are, old and new."""
    current_replicas: Count | None = None
    """Replicas of the present template alone; the figure that autoscalers read."""
    updated_replicas: Count | None = None
    """Replicas of the present template that exist."""
    selector: str | None = None
    """Label selector of the Workloads, for autoscalers."""
    revision: Int64 | None = None
    """Number of the present template, counted from 1."""
    observed_generation: Int64 | None = None
    """The `metadata.generation` that this status was made from."""
    conditions: Conditions = ()
    """Artifact, Sync, Deploy, Scale and Ready."""


class WorkloadDeployment(KubernetesObject):
    """What runs, how many of it, and how changes are rolled out."""

    definition: ClassVar[Definition] = Definition(
        plural="workloaddeployments",
        singular="workloaddeployment",
        short_names=("wd",),
        columns=(
            Column("REPLICAS", ".spec.replicas", "integer"),
            READY,
            Column("UP-TO-DATE", ".status.updatedReplicas", "integer"),
            Column("AVAILABLE", ".status.replicas.ready", "integer"),
            REASON,
            AGE,
        ),
        scale=Scale(status_path=".status.currentReplicas", selector_path=".status.selector"),
    )

    kind: Literal["WorkloadDeployment"] = "WorkloadDeployment"
    """Kind of this object."""
    spec: WorkloadDeploymentSpec
    """How many Workloads, of what, and how a change is rolled out."""
    status: WorkloadDeploymentStatus = WorkloadDeploymentStatus()
    """What is known about the deployment."""
