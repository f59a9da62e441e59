"""From an image's name to a file on this machine: files below allowed directories, and registries with a cache."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import BaseModel, SecretStr
from wasmcloud_api.names import FILE_SCHEME
from wasmcloud_api.wire import Component, ImagePullPolicy, Service
from wasmcloud_engine import Engine, EngineError

from wasmcloud_host.telemetry import event

log: Final = logging.getLogger(__name__)


class PullError(Exception):
    """An image that can't be had; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Image:
    """What to pull, with whose rights. The password shows nowhere."""

    name: str
    username: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""), repr=False)

    @classmethod
    def of(cls, component: Component | Service) -> Image:
        """Return the image of a component or service, with its pull secret."""
        secret = component.image_pull_secret
        return cls(component.image, secret.username, secret.password) if secret else cls(component.image)

    def cache_key(self) -> str:
        """Return what differs for other rights: an image pulled with a password isn't there for those without."""
        text = json.dumps([self.name, self.username, self.password.get_secret_value()])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A component's file and the digest of its content, `sha256:<hex>`."""

    path: Path
    digest: str


class Pulled(BaseModel, frozen=True):
    """What the engine says about a pull, and what the cache keeps of it."""

    manifest_digest: str
    layer_digest: str
    path: Path | None


class Artifacts:
    """Fetches images. However many ask for an image at once, the registry is asked once."""

    def __init__(self, engine: Engine, cache_dir: Path, file_dirs: Sequence[Path]) -> None:
        self._engine = engine
        self._index = cache_dir / "images"
        self._file_dirs = file_dirs
        self._under_way: dict[str, asyncio.Task[Artifact]] = {}

    async def fetch(self, image: Image, policy: ImagePullPolicy) -> Artifact:
        """Return the image's file. Raises PullError."""
        if image.name.startswith(FILE_SCHEME):
            return await asyncio.to_thread(file_artifact, image.name, self._file_dirs)
        policy = effective_policy(image.name, policy)
        kept = await asyncio.to_thread(self._kept, image)
        if policy is not ImagePullPolicy.ALWAYS and kept and kept.path:
            return Artifact(kept.path, kept.layer_digest)
        if policy is ImagePullPolicy.NEVER:
            raise PullError(f"{image.name} is not in this host's cache, and its pull policy is Never")
        return await self._pull_once(image, kept)

    async def _pull_once(self, image: Image, kept: Pulled | None) -> Artifact:
        key = image.cache_key()
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask_registry(image, kept))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        # One who no longer wants the image must not take it from the others.
        return await asyncio.shield(task)

    def _forget(self, key: str, task: asyncio.Task[Artifact]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen by those who still wait; when nobody does, it isn't news

    async def _ask_registry(self, image: Image, kept: Pulled | None) -> Artifact:
        known = kept.manifest_digest if kept and kept.path else None
        try:
            answer = Pulled.model_validate_json(await self._engine.pull(_request(image, known)))
            if answer.path is None and kept and kept.path and answer.manifest_digest == known:
                answer = kept
            elif answer.path is None:  # the layer went out of the cache between the two questions
                answer = Pulled.model_validate_json(await self._engine.pull(_request(image, None)))
        except EngineError as error:
            raise PullError(str(error)) from error
        if answer.path is None:
            raise PullError(f"{image.name}: the registry's answer had no component in it")
        await asyncio.to_thread(self._keep, image, answer)
        event(log, "image_pulled", image=image.name, digest=answer.manifest_digest)
        return Artifact(answer.path, answer.layer_digest)

    def _kept(self, image: Image) -> Pulled | None:
        entry = self._index / image.cache_key()
        try:
            kept = Pulled.model_validate_json(entry.read_bytes())
        except (OSError, ValueError):
            return None  # never pulled, or an unreadable entry: the registry knows
        if kept.path is None or not kept.path.is_file():
            entry.unlink(missing_ok=True)  # the layer made room for others
            return None
        return kept

    def _keep(self, image: Image, pulled: Pulled) -> None:
        self._index.mkdir(parents=True, exist_ok=True, mode=0o700)
        entry = self._index / image.cache_key()
        draft = entry.with_suffix(".draft")  # a crash leaves it for the next pull of this image to overwrite
        draft.write_text(pulled.model_dump_json())
        draft.replace(entry)


def effective_policy(name: str, policy: ImagePullPolicy) -> ImagePullPolicy:
    """Kubernetes' default where none is given: Always for `latest` or no tag, else IfNotPresent."""
    if policy is not ImagePullPolicy.UNSPECIFIED:
        return policy
    tagged = name.rpartition("/")[2]
    is_moving = "@" not in tagged and (":" not in tagged or tagged.endswith(":latest"))
    return ImagePullPolicy.ALWAYS if is_moving else ImagePullPolicy.IF_NOT_PRESENT


def _request(image: Image, accept_digest: str | None) -> str:
    return json.dumps(
        {
            "image": image.name,
            "username": image.username or None,
            "password": image.password.get_secret_value() or None,
            "accept_digest": accept_digest,
        }
    )


def file_artifact(name: str, directories: Sequence[Path]) -> Artifact:
    """Return the file of an image `file://name`, relative to an allowed directory or absolute inside one.

    The directories are resolved ones. Links are followed before the check, so none leads out. Raises PullError.
    """
    if not directories:
        raise PullError(f"{name} is a file, and this host was started without --allow-file-images")
    relative = name.removeprefix(FILE_SCHEME)
    candidates = [(directory / relative).resolve() for directory in directories]
    inside = [path for path in candidates if any(path.is_relative_to(directory) for directory in directories)]
    if not inside:
        raise PullError(f"{name} leads out of the directories of --allow-file-images")
    path = next((path for path in inside if path.is_file()), None)
    if path is None:
        raise PullError(f"{name}: no such file in {', '.join(str(directory) for directory in directories)}")
    try:
        with path.open("rb") as content:
            return Artifact(path, f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}")
    except OSError as error:
        raise PullError(f"{name} can't be read: {error.strerror}") from error
