"""Asks hosts what runs on them: takes over what does, notices what doesn't, and stops what nobody wants."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from wasmcloud_api.names import HostId
from wasmcloud_api.wire import WireError, WorkloadStatus

from wasmcloud_operator.decide.observe import is_present, observe
from wasmcloud_operator.decide.run import RunState
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.fleet import Member
from wasmcloud_operator.engine.lifecycle import Lifecycle
from wasmcloud_operator.engine.ports import BusError, NoReply
from wasmcloud_operator.engine.runs import Runs
from wasmcloud_operator.model.hosts import Liveness
from wasmcloud_operator.model.keys import Kind, Ref
from wasmcloud_operator.model.views import WorkloadView

log = logging.getLogger(__name__)

SOON_S: Final = 2.0
"""When a host that had a surprise for us, or didn't answer, is asked again."""
PATROL_S: Final = 0.25
LIST_AGAIN_S: Final = 60.0
"""A host that gave no list, but other answers, is taken for one of wasmCloud v2 this long: it may have been slow."""


@dataclass(slots=True)
class _File:
    """What is remembered of one host between two audits."""

    due_s: float = 0.0
    is_running: bool = False
    is_wanted_again: bool = False
    unwanted: set[str] = field(default_factory=set)
    abandoned: set[str] = field(default_factory=set)
    mark: tuple[datetime | None, int] | None = None
    lists: bool = False
    """Whether the host was seen to know `workload.list`."""
    list_again_s: float = 0.0
    """Until then the host isn't asked for a list: it answers other questions, but not this one."""


