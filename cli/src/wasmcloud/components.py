"""Components in local files: checked early, and handed to the hosts under the digest of their content.

A host never sees the file that a compiler writes, but a copy in a folder named after its digest. So a rebuilt component
is another image, which rolls out like any other, and a half-written or broken one takes nothing from what runs.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path

from wasmcloud_api.names import FILE_SCHEME

from wasmcloud.complaints import CannotRun

_MAGIC = b"\0asm"
_COMPONENT_LAYER = b"\x01\x00"
"""Bytes 6 and 7 of a component; a core module has 00 00 there. https://github.com/WebAssembly/component-model"""


class Components:
    """The folder that the hosts may read components from."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self._sources: dict[str, Path] = {}

    def staged(self, source: Path) -> str:
        """Copy the component and return the copy as an image reference. Raises CannotRun when it isn't a component."""
        content = _component(source)
        home = self.folder / hashlib.sha256(content).hexdigest()
        copy = home / source.name
        if not copy.exists():
            home.mkdir(mode=0o700, exist_ok=True)
            unfinished = home / f".{source.name}"
            unfinished.write_bytes(content)
            unfinished.replace(copy)
        image = f"{FILE_SCHEME}{copy}"
        self._sources[image] = source
        return image

    def as_written(self, text: str) -> str:
        """Return a host's sentence with the person's own paths in the place of the copies'."""
        for image, source in self._sources.items():
            text = text.replace(image, _as_shown(source)).replace(image.removeprefix(FILE_SCHEME), _as_shown(source))
        return text

    def forget_all_but(self, images: Collection[str]) -> None:
        """Delete the copies that no image names any more."""
        for image in self._sources.keys() - set(images):
            del self._sources[image]
            shutil.rmtree(Path(image.removeprefix(FILE_SCHEME)).parent, ignore_errors=True)


def _component(source: Path) -> bytes:
    shown = _as_shown(source)
    try:
        content = source.read_bytes()
    except FileNotFoundError:
        raise CannotRun(
            f"There is no component {shown}: build it first, or correct the image in the manifest."
        ) from None
    except OSError as error:
        raise CannotRun(f"The component {shown} can't be read: {error.strerror or error}.") from None
    if not content.startswith(_MAGIC):
        raise CannotRun(f"{shown} is not a WebAssembly component: {_described(content)}.")
    if content[6:8] != _COMPONENT_LAYER:
        raise CannotRun(
            f"{shown} is not a component: it is a core WebAssembly module; "
            "build for the target wasm32-wasip2, or wrap it with `wasm-tools component new`."
        )
    return content


def _as_shown(path: Path) -> str:
    """Return the path as a person would type it: relative where it is below the present folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _described(content: bytes) -> str:
    if not content:
        return "the file is empty"
    start = content[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is an HTML page"
    if start.startswith((b"(component", b"(module")):
        return "it is WebAssembly text; turn it into binary with `wasm-tools parse`"
    is_text = all(byte >= 0x20 or byte in b"\t\r\n" for byte in content[:512])
    return "it is text" if is_text else "it does not start with the bytes of WebAssembly"
