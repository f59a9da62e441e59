"""Objects and messages made from others: replica set from deployment, workload from replica set, start request."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import SecretStr
from wasmcloud_api import crds, wire
from wasmcloud_api.crds import ConfigLayer, KubernetesSpec, WorkloadSpec, WorkloadTemplate
from wasmcloud_api.names import (
    API_VERSION,
    ARTIFACT_SCHEME,
    DEPLOYMENT_LABEL,
    HOST_ALIASES_KEY,
    HTTP_HANDLERS,
    TEMPLATE_HASH_ANNOTATION,
    WORKLOAD_FINALIZER,
    HostId,
)

from wasmcloud_operator.decide.references import Credentials
from wasmcloud_operator.model.keys import Kind
from wasmcloud_operator.model.marks import CONFIG_DIGEST, PLACED_ON, REVISION
from wasmcloud_operator.model.metadata import Metadata
from wasmcloud_operator.model.template import child_name, template_digest
from wasmcloud_operator.model.views import DeploymentView, ReplicaSetView, WorkloadView

_HASH_LENGTH: Final = 10
_PULL_POLICIES: Final = {
    crds.ImagePullPolicy.ALWAYS: wire.ImagePullPolicy.ALWAYS,
    crds.ImagePullPolicy.IF_NOT_PRESENT: wire.ImagePullPolicy.IF_NOT_PRESENT,
    crds.ImagePullPolicy.NEVER: wire.ImagePullPolicy.NEVER,
}


@dataclass(frozen=True, repr=False)
class Settings:
    """What was read for a start. Holds secrets, so it shows nothing of itself."""

    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    logins: Mapping[tuple[str, str], Credentials] = field(default_factory=dict)
    """By the name of the pull secret and the image."""


def effective_template(deployment: DeploymentView, images: Mapping[str, str]) -> WorkloadTemplate:
    """Return the template that a deployment's replicas are made from; ``images`` maps its artifacts to images."""
    template = deployment.spec.template
    spec = template.spec
    components = tuple(
        component.model_copy(update={"image": _image(component.image, images)}) for component in spec.components
    )
    service = spec.service and spec.service.model_copy(update={"image": _image(spec.service.image, images)})
    kubernetes = deployment.spec.kubernetes if deployment.spec.kubernetes != KubernetesSpec() else spec.kubernetes
    update = {"components": components, "service": service, "kubernetes": kubernetes}
    return template.model_copy(update={"spec": spec.model_copy(update=update)})


def _image(image: str, images: Mapping[str, str]) -> str:
    if not image.startswith(ARTIFACT_SCHEME):
        return image
    return images.get(image.removeprefix(ARTIFACT_SCHEME), image)


