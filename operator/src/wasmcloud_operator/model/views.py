"""Objects of the API as frozen values, parsed once where they come in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic import ValidationError
from wasmcloud_api.conditions import ReplicaSetCondition, WorkloadCondition
from wasmcloud_api.crds import ArtifactSpec, WorkloadDeploymentSpec, WorkloadReplicaSetSpec, WorkloadSpec
from wasmcloud_api.field_path import field_path
from wasmcloud_api.names import ROUTE_MANAGER_LABEL, SERVICE_NAME_LABEL, HostId

from wasmcloud_operator.model.conditions import is_true, since_s
from wasmcloud_operator.model.images import pinned, repository
from wasmcloud_operator.model.keys import Key, Kind
from wasmcloud_operator.model.marks import CONFIG_DIGEST, PLACED_ON, REVISION
from wasmcloud_operator.model.metadata import Metadata, parse_metadata
from wasmcloud_operator.model.template import template_digest

Json = Mapping[str, Any]

_SLICE_NAME: Final = re.compile(
    r"(?P<service>.+)-wasmcloud-(?P<family>ipv4|ipv6)-(?P<port>\d{1,5})(?:-(?P<page>\d{1,5}))?"
)


@dataclass(frozen=True)
class _Object:
    """What every view has."""

    meta: Metadata
    status: Json

    @property
    def conditions(self) -> Sequence[Json]:
        """The conditions in the status, as JSON."""
        return self.status.get("conditions") or ()


@dataclass(frozen=True)
class HostRecord(_Object):
    """A Host object: what the operator wrote about a host."""

    body: Json

    @property
    def host_id(self) -> HostId:
        """The host's id on the wire."""
        return HostId(str(self.body.get("hostId") or ""))


@dataclass(frozen=True)
class WorkloadView(_Object):
    """A Workload object."""

    spec: WorkloadSpec

    @property
    def recorded_host_id(self) -> HostId | None:
        """The host in the status: what a placing after the creation wrote."""
        host_id = self.status.get("hostId")
        return HostId(host_id) if host_id else None

    @property
    def host_id(self) -> HostId | None:
        """The host that the object is on record for: by its status, else by the mark it was created with."""
        marked = self.meta.annotations.get(PLACED_ON)
        return self.recorded_host_id or (HostId(marked) if marked else None)

    @cached_property
    def is_ready(self) -> bool:
        """Whether it runs, by its status, and isn't about to go."""
        return not self.meta.is_deleting and is_true(self.conditions, WorkloadCondition.READY)

    @cached_property
    def ready_since_s(self) -> float:
        """When it became ready: seconds since the epoch."""
        return since_s(self.conditions, WorkloadCondition.READY)

    @property
    def service(self) -> Key | None:
        """The Service that leads to it, if it names one."""
        named = self.spec.kubernetes.service
        return None if named is None else Key(self.meta.key.namespace, named.name)

    @property
    def restarts(self) -> int:
        """How often it was started again after a failure."""
        return int(self.status.get("restarts") or 0)

    @cached_property
    def group(self) -> str:
        """What its replicas are spread by: its replica set, else itself.

        Not the deployment: in a rollout the old set's replicas are about to go, and those of the new set stay.
        """
        return self.meta.owner.uid if self.meta.owner is not None else self.meta.uid

    @cached_property
    def memory_bytes(self) -> int:
        """The memory that its limits add up to."""
        return memory_bytes(self.spec)


@dataclass(frozen=True)
class ReplicaSetView(_Object):
    """A WorkloadReplicaSet object."""

    spec: WorkloadReplicaSetSpec

    @cached_property
    def template_digest(self) -> str:
        """Equal for templates that are equal in meaning."""
        return template_digest(self.spec.template)

    @property
    def config_digest(self) -> str | None:
        """The digest of the configuration it was made for, if it is known."""
        return self.meta.annotations.get(CONFIG_DIGEST)

    @property
    def revision(self) -> int:
        """Its revision, 0 for one that another operator made."""
        text = self.meta.annotations.get(REVISION, "")
        return int(text) if text.isdecimal() else 0

    @cached_property
    def is_ready(self) -> bool:
        """Whether every replica is ready, by its status."""
        return is_true(self.conditions, ReplicaSetCondition.READY)


@dataclass(frozen=True)
class DeploymentView(_Object):
    """A WorkloadDeployment object."""

    spec: WorkloadDeploymentSpec


