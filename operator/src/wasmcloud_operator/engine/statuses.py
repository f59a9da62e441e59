"""Status writes: one a pass, only what differs, and mere progress not at once."""

from __future__ import annotations

from typing import Any, Final

from wasmcloud_operator.decide.status import is_urgent, status_patch
from wasmcloud_operator.engine.apply import Apply
from wasmcloud_operator.engine.ports import Clock
from wasmcloud_operator.engine.queue import Queue
from wasmcloud_operator.model.keys import Kind, Ref
from wasmcloud_operator.model.views import View

PROGRESS_HOLD_S: Final = 1.0
"""News that nobody acts on are gathered this long; meanwhile most become final, and one write does for two."""

FIRST_HOLD_S: Final = 10.0
"""An object that was just made says "in progress" only when that takes this long; a deployment says it sooner."""


class Statuses:
    """Writes statuses and remembers which ones wait."""

    def __init__(self, apply: Apply, queue: Queue, clock: Clock) -> None:
        self._apply = apply
        self._queue = queue
        self._clock = clock
        self._held_since_s: dict[str, float] = {}

    async def write(self, ref: Ref, view: View, status: dict[str, Any]) -> None:
        """Make an object's status say what ``status`` says, now or, for mere progress, a little later."""
        patch = status_patch(view.status, status)
        uid = view.meta.uid
        if not patch:
            self._held_since_s.pop(uid, None)
            return
        if not is_urgent(view.status, status):
            hold_s = PROGRESS_HOLD_S if view.status or ref.kind is Kind.DEPLOYMENT else FIRST_HOLD_S
            since_s = self._held_since_s.setdefault(uid, self._clock.monotonic())
            left_s = since_s + hold_s - self._clock.monotonic()
            if left_s > 0:
                self._queue.add_after(ref, left_s)
                return
        self._held_since_s.pop(uid, None)
        await self._apply.patch_status(ref, patch)

    def forget(self, uid: str) -> None:
        """Forget an object that is gone."""
        self._held_since_s.pop(uid, None)
