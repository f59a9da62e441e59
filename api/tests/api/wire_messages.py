"""Messages for property tests: every field of every message, at its edges too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from hypothesis import strategies as st
from wasmcloud_api import wire

TEXT = st.text(max_size=12)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
SETTINGS = st.dictionaries(TEXT, TEXT, max_size=3)
INT32 = st.integers(-(2**31), 2**31 - 1)
UINT32 = st.integers(0, 2**32 - 1)
UINT64 = st.integers(0, 2**64 - 1)
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(
    datetime(1970, 1, 1),
    datetime(9999, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))]),
)
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


T = TypeVar("T")


def lists_of(items: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(items, max_size=2).map(tuple)


M = TypeVar("M", bound=wire.Message)


def made(kind: type[M], **fields: st.SearchStrategy[object]) -> st.SearchStrategy[M]:
    """Return messages of a kind with the fields named as in Python; `st.builds` would go by their aliases."""
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


INTERFACES = made(
    wire.WitInterface,
    namespace=TEXT,
    package=TEXT,
    version=TEXT,
    interfaces=TEXTS,
    config=SETTINGS,
    name=TEXT,
)
HEARTBEATS = made(
    wire.HostHeartbeat,
    id=IDS,
    hostname=TEXT,
    friendly_name=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True),
    version=TEXT,
    labels=SETTINGS,
    started_at=st.none() | TIMES,
    os_arch=TEXT,
    os_name=TEXT,
    os_kernel=TEXT,
    system_cpu_usage=FLOAT32,
    system_memory_total=UINT64,
    system_memory_free=UINT64,
    component_count=UINT64,
    workload_count=UINT64,
    imports=lists_of(INTERFACES),
    exports=lists_of(INTERFACES),
    http_port=UINT32,
    environment=TEXT,
)
RESOURCES = made(
    wire.LocalResources,
    memory_limit_mb=INT32,
    cpu_limit=INT32,
    config=SETTINGS,
    environment=SETTINGS,
    volume_mounts=lists_of(made(wire.VolumeMount, name=TEXT, mount_path=TEXT, read_only=st.booleans())),
    allowed_hosts=TEXTS,
    allowed_ip_name_lookups=TEXTS,
    allowed_host_loopback_ports=TEXTS,
)
SECRETS = st.none() | made(wire.ImagePullSecret, username=TEXT, password=TEXT)
POLICIES = st.sampled_from(wire.ImagePullPolicy)
COMPONENTS = made(
    wire.Component,
    image=TEXT,
    local_resources=RESOURCES,
    pool_size=INT32,
    max_invocations=INT32,
    image_pull_secret=SECRETS,
    name=TEXT,
    image_pull_policy=POLICIES,
    max_concurrency=INT32,
)
SERVICES = made(
    wire.Service,
    image=TEXT,
    local_resources=RESOURCES,
    max_restarts=UINT64,
    image_pull_secret=SECRETS,
    image_pull_policy=POLICIES,
)
VOLUMES = made(wire.Volume, name=TEXT) | made(wire.Volume, name=TEXT, host_path=made(wire.HostPath, local_path=TEXT))
WORKLOADS = made(
    wire.Workload,
    namespace=TEXT,
    name=TEXT,
    annotations=SETTINGS,
    service=st.none() | SERVICES,
    wit_world=made(wire.WitWorld, components=lists_of(COMPONENTS), host_interfaces=lists_of(INTERFACES)),
    volumes=lists_of(VOLUMES),
)
STATUSES = made(wire.WorkloadStatus, workload_id=TEXT, workload_state=st.sampled_from(wire.WorkloadState), message=TEXT)
MESSAGES: st.SearchStrategy[wire.Message] = st.one_of(
    HEARTBEATS,
    made(wire.WorkloadStartRequest, workload=WORKLOADS, workload_id=IDS),
    made(wire.WorkloadStopRequest, workload_id=IDS),
    made(wire.WorkloadStatusRequest, workload_id=IDS),
    made(wire.WorkloadStartResponse, workload_status=STATUSES),
    made(wire.WorkloadStopResponse, workload_status=STATUSES),
    made(wire.WorkloadStatusResponse, workload_status=STATUSES),
    made(wire.WorkloadListResponse, workload_status=lists_of(STATUSES)),
)
