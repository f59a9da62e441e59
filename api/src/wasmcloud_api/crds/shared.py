"""Types that several kinds use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wasmcloud_api.conditions import ConditionStatus
from wasmcloud_api.crds.base import Int64, KeyedList, NonEmpty, Resource, Time


class LocalObjectReference(Resource):
    """An object in the same namespace, by its name."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the object."""


class Condition(Resource):
    """One thing that is known about an object; docs/conditions.md lists types and reasons."""

    type: NonEmpty
    """What the condition is about. Each type occurs once."""
    status: ConditionStatus
    """Whether it holds: True, False, or Unknown when the operator can't tell."""
    reason: str = ""
    """Why, as one word that a program can match."""
    message: str = ""
    """Why, and what to do about it, for people."""
    last_transition_time: Time | None = None
    """When the status last changed."""
    last_probe_time: Time | None = None
    """When the condition was last looked at. Not written by this operator."""
    observed_generation: Int64 = 0
    """The `metadata.generation` that the condition was made from; 0 when that isn't known."""


Conditions = Annotated[tuple[Condition, ...], KeyedList(("type",))]


class KubernetesService(Resource):
    """A Service whose EndpointSlices the operator keeps."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of a Service in the same namespace: without selector, and with a port named `http` unless it is headless."""


class KubernetesSpec(Resource):
    """How a workload shows up in Kubernetes."""

    service: KubernetesService | None = None
    """The Service that leads to this workload's hosts. The workload also answers to the names `NAME.NAMESPACE`,
    `NAME.NAMESPACE.svc` and `NAME.NAMESPACE.svc.cluster.local`, not to NAME alone."""


class ReplicaCounts(Resource):
    """How many replicas there are."""

    expected: Int64 = 0
    """Replicas asked for."""
    current: Int64 = 0
    """Replicas that exist."""
    ready: Int64 = 0
    """Replicas that are ready."""
    unavailable: Int64 = 0
    """Replicas asked for that are not ready."""
