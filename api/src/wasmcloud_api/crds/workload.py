"""Workload: one placed replica."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, Field, StrictInt, model_validator

from wasmcloud_api import egress
from wasmcloud_api.crds.base import (
    AGE,
    READY,
    REASON,
    Bool,
    Column,
    Count,
    Definition,
    KeyedList,
    KubernetesObject,
    NonEmpty,
    Resource,
    Rule,
    Status,
)
from wasmcloud_api.crds.host_interface import ConfigLayer, HostInterfaces
from wasmcloud_api.crds.shared import Conditions, KubernetesSpec, LocalObjectReference

AllowedHost = Annotated[str, Field(max_length=egress.HOST_ENTRY_LENGTH, pattern=egress.ALLOWED_HOST_PATTERN)]
AllowedLookup = Annotated[str, Field(max_length=egress.HOST_ENTRY_LENGTH, pattern=egress.IP_NAME_LOOKUP_PATTERN)]
AllowedPort = Annotated[str, Field(pattern=egress.LOOPBACK_PORT_PATTERN)]


class ImagePullPolicy(StrEnum):
    """When a host asks the registry for an image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class VolumeMount(Resource):
    """Where a volume shows up inside a component or service."""

    name: NonEmpty
    """Name of an entry of `spec.volumes`."""
    mount_path: NonEmpty
    """Path inside the component."""
    read_only: Bool = False
    """Whether the component may only read."""


class LocalResources(Resource):
    """What one component or service may use."""

    volume_mounts: Annotated[tuple[VolumeMount, ...], KeyedList(("mountPath",))] = ()
    """Volumes it sees."""
    environment: ConfigLayer = ConfigLayer()
    """Environment variables."""
    config: dict[str, str] = Field(default_factory=dict)
    """Settings read through `wasi:config`."""
    allowed_hosts: tuple[AllowedHost, ...] = ()
    """Where it may connect: `*`, or `host[:port]` and `*.suffix[:port]`, each with or without `http://` or `https://`.
    It holds for sockets, too, where the scheme doesn't count; by name they need `allowedIpNameLookups` besides.
    Empty: what the host's group allows, and nothing if that allows nothing."""
    allowed_ip_name_lookups: tuple[AllowedLookup, ...] = ()
    """Names it may resolve for sockets: `*`, `*.suffix`, a name or an address. Empty: none."""
    allowed_host_loopback_ports: tuple[AllowedPort, ...] = ()
    """Ports of the machine's own loopback it may reach at host.wasmcloud.internal, as `port[/tcp|/udp]`."""
    memory_limit_mb: Annotated[StrictInt, Field(ge=1, le=4096, json_schema_extra={"format": "int32"})] | None = None
    """Most memory an instance may use, in MiB. Unset: 256."""
    cpu_limit: Annotated[StrictInt, Field(ge=1, le=6400, json_schema_extra={"format": "int32"})] | None = None
    """Most CPU time it may use, in percent of one core. Unset: no limit."""


class Component(Resource):
    """A component: stateless, run for each request."""

    name: NonEmpty
    """Name of the component, unique in the workload."""
    image: NonEmpty
    """OCI image of the component, or `artifact://<name>`."""
    image_pull_secret: LocalObjectReference | None = None
    """Secret of type kubernetes.io/dockerconfigjson for the image's registry."""
    image_pull_policy: ImagePullPolicy | None = None
    """When the registry is asked for the image. Unset: Always for `latest` or no tag, else IfNotPresent."""
    pool_size: Count = 0
    """How many instances are kept for reuse. 0: each request gets a fresh one."""
    max_invocations: Count = 0
    """How many requests a reused instance serves before it is replaced. 0: no limit."""
    max_concurrency: Count = 0
    """How many requests a reused instance of WASI 0.3 serves at a time. 0: 16."""
    local_resources: LocalResources = LocalResources()
    """What the component may use."""


class Service(Resource):
    """A service: runs as long as the workload does and is reached by the components over the workload's loopback."""

    image: NonEmpty
    """OCI image of the service, or `artifact://<name>`."""
    image_pull_secret: LocalObjectReference | None = None
    """Secret of type kubernetes.io/dockerconfigjson for the image's registry."""
    image_pull_policy: ImagePullPolicy | None = None
    """When the registry is asked for the image. Unset: Always for `latest` or no tag, else IfNotPresent."""
    max_restarts: Count = 0
    """How often the service is started again after it failed."""
    local_resources: LocalResources = LocalResources()
    """What the service may use."""


class EphemeralVolume(Resource):
    """An empty directory that goes with the workload."""


class HostPathVolume(Resource):
    """A directory of the host's machine."""

    path: NonEmpty
    """Path on the host's machine."""


ONE_SOURCE: Final = Rule(
    cel="has(self.ephemeral) != has(self.hostPath)", message="exactly one of ephemeral and hostPath must be set"
)


class Volume(Resource):
    """A directory that components and services may mount."""

    model_config = ConfigDict(json_schema_extra=ONE_SOURCE.schema())

    name: NonEmpty
    """Name of the volume, unique in the workload."""
    ephemeral: EphemeralVolume | None = None
    """An empty directory that goes with the workload."""
    host_path: HostPathVolume | None = None
    """A directory of the host's machine, if the host allows it."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.ephemeral is None) == (self.host_path is None):
            raise ValueError(ONE_SOURCE.message)
        return self


class WorkloadSpec(Resource):
    """What runs, and where it may run."""

    host_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a Host must have."""
    host_id: str = ""
    """The one host to run on, by its id. A wish within the rules of environments, not a way round them."""
    environment: Annotated[str, Field(max_length=253)] = ""
    """The environment to run in. Unset: any that the workload's namespace may use."""
    components: Annotated[tuple[Component, ...], Field(max_length=256), KeyedList(("name",))] = ()
    """Components, which serve requests."""
    service: Service | None = None
    """A service, which runs as long as the workload does."""
    volumes: Annotated[tuple[Volume, ...], Field(max_length=256), KeyedList(("name",))] = ()
    """Directories that components and the service may mount. Hosts of this version refuse them."""
    host_interfaces: HostInterfaces = ()
    """Interfaces that the host provides, with their settings."""
    kubernetes: KubernetesSpec = KubernetesSpec()
    """How the workload shows up in Kubernetes."""


class WorkloadPhase(StrEnum):
    """Where a workload is in its life, in one word for people."""

    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"


class WorkloadStatus(Status):
    """What is known about the workload."""

    host_id: str | None = None
    """Id of the host it was placed on."""
    environment: str | None = None
    """Environment of that host."""
    workload_id: str | None = None
    """Id by which the host knows it: this object's uid."""
    phase: WorkloadPhase | None = None
    """Where it is in its life, in one word; the conditions say more."""
    restarts: Count | None = None
    """How often it was started again after a failure."""
    conditions: Conditions = ()
    """Config, HostSelection, Placement, Sync and Ready."""


class Workload(KubernetesObject):
    """One replica of a workload: placed on a host, started there, and reported on."""

    definition: ClassVar[Definition] = Definition(
        plural="workloads",
        singular="workload",
        short_names=("ww",),
        columns=(
            Column("HOSTID", ".status.hostId"),
            Column("ENVIRONMENT", ".status.environment"),
            READY,
            REASON,
            AGE,
        ),
    )

    kind: Literal["Workload"] = "Workload"
    """Kind of this object."""
    spec: WorkloadSpec
    """What runs, and where it may run."""
    status: WorkloadStatus = WorkloadStatus()
    """What is known about the workload."""
