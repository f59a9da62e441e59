"""`--watch`: what changed in the files is rolled in; what is broken in them is told, and the old version serves on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wasmcloud.applied import Applied
from wasmcloud.complaints import Complaint
from wasmcloud.components import Components
from wasmcloud.documents import STDIN
from wasmcloud.manifests import Manifests, read_manifests
from wasmcloud.screen import Screen
from wasmcloud.watch import changes


async def reload(
    paths: Sequence[Path], first: Manifests, applied: Applied, components: Components, screen: Screen
) -> None:
    """Follow the files until cancelled. ``first`` is what was read from them and applied already."""
    current = first

    def watched() -> list[Path]:
        return [*(path.resolve() for path in paths if path != STDIN), *current.files]

    async for _ in changes(watched):
        try:
            current = read_manifests(paths, components)
            for line in await applied.become(current):
                screen.say(line)
            components.forget_all_but(current.images | applied.images_in_use())
        except Complaint as complaint:
            for sentence in complaint.sentences:
                screen.say(f"Not rolled in: {sentence}")
