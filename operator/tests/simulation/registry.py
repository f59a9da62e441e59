"""A registry of all images: what it says, and that it was asked."""

from __future__ import annotations

import asyncio

from wasmcloud_operator.decide.references import Credentials
from wasmcloud_operator.engine.ports import NoSuchImage, RegistryError


class SimRegistry:
    """Implements the port Registry for the digests that a test gives it."""

    def __init__(self, *, delay_s: float = 0.01) -> None:
        self.digests: dict[str, str] = {}
        self.failure: RegistryError | None = None
        self.asked: list[tuple[str, Credentials | None]] = []
        self.delay_s = delay_s

    async def digest(self, image: str, credentials: Credentials | None) -> str:
        self.asked.append((image, credentials))
        await asyncio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
        if image not in self.digests:
            raise NoSuchImage(f'the registry has no image "{image}"')
        return self.digests[image]
