"""Reads what workloads name: ConfigMaps, Secrets, pull secrets and artifacts. By `get` only, and never kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from wasmcloud_api.conditions import ArtifactCondition, Reason
from wasmcloud_api.crds import Component, Service, WorkloadSpec
from wasmcloud_api.names import ARTIFACT_SCHEME

from wasmcloud_operator.decide.references import Credentials, References, config_digest, credentials_for, references
from wasmcloud_operator.decide.render import Resolved
from wasmcloud_operator.engine.apply import Apply
from wasmcloud_operator.engine.ports import ClusterError
from wasmcloud_operator.engine.store import Store
from wasmcloud_operator.model.conditions import find
from wasmcloud_operator.model.keys import Key
from wasmcloud_operator.model.views import ArtifactView

T = TypeVar("T")


class ConfigError(Exception):
    """Something that a workload names is missing or unreadable; the message holds no value of it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Configuration:
    """Reads configuration through the cluster's port."""

    def __init__(self, apply: Apply, store: Store) -> None:
        self._apply = apply
        self._store = store

    async def resolve(self, namespace: str, spec: WorkloadSpec) -> Resolved:
        """Return what the references of a workload come to now; raises ConfigError."""
        refs = references(spec)
        artifacts = {name: self.image(Key(namespace, name)) for name in refs.artifacts}
        config_maps, secrets, pull_secrets = await asyncio.gather(
            self._config_maps(namespace, refs.config_maps),
            self._secrets(namespace, refs.secrets),
            self._secrets(namespace, refs.pull_secrets),
        )
        return Resolved(
            config_maps=config_maps,
            secrets={name: _texts(name, data) for name, data in secrets.items()},
            artifacts=artifacts,
            logins=_logins(spec, artifacts, pull_secrets),
        )

    async def digest(self, namespace: str, refs: References, salt: str) -> str | None:
        """Return the digest of the configuration; None while a part of it can't be read."""
        try:
            config_maps, secrets = await asyncio.gather(
                self._config_maps(namespace, refs.config_maps), self._secrets(namespace, refs.secrets)
            )
        except ConfigError:
            return None
        return config_digest(salt, config_maps, secrets)

    def image(self, artifact: Key) -> str:
        """Return the image of an artifact; raises ConfigError while there is none."""
        view = self._store.artifact(artifact)
        if view is None:
            raise ConfigError(Reason.ARTIFACT_NOT_FOUND, f'the Artifact "{artifact.name}" does not exist')
        image = view.image if isinstance(view, ArtifactView) else None
        if image is None:
            why = (find(view.conditions, ArtifactCondition.READY) or {}).get("message")
            text = f'the Artifact "{artifact.name}" has no image yet'
            raise ConfigError(Reason.ARTIFACT_NOT_READY, f"{text}: {why}" if why else text)
        return image

    async def login(self, artifact: ArtifactView) -> Credentials | None:
        """Return the login that an artifact's pull secret has for its registry; raises ConfigError."""
        if artifact.spec.image_pull_secret is None:
            return None
        name = artifact.spec.image_pull_secret.name
        secrets = await self._secrets(artifact.meta.key.namespace, [name])
        return _login(name, artifact.spec.image, secrets[name])

    async def _config_maps(self, namespace: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
        return await _each(namespace, names, "ConfigMap", Reason.CONFIG_MAP_NOT_FOUND, self._apply.read_config_map)

    async def _secrets(self, namespace: str, names: Sequence[str]) -> dict[str, dict[str, bytes]]:
        return await _each(namespace, names, "Secret", Reason.SECRET_NOT_FOUND, self._apply.read_secret)


async def _each(
    namespace: str, names: Sequence[str], kind: str, missing: Reason, read: Callable[[Key], Awaitable[T | None]]
) -> dict[str, T]:
    async def one(name: str) -> T:
        try:
            found = await read(Key(namespace, name))
        except ClusterError as error:
            raise ConfigError(Reason.CONFIG_UNREADABLE, f'the {kind} "{name}" can\'t be read: {error}') from None
        if found is None:
            raise ConfigError(missing, f'the {kind} "{name}" does not exist in namespace "{namespace}"')
        return found

    values = await asyncio.gather(*(one(name) for name in names))
    return dict(zip(names, values, strict=True))


def _texts(name: str, data: Mapping[str, bytes]) -> dict[str, str]:
    try:
        return {key: value.decode() for key, value in data.items()}
    except UnicodeDecodeError:
        message = f'the Secret "{name}" has a value that is not UTF-8 text'
        raise ConfigError(Reason.CONFIG_UNREADABLE, message) from None


def _logins(
    spec: WorkloadSpec, artifacts: Mapping[str, str], secrets: Mapping[str, Mapping[str, bytes]]
) -> dict[tuple[str, str], Credentials]:
    logins: dict[tuple[str, str], Credentials] = {}
    parts: list[Component | Service] = [*spec.components, *([spec.service] if spec.service else [])]
    for part in parts:
        if part.image_pull_secret is None:
            continue
        name = part.image_pull_secret.name
        image = artifacts.get(part.image.removeprefix(ARTIFACT_SCHEME), part.image)
        login = _login(name, image, secrets[name])
        if login is not None:
            logins[name, image] = login
    return logins


def _login(name: str, image: str, secret: Mapping[str, bytes]) -> Credentials | None:
    try:
        return credentials_for(image, secret)
    except ValueError as error:
        raise ConfigError(Reason.PULL_SECRET_INVALID, f'the Secret "{name}" is no pull secret: {error}') from None
