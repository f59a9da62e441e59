"""Hosts as the engine meets them over NATS: they start, stop, list and report workloads, and die."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

from wasmcloud_api.wire import (
    HostHeartbeat,
    WitInterface,
    Workload,
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

BAD_IMAGE = "registry.example/bad:1"
"""An image that no host can pull."""


@dataclass
class Running:
    """A workload on a host."""

    workload: Workload
    state: WorkloadState = WorkloadState.RUNNING
    message: str = ""


@dataclass
class SimHost:
    """One host. ``start_s`` is how long a start takes; a host that is not connected doesn't exist for NATS."""

    host_id: str
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    environment: str = ""
    address: str = "127.0.0.1"
    http_port: int = 8000
    start_s: float = 0.01
    knows_list: bool = True
    memory_bytes: int = 8 << 30
    imports: tuple[WitInterface, ...] = ()
    is_connected: bool = True
    is_mute: bool = False
    started_count: int = 0
    boot: int = 0
    running: dict[str, Running] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    """What ran well when it was told to stop."""

    def heartbeat(self) -> HostHeartbeat:
        return HostHeartbeat(
            id=self.host_id,
            hostname=self.address,
            friendly_name=self.name,
            version="1.0.0",
            labels=self.labels,
            started_at=datetime.fromtimestamp(1_790_000_000 + self.boot, UTC),
            os_arch="x86_64",
            os_name="linux",
            os_kernel="6.1",
            system_memory_total=self.memory_bytes,
            system_memory_free=self.memory_bytes // 2,
            workload_count=len(self.running),
            imports=self.imports,
            http_port=self.http_port,
            environment=self.environment,
        )

    def die(self) -> None:
        """Lose the process and all that ran in it."""
        self.is_connected = False
        self.running.clear()
        self.boot += 1

    async def answer(self, command: str, payload: bytes) -> bytes | None:
        """Return the reply to a command, None for silence."""
        if self.is_mute:
            return None
        match command:
            case "heartbeat":
                return encode(self.heartbeat())
            case "workload.start":
                status = await self._start(decode(WorkloadStartRequest, payload))
                return encode(WorkloadStartResponse(workload_status=status))
            case "workload.stop":
                uid = decode(WorkloadStopRequest, payload).workload_id
                found = self.running.pop(uid, None)
                if found is not None and found.state is WorkloadState.RUNNING:
                    self.stopped.append(uid)
                state = WorkloadState.NOT_FOUND if found is None else WorkloadState.STOPPING
                return encode(
                    WorkloadStopResponse(workload_status=WorkloadStatus(workload_id=uid, workload_state=state))
                )
            case "workload.status":
                uid = decode(WorkloadStatusRequest, payload).workload_id
                return encode(WorkloadStatusResponse(workload_status=self._status(uid)))
            case "workload.list" if self.knows_list:
                return encode(WorkloadListResponse(workload_status=tuple(self._status(uid) for uid in self.running)))
        return None

    async def _start(self, request: WorkloadStartRequest) -> WorkloadStatus:
        uid, boot = request.workload_id, self.boot
        self.started_count += 1
        known = self.running.get(uid)
        if known is not None and known.workload != request.workload:
            return _status_of(uid, WorkloadState.ERROR, f"the id {uid} is taken by another workload")
        await asyncio.sleep(self.start_s)
        if not self.is_connected or boot != self.boot:
            await asyncio.Event().wait()
        images = [component.image for component in request.workload.wit_world.components]
        if BAD_IMAGE in images:
            return _status_of(uid, WorkloadState.ERROR, "failed to pull image for component 'app': no such tag")
        self.running[uid] = Running(request.workload)
        return _status_of(uid, WorkloadState.RUNNING, "Workload started successfully")

    def _status(self, uid: str) -> WorkloadStatus:
        found = self.running.get(uid)
        if found is None:
            return _status_of(uid, WorkloadState.NOT_FOUND, f"Workload not found: {uid}")
        return _status_of(uid, found.state, found.message)


def _status_of(uid: str, state: WorkloadState, message: str) -> WorkloadStatus:
    return WorkloadStatus(workload_id=uid, workload_state=state, message=message)


def some_hosts(count: int, chance: random.Random) -> list[SimHost]:
    """Return hosts over three zones."""
    return [
        SimHost(f"host{n}", f"host-{n}", {"zone": f"z{n % 3}"}, start_s=chance.uniform(0.001, 0.3))
        for n in range(count)
    ]