@dataclass(frozen=True)
class ArtifactView(_Object):
    """An Artifact object."""

    spec: ArtifactSpec

    @property
    def image(self) -> str | None:
        """The image to pull, by its digest where that is known; None until the artifact is resolved.

        What a tag was resolved to serves on until the repository's next tag is; another repository's doesn't.
        """
        url, digest = str(self.status.get("artifactUrl") or ""), str(self.status.get("digest") or "")
        if not url or repository(url) != repository(self.spec.image):
            return None
        return pinned(url, digest) if digest else url


@dataclass(frozen=True)
class ServiceView(_Object):
    """A Service, as far as a route cares. ``port_names`` are in order; an unnamed port is ""."""

    has_selector: bool
    is_external: bool
    is_headless: bool
    port_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SliceName:
    """What the name of an EndpointSlice says: ``family`` is ipv4 or ipv6, pages count from 1."""

    service: str
    family: str
    port: int
    page: int

    def __str__(self) -> str:
        page = f"-{self.page}" if self.page > 1 else ""
        return f"{self.service}-wasmcloud-{self.family}-{self.port}{page}"


def read_slice_name(text: str) -> SliceName | None:
    """Return what a name of ours says, None for another."""
    found = _SLICE_NAME.fullmatch(text)
    if found is None:
        return None
    return SliceName(found["service"], found["family"], int(found["port"]), int(found["page"] or 1))


@dataclass(frozen=True)
class SliceView(_Object):
    """An EndpointSlice of the operator's."""

    body: Json

    @property
    def endpoints(self) -> Sequence[Json]:
        """Its endpoints, as JSON."""
        return self.body.get("endpoints") or ()

    @cached_property
    def service(self) -> Key:
        """Return the Service it belongs to: by its name, which nobody can change, else by its label."""
        name = self.name.service if self.name is not None else self.meta.labels.get(SERVICE_NAME_LABEL, "")
        return Key(self.meta.key.namespace, name)

    @cached_property
    def name(self) -> SliceName | None:
        """What its name says; None for a slice that wasmCloud v2 named."""
        return read_slice_name(self.meta.key.name)


@dataclass(frozen=True)
class BrokenView(_Object):
    """An object that breaks a rule of the API, such as one written before the rule was made."""

    problem: str


View = HostRecord | WorkloadView | ReplicaSetView | DeploymentView | ArtifactView | ServiceView | SliceView | BrokenView


def is_route(body: Json) -> bool:
    """Whether an EndpointSlice is the operator's: by its name, or by the label that wasmCloud v2 sets too."""
    raw: Json = body.get("metadata") or {}
    labels = raw.get("labels") or {}
    return read_slice_name(str(raw.get("name") or "")) is not None or labels.get(ROUTE_MANAGER_LABEL) == "true"


def parse(kind: Kind, body: Json) -> View:
    """Return the view of an object; a BrokenView when its spec breaks a rule, never an exception."""
    meta = parse_metadata(body)
    status = body.get("status") or {}
    if kind is Kind.HOST:
        return HostRecord(meta, status, body)
    if kind is Kind.ENDPOINT_SLICE:
        return SliceView(meta, status, body)
    spec = body.get("spec") or {}
    try:
        match kind:
            case Kind.WORKLOAD:
                return WorkloadView(meta, status, WorkloadSpec.model_validate(spec))
            case Kind.REPLICA_SET:
                return ReplicaSetView(meta, status, WorkloadReplicaSetSpec.model_validate(spec))
            case Kind.DEPLOYMENT:
                return DeploymentView(meta, status, WorkloadDeploymentSpec.model_validate(spec))
            case Kind.ARTIFACT:
                return ArtifactView(meta, status, ArtifactSpec.model_validate(spec))
            case Kind.SERVICE:
                return _service(meta, status, spec)
    except ValidationError as error:
        return BrokenView(meta, status, _sentence(error))


def memory_bytes(spec: WorkloadSpec) -> int:
    """Return the memory that the limits of a workload add up to."""
    resources = [component.local_resources for component in spec.components]
    if spec.service is not None:
        resources.append(spec.service.local_resources)
    return sum((one.memory_limit_mb or 0) << 20 for one in resources)


def _service(meta: Metadata, status: Json, spec: Json) -> ServiceView:
    return ServiceView(
        meta,
        status,
        has_selector=bool(spec.get("selector")),
        is_external=spec.get("type") == "ExternalName",
        is_headless=spec.get("clusterIP") == "None",
        port_names=tuple(str(port.get("name") or "") for port in spec.get("ports") or ()),
    )


def _sentence(error: ValidationError) -> str:
    """Return where and why a spec is wrong, without its values: they may be secret."""
    problems = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{field_path(('spec', *item['loc']))}: {item['msg']}" for item in problems)
