"""What runs where: the engine's memory of each workload. It starts empty and is filled by asking the hosts."""

from __future__ import annotations

import asyncio

from wasmcloud_api.names import HostId

from wasmcloud_operator.decide.run import Run


class Runs:
    """Runs by the uid of their Workload, and the request under way for each, if there is one."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._requests: dict[str, asyncio.Task[None]] = {}
        self._leftovers: dict[str, set[HostId]] = {}

    def get(self, uid: str) -> Run | None:
        """Return the run of a Workload, None while its host was not asked."""
        return self._runs.get(uid)

    def take(self, uid: str, run: Run) -> None:
        """Take a run as what is true now; a request under way is given up, unless it is the one that says so."""
        self._give_up(uid)
        self._runs[uid] = run

    def follow(self, uid: str, request: asyncio.Task[None]) -> None:
        """Note that a request is under way for the run that was set last."""
        self._requests[uid] = request
        request.add_done_callback(lambda done: self._ended(uid, done))

    def forget(self, uid: str) -> None:
        """Forget a Workload that is gone."""
        self._give_up(uid)
        self._runs.pop(uid, None)
        self._leftovers.pop(uid, None)

    def is_asking(self, uid: str) -> bool:
        """Whether a start or stop is under way."""
        return uid in self._requests

    def leave_behind(self, uid: str, host_id: HostId) -> None:
        """Note that a live host still runs a workload that was placed elsewhere."""
        self._leftovers.setdefault(uid, set()).add(host_id)

    def leftovers(self, uid: str) -> list[HostId]:
        """Return the hosts on which a workload was left behind."""
        return sorted(self._leftovers.get(uid, ()))

    def clear_leftover(self, uid: str, host_id: HostId) -> None:
        """Note that a host was told to stop what was left behind on it."""
        self._leftovers.get(uid, set()).discard(host_id)

    def has_leftover(self, uid: str, host_id: HostId) -> bool:
        """Whether a workload was left behind on a host until it runs elsewhere."""
        return host_id in self._leftovers.get(uid, ())

    def _ended(self, uid: str, request: asyncio.Task[None]) -> None:
        if self._requests.get(uid) is request:
            del self._requests[uid]

    def _give_up(self, uid: str) -> None:
        request = self._requests.pop(uid, None)
        if request is not None and request is not asyncio.current_task():
            request.cancel()
