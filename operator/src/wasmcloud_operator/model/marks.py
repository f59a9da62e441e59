"""Annotations and labels of the operator's own, beside those in `wasmcloud_api.names` that hosts and people share."""

from __future__ import annotations

from typing import Final

PLACED_ON: Final = "wasmcloud.dev/placed-on"
"""On Workloads, from their creation: the id of the host they were made for. `status.hostId` wins once it is there."""

REVISION: Final = "wasmcloud.dev/revision"
"""On WorkloadReplicaSets: which revision of their deployment they are, counted from 1."""

CONFIG_DIGEST: Final = "wasmcloud.dev/config-digest"
"""On WorkloadReplicaSets: a short salted digest of the ConfigMaps and Secrets that the template names."""

MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
"""On EndpointSlices: who keeps them (a Kubernetes name)."""

SLICE_MANAGER: Final = "operator.wasmcloud.dev"
"""The operator's value of that label."""
