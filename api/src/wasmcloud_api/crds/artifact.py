"""Artifact: an image whose tag is followed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from wasmcloud_api.crds.base import AGE, READY, Column, Definition, KubernetesObject, NonEmpty, Resource, Status
from wasmcloud_api.crds.shared import Conditions, LocalObjectReference

DURATION_PATTERN: Final = r"^([1-9][0-9]*h)?([1-9][0-9]*m)?([1-9][0-9]*s)?$"


class ArtifactSpec(Resource):
    """Which image to follow."""

    image: NonEmpty
    """OCI image; its tag is resolved to a digest."""
    image_pull_secret: LocalObjectReference | None = None
    """Secret of type kubernetes.io/dockerconfigjson for the image's registry."""
    interval: Annotated[str, Field(min_length=2, max_length=20, pattern=DURATION_PATTERN)] = "5m"
    """How often the registry is asked for a new digest, such as `30s`, `5m` or `1h30m`."""

    @property
    def interval_s(self) -> int:
        """The interval in seconds."""
        total, number = 0, 0
        for character in self.interval:
            if character.isdigit():
                number = number * 10 + int(character)
            else:
                total += number * {"h": 3600, "m": 60, "s": 1}[character]
                number = 0
        return total


class ArtifactStatus(Status):
    """What is known about the image."""

    artifact_url: str | None = None
    """The image with its digest, ready to be pulled."""
    digest: str | None = None
    """Digest that the tag had when the registry was last asked."""
    conditions: Conditions = ()
    """Sync, Published and Ready."""


class Artifact(KubernetesObject):
    """An image whose tag is followed: a new digest starts a rollout of the deployments that name it."""

    definition: ClassVar[Definition] = Definition(
        plural="artifacts",
        singular="artifact",
        columns=(Column("IMAGE", ".spec.image"), Column("DIGEST", ".status.digest"), READY, AGE),
    )

    kind: Literal["Artifact"] = "Artifact"
    """Kind of this object."""
    spec: ArtifactSpec
    """Which image to follow."""
    status: ArtifactStatus = ArtifactStatus()
    """What is known about the image."""
