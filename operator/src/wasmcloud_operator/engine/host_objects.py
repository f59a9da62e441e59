"""One pass over a Host object: it says what the host says, as rarely as people can do with."""

from __future__ import annotations

from typing import Any, Final

from wasmcloud_api.conditions import HostCondition, Reason

from wasmcloud_operator.decide.hosts import (
    host_conditions,
    host_fields,
    host_labels,
    host_status,
    new_host,
    status_delay_s,
)
from wasmcloud_operator.decide.status import status_patch
from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.engine.fleet import Member
from wasmcloud_operator.model.conditions import fails, merge_conditions, since_s
from wasmcloud_operator.model.hosts import HostView, Liveness
from wasmcloud_operator.model.keys import Key, Kind, Ref
from wasmcloud_operator.model.views import HostRecord

STEADY_WRITE_S: Final = 60.0
COUNTS_WRITE_S: Final = 5.0


class HostObjects:
    """Writes Host objects out of what the fleet knows, and deletes those of hosts that stay away."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._written_s: dict[str, float] = {}

    async def reconcile(self, key: Key) -> None:
        """Look at one Host object. Raises ClusterError when a write fails."""
        member = self._context.fleet.named(key.name)
        record = self._context.store.host(key.name, key.namespace)
        if member is None:
            if record is not None:
                await self._drop_renamed(record)
            return
        if member.liveness is Liveness.UNKNOWN:
            return
        if member.liveness is Liveness.LOST and record is not None and await self._is_buried(member, record):
            return
        if member.view is None:
            await self._write_lost_stranger(key, member, record)
        else:
            await self._write(key, member, member.view, record)

    def forget(self, name: str) -> None:
        """Forget a Host object that is gone."""
        self._written_s.pop(name, None)

    async def _write(self, key: Key, member: Member, view: HostView, record: HostRecord | None) -> None:
        context, ref = self._context, Ref(Kind.HOST, key)
        if record is None:
            if member.liveness is Liveness.LOST:
                context.fleet.forget(member.host_id)
                return
            await context.apply.create(Kind.HOST, new_host(view, key.namespace))
        elif patch := _root_patch(view, record):
            await context.apply.patch(ref, patch)
        record = context.store.host(key.name, key.namespace)
        if record is None:
            return
        conditions = host_conditions(view, member.liveness, member.lost_because)
        status = host_status(
            view,
            conditions,
            record.status,
            generation=record.meta.generation,
            seen_s=member.seen_s,
            now_s=context.clock.now(),
        )
        await self._write_status(ref, record, status)

    async def _write_status(self, ref: Ref, record: HostRecord, status: dict[str, Any]) -> None:
        patch = status_patch(record.status, status)
        self._context.queue.add_after(ref, STEADY_WRITE_S)
        if not patch:
            return
        now_s, name = self._context.clock.monotonic(), ref.key.name
        delay_s = status_delay_s(record.status, status, steady_s=STEADY_WRITE_S, counts_s=COUNTS_WRITE_S)
        left_s = self._written_s.setdefault(name, now_s if record.status else -STEADY_WRITE_S) + delay_s - now_s
        if left_s > 0:
            self._context.queue.add_after(ref, left_s)
            return
        self._written_s[name] = now_s
        await self._context.apply.patch_status(ref, patch)

    async def _write_lost_stranger(self, key: Key, member: Member, record: HostRecord | None) -> None:
        """Write of a host on record that never answered this operator. One without any status is deleted."""
        context, ref = self._context, Ref(Kind.HOST, key)
        if record is None:
            context.fleet.forget(member.host_id)
        elif not record.status:
            await context.apply.delete(ref, record.meta.uid)
        else:
            types = (HostCondition.REPORTING, HostCondition.READY)
            lost = [fails(kind, Reason.HOST_LOST, member.lost_because) for kind in types]
            conditions = merge_conditions(
                record.conditions, lost, generation=record.meta.generation, now_s=context.clock.now()
            )
            await self._write_status(ref, record, {"conditions": conditions})

    async def _is_buried(self, member: Member, record: HostRecord) -> bool:
        """Delete the object of a host that was lost for long enough, by its own Ready condition."""
        context = self._context
        lost_s = since_s(record.conditions, HostCondition.READY)
        is_told = any(c.get("reason") == Reason.HOST_LOST.value for c in record.conditions)
        if not is_told or not lost_s:
            return False
        left_s = lost_s + context.options.lost_host_retention_s - context.clock.now()
        ref = Ref(Kind.HOST, record.meta.key)
        if left_s > 0:
            context.queue.add_after(ref, left_s)
            return False
        await context.apply.delete(ref, record.meta.uid)
        context.fleet.forget(member.host_id)
        return True

    async def _drop_renamed(self, record: HostRecord) -> None:
        """Delete the object of a host that is known under another name now."""
        member = self._context.fleet.member(record.host_id)
        if member is not None and member.liveness is Liveness.LIVE and member.name != record.meta.key.name:
            await self._context.apply.delete(Ref(Kind.HOST, record.meta.key), record.meta.uid)


def _root_patch(view: HostView, record: HostRecord) -> dict[str, Any]:
    """Return the patch of labels and root fields. Labels that the host dropped go; the heartbeat owns them all."""
    wanted = host_labels(view.beat)
    labels: dict[str, str | None] = {k: v for k, v in wanted.items() if record.meta.labels.get(k) != v}
    labels |= {key: None for key in record.meta.labels if key not in wanted}
    patch: dict[str, Any] = {k: v for k, v in host_fields(view.beat).items() if record.body.get(k, _empty(v)) != v}
    return patch | ({"metadata": {"labels": labels}} if labels else {})


def _empty(value: object) -> object:
    """Return what an API server may leave out for a value of this type."""
    return 0 if isinstance(value, int) else ""
