"""The messages between operator and hosts; fields in the order of their protobuf numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, SecretStr, StringConstraints, model_validator

from wasmcloud_api.wire.codec import (
    Bool,
    Float,
    Int32,
    Message,
    ProtoEnum,
    Secret,
    Timestamp,
    UInt32,
    UInt64,
    proto_enum,
)

Settings = Annotated[dict[str, str], Field(repr=False)]
"""Settings may come from Secrets, so they never show in a repr."""

HostIdText = Annotated[str, StringConstraints(pattern=r"^[^.*>\s]+$")]
"""One token of a NATS subject."""
FriendlyName = Annotated[
    str, StringConstraints(max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")
]
"""The name of a Kubernetes object (RFC 1123)."""
Id = Annotated[str, StringConstraints(min_length=1)]


class WitInterface(Message):
    """Interfaces of one WIT package, with their settings."""

    namespace: str = ""
    package: str = ""
    version: str = ""
    interfaces: tuple[str, ...] = ()
    config: Settings = Field(default_factory=dict)
    name: str = ""


class HostHeartbeat(Message):
    """What a host says about itself. Memory in bytes, CPU use in percent."""

    id: HostIdText
    hostname: str = ""
    friendly_name: FriendlyName
    version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    started_at: Timestamp | None = None
    os_arch: str = ""
    os_name: str = ""
    os_kernel: str = ""
    system_cpu_usage: Float = 0.0
    system_memory_total: UInt64 = 0
    system_memory_free: UInt64 = 0
    component_count: UInt64 = 0
    workload_count: UInt64 = 0
    imports: tuple[WitInterface, ...] = ()
    exports: tuple[WitInterface, ...] = ()
    http_port: UInt32 = 0
    environment: str = ""


class ImagePullPolicy(ProtoEnum):
    """When a host asks the registry for an image."""

    UNSPECIFIED = "IMAGE_PULL_POLICY_UNSPECIFIED"
    ALWAYS = "IMAGE_PULL_POLICY_ALWAYS"
    IF_NOT_PRESENT = "IMAGE_PULL_POLICY_IF_NOT_PRESENT"
    NEVER = "IMAGE_PULL_POLICY_NEVER"


class WorkloadState(ProtoEnum):
    """What a host says about a workload."""

    UNSPECIFIED = "WORKLOAD_STATE_UNSPECIFIED"
    STARTING = "WORKLOAD_STATE_STARTING"
    RUNNING = "WORKLOAD_STATE_RUNNING"
    COMPLETED = "WORKLOAD_STATE_COMPLETED"
    STOPPING = "WORKLOAD_STATE_STOPPING"
    ERROR = "WORKLOAD_STATE_ERROR"
    NOT_FOUND = "WORKLOAD_STATE_NOT_FOUND"


PullPolicy = Annotated[ImagePullPolicy, proto_enum(ImagePullPolicy)]
State = Annotated[WorkloadState, proto_enum(WorkloadState)]


class ImagePullSecret(Message):
    """Credentials for a registry."""

    username: str = ""
    password: Secret = SecretStr("")


class VolumeMount(Message):
    """Where a volume shows up in a component or service."""

    name: str = ""
    mount_path: str = ""
    read_only: Bool = False


class LocalResources(Message):
    """What one component or service may use. A limit of 0 is none."""

    memory_limit_mb: Int32 = 0
    cpu_limit: Int32 = 0
    config: Settings = Field(default_factory=dict)
    environment: Settings = Field(default_factory=dict)
    volume_mounts: tuple[VolumeMount, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    allowed_ip_name_lookups: tuple[str, ...] = ()
    allowed_host_loopback_ports: tuple[str, ...] = ()


class Component(Message):
    """A component of a workload."""

    image: str = ""
    local_resources: LocalResources = LocalResources()
    pool_size: Int32 = 0
    max_invocations: Int32 = 0
    image_pull_secret: ImagePullSecret | None = None
    name: str = ""
    image_pull_policy: PullPolicy = ImagePullPolicy.UNSPECIFIED
    max_concurrency: Int32 = 0


class Service(Message):
    """The service of a workload."""

    image: str = ""
    local_resources: LocalResources = LocalResources()
    max_restarts: UInt64 = 0
    image_pull_secret: ImagePullSecret | None = None
    image_pull_policy: PullPolicy = ImagePullPolicy.UNSPECIFIED


class WitWorld(Message):
    """Components and the host interfaces they use."""

    components: tuple[Component, ...] = ()
    host_interfaces: tuple[WitInterface, ...] = ()


class HostPath(Message):
    """A directory of the host's machine."""

    local_path: str = ""


class EmptyDir(Message):
    """An empty directory that goes with the workload."""


class Volume(Message):
    """A directory that may be mounted: `host_path` or `empty_dir`; the latter when neither is given."""

    name: str = ""
    host_path: HostPath | None = None
    empty_dir: EmptyDir | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = {key for key, field in value.items() if field is not None}
        has_path, has_dir = bool(given & {"hostPath", "host_path"}), bool(given & {"emptyDir", "empty_dir"})
        if has_path and has_dir:
            raise ValueError("only one of hostPath and emptyDir may be set")
        return value if has_path or has_dir else {**value, "emptyDir": {}}


class Workload(Message):
    """What a host is to run."""

    namespace: str = ""
    name: str = ""
    annotations: dict[str, str] = Field(default_factory=dict)
    service: Service | None = None
    wit_world: WitWorld = WitWorld()
    volumes: tuple[Volume, ...] = ()


class WorkloadStartRequest(Message):
    """Start a workload under an id: the uid of its Kubernetes object."""

    workload: Workload
    workload_id: Id


class WorkloadStopRequest(Message):
    """Stop a workload."""

    workload_id: Id


class WorkloadStatusRequest(Message):
    """Ask for the state of a workload."""

    workload_id: Id


class WorkloadStatus(Message):
    """What a host says about one workload."""

    workload_id: str = ""
    workload_state: State = WorkloadState.UNSPECIFIED
    message: str = ""


class WorkloadStartResponse(Message):
    """Answer to WorkloadStartRequest."""

    workload_status: WorkloadStatus = WorkloadStatus()


class WorkloadStopResponse(Message):
    """Answer to WorkloadStopRequest."""

    workload_status: WorkloadStatus = WorkloadStatus()


class WorkloadStatusResponse(Message):
    """Answer to WorkloadStatusRequest."""

    workload_status: WorkloadStatus = WorkloadStatus()


class WorkloadListResponse(Message):
    """All workloads of a host: the answer to `workload.list`, a subject of our own."""

    workload_status: tuple[WorkloadStatus, ...] = ()
