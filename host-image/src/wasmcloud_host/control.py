"""The operator's commands: every one gets an answer, also one that can't be read, and none waits for another."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from wasmcloud_api.names import WorkloadId
from wasmcloud_api.wire import (
    HostHeartbeat,
    Message,
    WireError,
    WorkloadListResponse,
    WorkloadStartRequest,
    WorkloadStartResponse,
    WorkloadState,
    WorkloadStatus,
    WorkloadStatusRequest,
    WorkloadStatusResponse,
    WorkloadStopRequest,
    WorkloadStopResponse,
    decode,
    encode,
)

from wasmcloud_host.workloads import Workloads

log: Final = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)


class Control:
    """Answers commands. Call `answer` as often as messages come in, without waiting for earlier ones."""

    def __init__(self, workloads: Workloads, heartbeat: Callable[[], HostHeartbeat]) -> None:
        self._workloads = workloads
        self._heartbeat = heartbeat
        self._commands: Final[dict[str, Callable[[bytes], Awaitable[Message]]]] = {
            "heartbeat": self._say_heartbeat,
            "workload.start": self._start,
            "workload.stop": self._stop,
            "workload.status": self._status,
            "workload.list": self._list,
        }
        self.unknown_field_count = 0

    async def answer(self, command: str | None, payload: bytes) -> bytes:
        """Return the reply to one command: an ERROR with the reason when it can't be read or carried out."""
        handler = self._commands.get(command or "")
        if handler is None:
            return _error(f"unknown command {command!r}: this host knows {', '.join(self._commands)}")
        try:
            return encode(await handler(payload))
        except WireError as error:
            return _error(str(error))
        except Exception as error:
            log.exception("command_broke", extra={"fields": {"command": command}})
            return _error(f"the host failed: {error!r}")

    async def _say_heartbeat(self, _: bytes) -> Message:
        return self._heartbeat()

    async def _start(self, payload: bytes) -> Message:
        request = self._decode(WorkloadStartRequest, payload)
        status = await self._workloads.start(WorkloadId(request.workload_id), request.workload)
        return WorkloadStartResponse(workload_status=status)

    async def _stop(self, payload: bytes) -> Message:
        request = self._decode(WorkloadStopRequest, payload)
        return WorkloadStopResponse(workload_status=await self._workloads.stop(WorkloadId(request.workload_id)))

    async def _status(self, payload: bytes) -> Message:
        request = self._decode(WorkloadStatusRequest, payload)
        return WorkloadStatusResponse(workload_status=self._workloads.status(WorkloadId(request.workload_id)))

    async def _list(self, _: bytes) -> Message:
        return WorkloadListResponse(workload_status=self._workloads.statuses())

    def _decode(self, kind: type[M], payload: bytes) -> M:
        return decode(kind, payload, on_unknown=self._count_unknown)

    def _count_unknown(self, _: str) -> None:
        self.unknown_field_count += 1


def _error(reason: str) -> bytes:
    """Return the answer to what can't be understood: all commands' answers about a workload look alike on the wire."""
    status = WorkloadStatus(workload_state=WorkloadState.ERROR, message=reason)
    return encode(WorkloadStatusResponse(workload_status=status))