class Audit:
    """Audits each host regularly, and at once when it joins or when something is unclear."""

    def __init__(self, context: Context, runs: Runs, lifecycle: Lifecycle) -> None:
        self._context = context
        self._runs = runs
        self._lifecycle = lifecycle
        self._files: dict[HostId, _File] = {}

    async def run(self) -> None:
        """Audit hosts when they are due, until cancelled."""
        while True:
            now_s = self._context.clock.monotonic()
            for member in self._context.fleet.members():
                file = self._files.setdefault(member.host_id, _File())
                if member.liveness is Liveness.LIVE and file.due_s <= now_s:
                    self.ask(member.host_id)
            await self._context.clock.sleep(PATROL_S)

    def ask(self, host_id: HostId) -> None:
        """Audit a host now; asked during an audit, it is audited once more."""
        file = self._files.setdefault(host_id, _File())
        if file.is_running:
            file.is_wanted_again = True
            return
        file.is_running = True
        self._context.tasks.spawn(self._audit(host_id, file), f"audit {host_id}")

    def heard(self, member: Member) -> None:
        """Take in a heartbeat: a host that restarted or has another number of workloads is asked soon."""
        file = self._files.setdefault(member.host_id, _File())
        if member.view is None:
            return
        mark = (member.started_at, member.view.beat.workload_count)
        if file.mark is not None and mark != file.mark:
            is_restart = mark[0] != file.mark[0]
            if is_restart:
                file.lists, file.list_again_s = False, 0.0
            self._soon(file, 0.0 if is_restart else SOON_S)
        file.mark = mark

    def abandon(self, host_id: HostId, uid: str) -> None:
        """Note that a workload was moved away from a lost host, which may come back with it."""
        self._files.setdefault(host_id, _File()).abandoned.add(uid)

    def forget(self, host_id: HostId) -> None:
        """Forget a host, unless it can't list what it runs and may come back with what was moved away from it."""
        file = self._files.get(host_id)
        if file is not None and (file.lists or not file.abandoned):
            del self._files[host_id]

    async def _audit(self, host_id: HostId, file: _File) -> None:
        asked_s = self._context.clock.monotonic()
        try:
            found = await self._found(host_id, file)
        except (BusError, WireError) as error:
            log.info("audit_failed", extra={"fields": {"host_id": host_id, "because": str(error)}})
            file.due_s = self._context.clock.monotonic() + SOON_S
        else:
            file.due_s = self._context.clock.monotonic() + self._context.options.audit_interval_s
            self._compare(host_id, found, asked_s)
            self._clear_unwanted(host_id, file, found)
            self._context.placements.note_unseen(host_id, self._unseen(found))
        finally:
            file.is_running = False
        if file.is_wanted_again:
            file.is_wanted_again = False
            self.ask(host_id)

    async def _found(self, host_id: HostId, file: _File) -> Mapping[str, WorkloadStatus]:
        if self._context.clock.monotonic() < file.list_again_s:
            return await self._found_one_by_one(host_id, file)
        try:
            found = await self._context.commands.list(host_id)
        except NoReply:
            if file.lists:
                raise
        else:
            file.lists = True
            file.abandoned.clear()
            return found
        found = await self._found_one_by_one(host_id, file)
        if found:
            file.list_again_s = self._context.clock.monotonic() + LIST_AGAIN_S
        return found

    async def _found_one_by_one(self, host_id: HostId, file: _File) -> Mapping[str, WorkloadStatus]:
        """Ask a host that knows no `workload.list` for each workload that should be there, or was left there."""
        views = (self._context.store.workload(key) for key in self._context.placements.on(host_id))
        uids = sorted({view.meta.uid for view in views if view is not None} | file.abandoned)
        gate = asyncio.Semaphore(self._context.options.call_count)

        async def one(uid: str) -> WorkloadStatus:
            async with gate:
                return await self._context.commands.status(host_id, uid)

        found = dict(zip(uids, await asyncio.gather(*(one(uid) for uid in uids)), strict=True))
        file.abandoned = {uid for uid in file.abandoned if uid not in found or is_present(found[uid])}
        return found

    def _compare(self, host_id: HostId, found: Mapping[str, WorkloadStatus], asked_s: float) -> None:
        clock = self._context.clock
        for key in self._context.placements.on(host_id):
            view = self._context.store.workload(key)
            if not isinstance(view, WorkloadView) or view.host_id != host_id or not self._is_seen(view):
                continue
            uid, run = view.meta.uid, self._runs.get(view.meta.uid)
            if self._runs.is_asking(uid) or (run is not None and run.since_s > asked_s):
                continue
            news = observe(view, run, host_id, found.get(uid), now_s=clock.monotonic(), chance=clock.chance())
            if news is None:
                continue
            self._runs.take(uid, news)
            if news.state is RunState.FAILED and uid in found and is_present(found[uid]):
                self._lifecycle.clear(uid, host_id)
            self._context.queue.add(Ref(Kind.WORKLOAD, key))

    def _clear_unwanted(self, host_id: HostId, file: _File, found: Mapping[str, WorkloadStatus]) -> None:
        """Stop what was unwanted in two audits in a row: once may be a write that the watch has yet to tell of."""
        unwanted = {uid for uid, status in found.items() if is_present(status) and self._is_unwanted(uid, host_id)}
        for uid in sorted(unwanted & file.unwanted):
            log.info("unwanted_workload", extra={"fields": {"host_id": host_id, "uid": uid}})
            self._lifecycle.clear(uid, host_id)
        file.unwanted = unwanted
        if unwanted:
            self._soon(file, SOON_S)

    def _is_unwanted(self, uid: str, host_id: HostId) -> bool:
        view = self._context.store.workload_of(uid)
        if view is None:  # hosts say no namespace: it may be of one that isn't seen now
            return self._context.namespaces.are_all_open() or self._context.store.is_gone(uid)
        if not isinstance(view, WorkloadView) or view.host_id in {None, host_id} or not self._is_seen(view):
            return False
        run = self._runs.get(uid)
        return run is not None and run.host_id == view.host_id and not self._runs.has_leftover(uid, host_id)

    def _unseen(self, found: Mapping[str, WorkloadStatus]) -> frozenset[str]:
        """Return what a host runs of namespaces that aren't seen: it may be wanted, and takes a place."""
        if self._context.namespaces.are_all_open():
            return frozenset()
        store = self._context.store
        present = (uid for uid, status in found.items() if is_present(status))
        return frozenset(uid for uid in present if store.workload_of(uid) is None and not store.is_gone(uid))

    def _is_seen(self, view: WorkloadView) -> bool:
        return self._context.namespaces.is_open(view.meta.key.namespace)

    def _soon(self, file: _File, delay_s: float) -> None:
        file.due_s = min(file.due_s, self._context.clock.monotonic() + delay_s)
