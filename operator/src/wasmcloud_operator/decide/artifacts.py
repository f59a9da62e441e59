"""When a registry is asked for an Artifact's digest, and what the Artifact's status says of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from wasmcloud_api.conditions import ArtifactCondition, Reason

from wasmcloud_operator.decide.backoff import backoff_s
from wasmcloud_operator.model.conditions import Condition, fails, find, holds, merge_conditions, unclear
from wasmcloud_operator.model.images import digest_of, is_followed, pinned
from wasmcloud_operator.model.views import ArtifactView

_FIRST_RETRY_S: Final = 1.0
_LEAST_LONGEST_RETRY_S: Final = 60.0
_MOST_LONGEST_RETRY_S: Final = 300.0
"""A registry that fails is asked at the artifact's interval in the end, but within these bounds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there was no answer. The message is one sentence."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The last question to a registry. ``asked_s`` is on the monotonic clock.

    ``digest`` is the newest that the registry ever named for the image; a failure does not take it away.
    """

    image: str
    generation: int
    asked_s: float
    digest: str | None = None
    failure: Failure | None = None
    failure_count: int = 0
    retry_s: float = 0.0


_KINDS: Final = (ArtifactCondition.SYNC, ArtifactCondition.PUBLISHED, ArtifactCondition.READY)


def answered(view: ArtifactView, digest: str, *, now_s: float) -> Inquiry:
    """Return the inquiry that the registry answered."""
    return Inquiry(view.spec.image, view.meta.generation, now_s, digest)


def failed(view: ArtifactView, before: Inquiry | None, failure: Failure, *, now_s: float, chance: float) -> Inquiry:
    """Return the inquiry that came to nothing; each failure in a row puts the next try off for longer."""
    is_same = before is not None and before.generation == view.meta.generation
    count = before.failure_count + 1 if before is not None and is_same else 1
    cap_s = min(_MOST_LONGEST_RETRY_S, max(_LEAST_LONGEST_RETRY_S, view.spec.interval_s))
    retry_s = backoff_s(count - 1, chance=chance, base_s=_FIRST_RETRY_S, cap_s=cap_s)
    digest = known_digest(view, before)
    return Inquiry(view.spec.image, view.meta.generation, now_s, digest, failure, count, retry_s)


def ask_in_s(view: ArtifactView, last: Inquiry | None, *, now_s: float) -> float | None:
    """Return in how many seconds to ask the registry, None for an image that nobody needs to be asked for."""
    if not is_followed(view.spec.image):
        return None
    if last is None or last.generation != view.meta.generation:
        return 0.0
    wait_s = view.spec.interval_s if last.failure is None else last.retry_s
    return max(0.0, last.asked_s + wait_s - now_s)


def known_digest(view: ArtifactView, last: Inquiry | None) -> str | None:
    """Return the newest digest of the image: from the last inquiry, else what an earlier operator wrote of it."""
    if last is not None and last.image == view.spec.image and last.digest is not None:
        return last.digest
    published = find(view.conditions, ArtifactCondition.PUBLISHED) or {}
    is_of_this = published.get("status") == "True" and published.get("observedGeneration") == view.meta.generation
    return digest_of(view.image or "") if is_of_this else None


def artifact_status(view: ArtifactView, last: Inquiry | None, *, now_s: float) -> dict[str, Any]:
    """Return the whole status of an Artifact. ``now_s`` is seconds since the epoch."""
    image, digest = view.spec.image, known_digest(view, last)
    conditions = [holds(kind) for kind in _KINDS]
    if not is_followed(image):
        digest = digest_of(image)
        fields = {"artifactUrl": pinned(image, digest) if digest else image, "digest": digest}
    else:
        is_answer = last is not None and last.generation == view.meta.generation
        conditions = _conditions(last if is_answer else None, is_published=digest is not None)
        if digest is not None:
            fields = {"artifactUrl": pinned(image, digest), "digest": digest}
        else:  # what another tag came to serves on, what another repository's did goes
            fields = {} if view.image is not None else {"artifactUrl": None, "digest": None}
    merged = merge_conditions(view.conditions, conditions, generation=view.meta.generation, now_s=now_s)
    return {**fields, "conditions": merged}


def _conditions(last: Inquiry | None, *, is_published: bool) -> list[Condition]:
    sync, published, ready = _KINDS
    if last is None:
        waiting = [unclear(kind, Reason.RECONCILE, "the registry is being asked") for kind in _KINDS]
        return [waiting[0], holds(published), holds(ready)] if is_published else waiting
    if last.failure is None:
        return [holds(kind) for kind in _KINDS]
    reason, message = last.failure.reason, last.failure.message
    if is_published:
        kept = f"the digest that the registry last named is used on: {message}"
        return [fails(sync, reason, message), holds(published), holds(ready, kept)]
    return [fails(kind, reason, message) for kind in _KINDS]
