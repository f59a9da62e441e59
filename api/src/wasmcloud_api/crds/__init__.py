"""The five kinds of `runtime.wasmcloud.dev/v1alpha1` as pydantic models; `crds/*.yaml` is generated from them."""

from __future__ import annotations

from typing import Final

from wasmcloud_api.crds.artifact import Artifact, ArtifactSpec, ArtifactStatus
from wasmcloud_api.crds.base import KubernetesObject, ObjectMeta, OwnerReference
from wasmcloud_api.crds.deployment import (
    DeploymentArtifact,
    DeployPolicy,
    RollingUpdate,
    TopologySpreadConstraint,
    WhenUnsatisfiable,
    WorkloadDeployment,
    WorkloadDeploymentSpec,
    WorkloadDeploymentStatus,
)
from wasmcloud_api.crds.host import Host, HostStatus
from wasmcloud_api.crds.host_interface import ConfigLayer, HostInterface
from wasmcloud_api.crds.replica_set import (
    WorkloadReplicaSet,
    WorkloadReplicaSetSpec,
    WorkloadReplicaSetStatus,
    WorkloadTemplate,
)
from wasmcloud_api.crds.shared import Condition, KubernetesService, KubernetesSpec, LocalObjectReference, ReplicaCounts
from wasmcloud_api.crds.workload import (
    Component,
    EphemeralVolume,
    HostPathVolume,
    ImagePullPolicy,
    LocalResources,
    Service,
    Volume,
    VolumeMount,
    Workload,
    WorkloadPhase,
    WorkloadSpec,
    WorkloadStatus,
)

KINDS: Final[tuple[type[KubernetesObject], ...]] = (
    Host,
    Workload,
    WorkloadReplicaSet,
    WorkloadDeployment,
    Artifact,
)

__all__ = [
    "KINDS",
    "Artifact",
    "ArtifactSpec",
    "ArtifactStatus",
    "Component",
    "Condition",
    "ConfigLayer",
    "DeployPolicy",
    "DeploymentArtifact",
    "EphemeralVolume",
    "Host",
    "HostInterface",
    "HostPathVolume",
    "HostStatus",
    "ImagePullPolicy",
    "KubernetesObject",
    "KubernetesService",
    "KubernetesSpec",
    "LocalObjectReference",
    "LocalResources",
    "ObjectMeta",
    "OwnerReference",
    "ReplicaCounts",
    "RollingUpdate",
    "Service",
    "TopologySpreadConstraint",
    "Volume",
    "VolumeMount",
    "WhenUnsatisfiable",
    "Workload",
    "WorkloadDeployment",
    "WorkloadDeploymentSpec",
    "WorkloadDeploymentStatus",
    "WorkloadPhase",
    "WorkloadReplicaSet",
    "WorkloadReplicaSetSpec",
    "WorkloadReplicaSetStatus",
    "WorkloadSpec",
    "WorkloadStatus",
    "WorkloadTemplate",
]
