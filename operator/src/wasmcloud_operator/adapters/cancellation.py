"""For loops that live through every error: a cancellation must still end them."""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise CancelledError if the present task was cancelled, though what it awaited ended in another way.

    Python 3.11's ``asyncio.wait_for`` lets a result or an error that comes at the same moment win over a cancellation.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
