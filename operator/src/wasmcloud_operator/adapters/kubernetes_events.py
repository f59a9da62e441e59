"""Kubernetes Events: equal ones are written as one Event with a count, in the background."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from wasmcloud_operator.adapters.cancellation import raise_if_cancelled
from wasmcloud_operator.engine.ports import ClusterError, JsonObject, NotFound, Occurrence
from wasmcloud_operator.model.keys import Key, api_version
from wasmcloud_operator.model.metadata import timestamp

_log = logging.getLogger(__name__)

_PENDING_LIMIT: Final = 2_000
"""Different Events waiting to be written; beyond it new ones are dropped and counted in the log."""
_REMEMBERED_LIMIT: Final = 4_000
_MESSAGE_LENGTH: Final = 1_024
"""The API server's limit."""
_COMPONENT: Final = "wasmcloud-operator"


@dataclass(slots=True)
class _Pending:
    """Occurrences that were not written yet; the newest stands for all."""

    newest: Occurrence
    count: int
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class _Written:
    """An Event that is there, as far as we know: the server forgets Events after an hour."""

    key: Key
    count: int


class EventSink:
    """Aggregates by (object, reason): while one Event is written, further occurrences only count."""

    def __init__(
        self,
        create: Callable[[str, JsonObject], Awaitable[None]],
        patch: Callable[[Key, JsonObject], Awaitable[None]],
    ) -> None:
        self._create = create
        self._patch = patch
        self._pending: OrderedDict[tuple[str, str], _Pending] = OrderedDict()
        self._written: OrderedDict[tuple[str, str], _Written] = OrderedDict()
        self._wake = asyncio.Event()

    def add(self, occurrence: Occurrence) -> None:
        """Take an occurrence. Never blocks and never fails."""
        series, now_s = (occurrence.uid, occurrence.reason), time.time()
        known = self._pending.get(series)
        if known is not None:
            known.newest, known.last_s, known.count = occurrence, now_s, known.count + 1
        elif len(self._pending) < _PENDING_LIMIT:
            self._pending[series] = _Pending(occurrence, 1, now_s, now_s)
        else:
            _log.warning("event_dropped", extra={"fields": _fields(occurrence)})
        self._wake.set()

    async def run(self) -> None:
        """Write what was added, one call at a time, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                series, pending = self._pending.popitem(last=False)
                await self._write(series, pending)

    async def _write(self, series: tuple[str, str], pending: _Pending) -> None:
        try:
            written = await self._repeated(series, pending) or await self._new(series, pending)
        except ClusterError as error:
            raise_if_cancelled()
            _log.warning("event_not_written", extra={"fields": _fields(pending.newest) | {"error": str(error)}})
            return
        self._written[series] = written
        self._written.move_to_end(series)
        if len(self._written) > _REMEMBERED_LIMIT:
            self._written.popitem(last=False)

    async def _repeated(self, series: tuple[str, str], pending: _Pending) -> _Written | None:
        """Raise the count of the Event that is there; None when there is none (any more)."""
        before = self._written.get(series)
        if before is None:
            return None
        count = before.count + pending.count
        message = pending.newest.message[:_MESSAGE_LENGTH]
        try:
            await self._patch(
                before.key, {"count": count, "lastTimestamp": timestamp(pending.last_s), "message": message}
            )
        except NotFound:
            return None
        return _Written(before.key, count)

    async def _new(self, series: tuple[str, str], pending: _Pending) -> _Written:
        # The time makes the name another one than that of an Event which an earlier process wrote: nothing of it is
        # known here, because Events can't be read with the rights the operator has.
        ref = pending.newest.regarding
        unique = hashlib.sha256(f"{series}{pending.first_s}".encode()).hexdigest()[:16]
        key = Key(ref.key.namespace, f"{ref.key.name}.{unique}")
        await self._create(key.namespace, _event(key, pending))
        return _Written(key, pending.count)


def _event(key: Key, pending: _Pending) -> dict[str, Any]:
    """Return a core/v1 Event, the form whose count `kubectl describe` shows."""
    newest, ref = pending.newest, pending.newest.regarding
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": key.namespace, "name": key.name},
        "involvedObject": {
            "apiVersion": api_version(ref.kind),
            "kind": str(ref.kind),
            "namespace": ref.key.namespace,
            "name": ref.key.name,
            "uid": newest.uid,
        },
        "type": "Warning" if newest.is_warning else "Normal",
        "reason": newest.reason,
        "message": newest.message[:_MESSAGE_LENGTH],
        "count": pending.count,
        "firstTimestamp": timestamp(pending.first_s),
        "lastTimestamp": timestamp(pending.last_s),
        "source": {"component": _COMPONENT},
        "reportingComponent": _COMPONENT,
    }


def _fields(occurrence: Occurrence) -> dict[str, str]:
    return {"object": str(occurrence.regarding), "reason": occurrence.reason}
