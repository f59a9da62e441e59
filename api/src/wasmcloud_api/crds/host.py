"""Host: a machine that runs workloads. Written by the operator out of heartbeats; it has no `spec`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt

from wasmcloud_api.crds.base import AGE, READY, Column, Definition, Int64, KubernetesObject, Status, Time
from wasmcloud_api.crds.shared import Conditions


class HostStatus(Status):
    """What the host last reported."""

    version: str
    """Version of the host."""
    os_name: str
    """Operating system."""
    os_arch: str
    """Processor architecture."""
    os_kernel: str
    """Version of the kernel."""
    system_cpu_usage: Annotated[str, Field(alias="systemCPUUsage")]
    """Use of the machine's processors, in percent."""
    system_memory_total: Int64
    """Memory of the machine, in bytes."""
    system_memory_free: Int64
    """Free memory of the machine, in bytes."""
    component_count: Int64 | None = None
    """Components that run on the host."""
    workload_count: Int64 | None = None
    """Workloads that run on the host."""
    last_seen: Time | None = None
    """When the host was last heard of. Written once a minute at most."""
    imports: tuple[str, ...] = ()
    """Interfaces that components may import, as `namespace:package/interface@version`."""
    exports: tuple[str, ...] = ()
    """Interfaces that components may export for the host to call, in the same form."""
    conditions: Conditions = ()
    """Reporting, Draining and Ready."""


class Host(KubernetesObject):
    """A machine that runs workloads. The operator writes Hosts out of heartbeats; people only read them."""

    definition: ClassVar[Definition] = Definition(
        plural="hosts",
        singular="host",
        short_names=("host",),
        columns=(
            Column("HOSTID", ".hostId"),
            Column("HOSTGROUP", ".metadata.labels.hostgroup"),
            Column("ENVIRONMENT", ".environment"),
            Column("WORKLOADS", ".status.workloadCount", "integer"),
            READY,
            AGE,
        ),
    )

    kind: Literal["Host"] = "Host"
    """Kind of this object."""
    host_id: Annotated[str, Field(min_length=1)]
    """Id of the host on the wire."""
    hostname: str = ""
    """Address at which other machines reach the host."""
    http_port: Annotated[StrictInt, Field(ge=0, le=65535, json_schema_extra={"format": "int32"})] = 0
    """Port on which the host serves HTTP; 0 if it doesn't."""
    environment: str = ""
    """The tenant whose workloads the host serves; empty for a shared host."""
    status: HostStatus | None = None
    """What the host last reported."""
