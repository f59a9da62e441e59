"""Ids, labels, annotations and other names that operator, host and CLI agree on."""

from __future__ import annotations

from typing import Final, NewType

HostId = NewType("HostId", str)
"""A host's id on the wire. Holds no dots, because it is one token of a NATS subject."""

HostName = NewType("HostName", str)
"""A host's friendly name: the name of its Host object (RFC 1123)."""

WorkloadId = NewType("WorkloadId", str)
"""A workload's id on the wire: the `metadata.uid` of the Workload object."""

Namespace = NewType("Namespace", str)
"""A Kubernetes namespace."""

Environment = NewType("Environment", str)
"""A tenant: the namespace whose workloads a host serves."""

GROUP: Final = "runtime.wasmcloud.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

WORKLOAD_FINALIZER: Final = f"{GROUP}/workload-finalizer"
"""On Workloads: the host is told to stop before the object goes."""

DEPLOYMENT_LABEL: Final = f"{GROUP}/workload-deployment"
"""On WorkloadReplicaSets and Workloads: the name of their WorkloadDeployment."""

TEMPLATE_HASH_ANNOTATION: Final = f"{GROUP}/workload-replica-set-generation"
"""On Workloads: the hash of the template they were made from."""

WITHHELD_LABEL: Final = "wasmcloud.dev/withheld"
"""On Secrets, with the value `true`: the operator hands them to no workload."""

HOST_GROUP_LABEL: Final = "hostgroup"
"""On Hosts: the group a host was started in."""

DRAINING_LABEL: Final = "wasmcloud.dev/draining"
"""In a heartbeat's labels, `"true"`: the host finishes what it serves and takes nothing new."""

MAX_WORKLOADS_LABEL: Final = "wasmcloud.dev/max-workloads"
"""In a heartbeat's labels: how many workloads the host takes at most."""

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
"""On EndpointSlices: the Service they belong to (a Kubernetes name)."""

ROUTE_MANAGER_LABEL: Final = "wasmcloud.dev/route-manager"
"""On EndpointSlices, `"true"`: the operator keeps this slice."""

ARTIFACT_SCHEME: Final = "artifact://"
"""Prefix of an image field that names an entry of a deployment's `artifacts`."""

FILE_SCHEME: Final = "file://"
"""Prefix of an image field that names a file on the host's machine."""

HTTP_HANDLERS: Final = frozenset({"incoming-handler", "handler"})
"""The interfaces of wasi:http 0.2 and 0.3 by which a workload is sent requests."""

HOST_ALIASES_KEY: Final = "host-aliases"
"""Config key of an HTTP interface: further names the workload answers to, separated by commas."""