def owner_reference(kind: Kind, meta: Metadata) -> dict[str, Any]:
    """Return the reference by which a child names its controller."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind.value,
        "name": meta.key.name,
        "uid": meta.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def replica_set_name(deployment: str, template: WorkloadTemplate, config: str | None, attempt: int) -> str:
    """Return the name of the set for a template and a digest of its configuration.

    ``attempt`` counts from 0 how many names were found taken by sets whose template is another one.
    """
    text = template_digest(template)
    if config is not None or attempt:
        text = hashlib.sha256(f"{text} {config} {attempt}".encode()).hexdigest()
    return child_name(deployment, text[:_HASH_LENGTH])


def new_replica_set(
    deployment: DeploymentView,
    template: WorkloadTemplate,
    *,
    name: str,
    replicas: int,
    revision: int,
    config: str | None,
) -> dict[str, Any]:
    """Return the replica set to create for a template."""
    meta = deployment.meta
    annotations = {REVISION: str(revision)} | ({} if config is None else {CONFIG_DIGEST: config})
    return {
        "apiVersion": API_VERSION,
        "kind": Kind.REPLICA_SET.value,
        "metadata": {
            "namespace": meta.key.namespace,
            "name": name,
            "labels": {**template.labels, DEPLOYMENT_LABEL: meta.key.name},
            "annotations": annotations,
            "ownerReferences": [owner_reference(Kind.DEPLOYMENT, meta)],
        },
        "spec": {"replicas": replicas, "template": template.document()},
    }


def new_workload(replica_set: ReplicaSetView, name: str, host_id: HostId | None) -> dict[str, Any]:
    """Return the Workload to create; its host is on record from the first moment, so no crash starts it twice."""
    meta, template = replica_set.meta, replica_set.spec.template
    deployment = meta.labels.get(DEPLOYMENT_LABEL)
    annotations = {**template.annotations, TEMPLATE_HASH_ANNOTATION: replica_set.template_digest[:_HASH_LENGTH]}
    if host_id is not None:
        annotations[PLACED_ON] = host_id
    return {
        "apiVersion": API_VERSION,
        "kind": Kind.WORKLOAD.value,
        "metadata": {
            "namespace": meta.key.namespace,
            "name": name,
            "labels": {**template.labels, **({DEPLOYMENT_LABEL: deployment} if deployment else {})},
            "annotations": annotations,
            "finalizers": [WORKLOAD_FINALIZER],
            "ownerReferences": [owner_reference(Kind.REPLICA_SET, meta)],
        },
        "spec": template.spec.document(),
    }


def start_request(view: WorkloadView, settings: Settings) -> wire.WorkloadStartRequest:
    """Return the message that starts a workload."""
    spec = view.spec
    annotations = {key: value for key, value in view.meta.annotations.items() if key != PLACED_ON}
    workload = wire.Workload(
        namespace=view.meta.key.namespace,
        name=view.meta.key.name,
        annotations=annotations,
        service=_service(spec.service, settings) if spec.service is not None else None,
        wit_world=wire.WitWorld(
            components=tuple(_component(component, settings) for component in spec.components),
            host_interfaces=tuple(_interface(i, view.meta.key.namespace, spec, settings) for i in spec.host_interfaces),
        ),
        volumes=tuple(_volume(volume) for volume in spec.volumes),
    )
    return wire.WorkloadStartRequest(workload=workload, workload_id=view.meta.uid)


def _component(component: crds.Component, settings: Settings) -> wire.Component:
    image = _image(component.image, settings.artifacts)
    return wire.Component(
        name=component.name,
        image=image,
        local_resources=_resources(component.local_resources, settings),
        pool_size=component.pool_size,
        max_invocations=component.max_invocations,
        max_concurrency=component.max_concurrency,
        image_pull_secret=_pull_secret(component, image, settings),
        image_pull_policy=_pull_policy(component),
    )


def _service(service: crds.Service, settings: Settings) -> wire.Service:
    image = _image(service.image, settings.artifacts)
    return wire.Service(
        image=image,
        local_resources=_resources(service.local_resources, settings),
        max_restarts=service.max_restarts,
        image_pull_secret=_pull_secret(service, image, settings),
        image_pull_policy=_pull_policy(service),
    )


def _pull_policy(part: crds.Component | crds.Service) -> wire.ImagePullPolicy:
    if part.image_pull_policy is None:
        return wire.ImagePullPolicy.UNSPECIFIED
    return _PULL_POLICIES[part.image_pull_policy]


def _pull_secret(part: crds.Component | crds.Service, image: str, settings: Settings) -> wire.ImagePullSecret | None:
    login = settings.logins.get((part.image_pull_secret.name, image)) if part.image_pull_secret else None
    if login is None:
        return None
    return wire.ImagePullSecret(username=login.username, password=SecretStr(login.password))


def _resources(resources: crds.LocalResources, settings: Settings) -> wire.LocalResources:
    return wire.LocalResources(
        memory_limit_mb=resources.memory_limit_mb or 0,
        cpu_limit=resources.cpu_limit or 0,
        config=resources.config,
        environment=layered(resources.environment, settings),
        volume_mounts=tuple(
            wire.VolumeMount(name=m.name, mount_path=m.mount_path, read_only=m.read_only)
            for m in resources.volume_mounts
        ),
        allowed_hosts=resources.allowed_hosts,
        allowed_ip_name_lookups=resources.allowed_ip_name_lookups,
        allowed_host_loopback_ports=resources.allowed_host_loopback_ports,
    )


def layered(layer: ConfigLayer, settings: Settings) -> dict[str, str]:
    """Return the settings of a layer: inline, then ConfigMaps in order, then Secrets in order; the last one wins."""
    merged = dict(layer.config)
    for ref in layer.config_from:
        merged.update(settings.config_maps[ref.name])
    for ref in layer.secret_from:
        merged.update(settings.secrets[ref.name])
    return merged


def _interface(
    interface: crds.HostInterface, namespace: str, spec: WorkloadSpec, settings: Settings
) -> wire.WitInterface:
    config = layered(interface, settings)
    service = spec.kubernetes.service
    is_http = (interface.namespace, interface.package) == ("wasi", "http")
    if service is not None and is_http and not HTTP_HANDLERS.isdisjoint(interface.interfaces):
        config[HOST_ALIASES_KEY] = ",".join([*_aliases(config), *service_names(service.name, namespace)])
    return wire.WitInterface(
        namespace=interface.namespace,
        package=interface.package,
        version=interface.version,
        interfaces=interface.interfaces,
        config=config,
        name=interface.name,
    )


def _aliases(config: Mapping[str, str]) -> list[str]:
    return [alias.strip() for alias in config.get(HOST_ALIASES_KEY, "").split(",") if alias.strip()]


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """Return the names by which clients inside the cluster reach a Service."""
    return tuple(f"{service}.{namespace}{suffix}" for suffix in ("", ".svc", ".svc.cluster.local"))


def _volume(volume: crds.Volume) -> wire.Volume:
    if volume.host_path is not None:
        return wire.Volume(name=volume.name, host_path=wire.HostPath(local_path=volume.host_path.path))
    return wire.Volume(name=volume.name, empty_dir=wire.EmptyDir())
