"""The ConfigMaps, Secrets and Artifacts that a workload names, and which credentials of a pull secret fit an image."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wasmcloud_api.crds import Component, ConfigLayer, Service, WorkloadDeploymentSpec, WorkloadSpec
from wasmcloud_api.names import ARTIFACT_SCHEME, WITHHELD_LABEL

from wasmcloud_operator.model.images import registry_host, registry_of

DOCKER_CONFIG_KEY = ".dockerconfigjson"
HELM_RELEASE = "helm.sh/release.v1"
"""The type of the Secrets in which Helm keeps what it installed."""


@dataclass(frozen=True)
class References:
    """Names of objects in the workload's namespace, sorted."""

    config_maps: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    pull_secrets: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()

    @property
    def has_config(self) -> bool:
        """Whether anything that is read at a start is named."""
        return bool(self.config_maps or self.secrets)


@dataclass(frozen=True)
class Credentials:
    """A login to a registry."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(**********)"


def references(spec: WorkloadSpec) -> References:
    """Return what a workload names."""
    parts: list[Component | Service] = [*spec.components, *([spec.service] if spec.service else [])]
    layers: list[ConfigLayer] = [*spec.host_interfaces]
    images, pull_secrets = set[str](), set[str]()
    for part in parts:
        layers.append(part.local_resources.environment)
        images.add(part.image)
        if part.image_pull_secret is not None:
            pull_secrets.add(part.image_pull_secret.name)
    return References(
        config_maps=_names(ref.name for layer in layers for ref in layer.config_from),
        secrets=_names(ref.name for layer in layers for ref in layer.secret_from),
        pull_secrets=_names(pull_secrets),
        artifacts=_names(i.removeprefix(ARTIFACT_SCHEME) for i in images if i.startswith(ARTIFACT_SCHEME)),
    )


def artifacts_of(spec: WorkloadDeploymentSpec) -> dict[str, str]:
    """Return the Artifacts of a deployment by the names its images use.

    A name that `spec.artifacts` doesn't explain is the Artifact's own.
    """
    explained = {entry.name: entry.artifact_from.name for entry in spec.artifacts}
    return {name: name for name in references(spec.template.spec).artifacts} | explained


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def why_withheld(secret: Mapping[str, Any]) -> str | None:
    """Return why workloads may not have a Secret, given as an object of the API; None when they may.

    Who may make workloads may name any Secret of the namespace. What would make them more than that, such as the key of
    a host, says so by its label; and a release of Helm holds every Secret that its chart made.
    """
    if (secret["metadata"].get("labels") or {}).get(WITHHELD_LABEL) == "true":
        return f"its label {WITHHELD_LABEL} keeps it from workloads"
    if secret.get("type") == HELM_RELEASE:
        return "it is a release of Helm, which is kept from workloads"
    return None


def config_digest(
    salt: str, config_maps: Mapping[str, Mapping[str, str]], secrets: Mapping[str, Mapping[str, bytes]]
) -> str:
    """Return 32 bits that change with the configuration: enough to see a change, too few to tell what it says."""
    digest = hashlib.sha256(salt.encode())
    for name, data in sorted(config_maps.items()):
        digest.update(json.dumps(["ConfigMap", name, sorted(data.items())]).encode())
    for name, values in sorted(secrets.items()):
        pairs = [[key, hashlib.sha256(value).hexdigest()] for key, value in sorted(values.items())]
        digest.update(json.dumps(["Secret", name, pairs]).encode())
    return digest.hexdigest()[:8]


def credentials_for(image: str, secret: Mapping[str, bytes]) -> Credentials | None:
    """Return the login that a pull secret has for an image's registry, None when it has none.

    The secret is of type kubernetes.io/dockerconfigjson; raises ValueError, without any value of it, when it isn't.
    """
    raw = secret.get(DOCKER_CONFIG_KEY)
    if raw is None:
        raise ValueError(f'it has no key "{DOCKER_CONFIG_KEY}", so it is not of type kubernetes.io/dockerconfigjson')
    try:
        entries = json.loads(raw)["auths"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f'its key "{DOCKER_CONFIG_KEY}" is not the JSON of a Docker configuration') from None
    wanted = registry_of(image)
    found = [entry for key, entry in entries if registry_host(key) == wanted]
    return _login(found[0]) if found else None


def _login(entry: Any) -> Credentials:
    if not isinstance(entry, dict):
        raise ValueError("the entry of the image's registry is not a JSON object")
    if entry.get("username") is not None:
        return Credentials(str(entry["username"]), str(entry.get("password") or ""))
    try:
        text = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode()
    except ValueError:
        raise ValueError('the field "auth" of the image\'s registry is not base64 of user:password') from None
    username, _, password = text.partition(":")
    return Credentials(username, password)
