"""The requests to a host, with their time limits. Each raises a BusError, or WireError for an answer that is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from wasmcloud_api import subjects
from wasmcloud_api.names import HostId
from wasmcloud_api.wire import (
    HostHeartbeat,
    Message,
    WireError,
    WorkloadListResponse,
    WorkloadStartRequest,
    WorkloadStartResponse,
    WorkloadStatus,
    WorkloadStatusRequest,
    WorkloadStatusResponse,
    WorkloadStopRequest,
    WorkloadStopResponse,
    decode,
    encode,
)

from wasmcloud_operator.engine.leadership import Leadership
from wasmcloud_operator.engine.measure import Measure
from wasmcloud_operator.engine.ports import Bus, Clock, Disconnected

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
STATUS_TIMEOUT_S: Final = 5.0
HEARTBEAT_TIMEOUT_S: Final = 5.0
LIST_TIMEOUT_S: Final = 2.0
"""Short, because wasmCloud v2's hosts stay silent on this subject of ours."""

_EMPTY: Final = b"{}"
M = TypeVar("M", bound=Message)


class Commands:
    """Talks to hosts, while this process leads."""

    def __init__(self, bus: Bus, clock: Clock, measure: Measure, leadership: Leadership) -> None:
        self._leadership = leadership
        self._bus = bus
        self._clock = clock
        self._measure = measure

    async def heartbeat(self, host_id: HostId) -> HostHeartbeat:
        """Ask a host for a heartbeat. An answer under another id is no answer: raises WireError."""
        subject = subjects.heartbeat(host_id)
        beat = decode(HostHeartbeat, await self._ask("heartbeat", subject, _EMPTY, HEARTBEAT_TIMEOUT_S))
        if beat.id != host_id:
            raise WireError("HostHeartbeat: id is not that of the host that was asked")
        return beat

    async def start(self, host_id: HostId, request: WorkloadStartRequest) -> WorkloadStatus:
        """Ask a host to start a workload."""
        payload = await self._ask("start", subjects.workload_start(host_id), encode(request), START_TIMEOUT_S)
        return decode(WorkloadStartResponse, payload).workload_status

    async def stop(self, host_id: HostId, uid: str) -> WorkloadStatus:
        """Ask a host to stop a workload."""
        request = encode(WorkloadStopRequest(workload_id=uid))
        payload = await self._ask("stop", subjects.workload_stop(host_id), request, STOP_TIMEOUT_S)
        return decode(WorkloadStopResponse, payload).workload_status

    async def status(self, host_id: HostId, uid: str) -> WorkloadStatus:
        """Ask a host for the state of a workload."""
        request = encode(WorkloadStatusRequest(workload_id=uid))
        payload = await self._ask("status", subjects.workload_status(host_id), request, STATUS_TIMEOUT_S)
        return decode(WorkloadStatusResponse, payload).workload_status

    async def list(self, host_id: HostId) -> Mapping[str, WorkloadStatus]:
        """Ask a host for all its workloads, by id."""
        payload = await self._ask("list", subjects.workload_list(host_id), _EMPTY, LIST_TIMEOUT_S)
        found = decode(WorkloadListResponse, payload).workload_status
        return {status.workload_id: status for status in found}

    async def _ask(self, command: str, subject: str, payload: bytes, timeout_s: float) -> bytes:
        began_s = self._clock.monotonic()
        try:
            if not self._leadership.is_held():
                raise Disconnected("this operator does not lead")
            reply = await self._bus.request(subject, payload, timeout_s=timeout_s)
        except Exception as error:
            self._measure.count("requests", command=command, outcome=type(error).__name__)
            raise
        self._measure.count("requests", command=command, outcome="Reply")
        self._measure.observe("request_seconds", self._clock.monotonic() - began_s, command=command)
        return reply
