"""Manifests for `wasmcloud up`: read strictly, so that a slip is one sentence and not a workload that never starts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmcloud_api.manifest import ManifestError, parse
from wasmcloud_api.names import FILE_SCHEME

from wasmcloud.complaints import BadInput
from wasmcloud.components import Components
from wasmcloud.configuration import configuration_problems
from wasmcloud.documents import STDIN, Document, manifest_files, read_documents

RUN_KINDS = ("WorkloadDeployment", "Workload", "WorkloadReplicaSet")
"""The kinds that run something, so at least one of them is needed."""

CONFIGURATION_KINDS = ("ConfigMap", "Secret")
ARTIFACT_KIND = "Artifact"
KNOWN_KINDS = (*RUN_KINDS, ARTIFACT_KIND, *CONFIGURATION_KINDS)
_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Which object a document is."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Manifests:
    """What the person wants to run."""

    objects: Mapping[Identity, Mapping[str, Any]]
    images: frozenset[str]
    files: tuple[Path, ...]
    """All that it was read from, components included."""

    @property
    def loopback_registries(self) -> list[str]:
        """The registries of this machine that images come from, as `host[:port]`."""
        registries = {image.partition("/")[0] for image in self.images if not image.startswith(FILE_SCHEME)}
        return sorted(registry for registry in registries if _LOOPBACK.fullmatch(registry))


def read_manifests(paths: Sequence[Path], components: Components) -> Manifests:
    """Read what `-f` was given. Raises a Complaint with a sentence for each thing that is wrong."""
    files = manifest_files(paths)
    documents = [document for file in files for document in read_documents(file)]
    objects = _identified(documents)
    if not any(identity.kind in RUN_KINDS for identity in objects):
        raise BadInput(f"Nothing to run: the manifests hold no {', no '.join(RUN_KINDS)}.")
    sources: list[Path] = []
    images: set[str] = set()
    for document, body in zip(documents, objects.values(), strict=True):
        for part in _image_holders(body):
            source = _local_component(part, document)
            if source is not None:
                part["image"] = components.staged(source)
                sources.append(source)
            images.add(part["image"])
    read = (file.resolve() for file in files if file != STDIN)
    return Manifests(objects, frozenset(images), tuple(dict.fromkeys((*read, *sources))))


def _identified(documents: Sequence[Document]) -> dict[Identity, dict[str, Any]]:
    """Return the objects by identity, each with its namespace filled in."""
    wrong: list[str] = []
    objects: dict[Identity, dict[str, Any]] = {}
    places: dict[Identity, str] = {}
    for document in documents:
        found = list(_document_problems(document.body))
        wrong += [f"{document.place}: {sentence}" for sentence in found]
        if found:
            continue
        body = _with_namespace(document.body)
        identity = Identity(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])
        if identity in objects:
            wrong.append(f"{document.place}: {identity} is there twice, first in {places[identity]}.")
        objects[identity], places[identity] = body, document.place
    if wrong:
        raise BadInput(*wrong)
    return objects


def _document_problems(body: Mapping[str, Any]) -> Iterator[str]:
    kind = body.get("kind")
    if not isinstance(kind, str) or not kind:
        yield f"the field kind is missing; `wasmcloud up` runs {_listed(KNOWN_KINDS)}."
    elif kind not in KNOWN_KINDS:
        near = difflib.get_close_matches(kind, KNOWN_KINDS, n=1, cutoff=0.8)
        hint = f'did you mean "{near[0]}"?' if near else f"it runs {_listed(KNOWN_KINDS)}."
        yield f'`wasmcloud up` doesn\'t run the kind "{kind}"; {hint}'
    elif kind in CONFIGURATION_KINDS:
        yield from configuration_problems(body)
    else:
        yield from _object_problems(body)


def _object_problems(body: Mapping[str, Any]) -> Iterator[str]:
    try:
        named = parse(body).metadata.name
    except ManifestError as error:
        yield from error.problems
    else:
        if not named:
            yield "metadata.name: required; generateName would make another object at every start"


def _with_namespace(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {"namespace": "default", **body["metadata"]}}


def _image_holders(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what has a field `image`: a workload's components and service, wherever its kind keeps them."""
    if body["kind"] == ARTIFACT_KIND:
        yield body["spec"]
    if body["kind"] not in RUN_KINDS:
        return
    spec = body["spec"] if body["kind"] == "Workload" else body["spec"].get("template", {}).get("spec", {})
    yield from spec.get("components") or ()
    if spec.get("service"):
        yield spec["service"]


def _local_component(part: Mapping[str, Any], document: Document) -> Path | None:
    """Return the file that an image names, relative to the manifest's own folder; None for an image in a registry."""
    image: str = part["image"]
    if not image.startswith(FILE_SCHEME):
        return None
    return (document.folder / image.removeprefix(FILE_SCHEME)).resolve()


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
