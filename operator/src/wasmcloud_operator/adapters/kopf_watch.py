"""Watching by kopf: ``on.event`` only, for our kinds, in the namespaces given. docs/adr/0002 says why.

kopf lists, watches, reconnects and logs in again. What it doesn't tell, when everything was listed and whether its
streams still answer, is seen from its HTTP session, which is ours.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import kopf

from wasmcloud_operator.adapters.cancellation import raise_if_cancelled
from wasmcloud_operator.adapters.connections import Connections
from wasmcloud_operator.adapters.kubernetes_api import PLURALS, KubernetesApi, collection, without_bookkeeping
from wasmcloud_operator.engine.ports import ClusterError, JsonObject, See, Sight
from wasmcloud_operator.model.keys import Kind, api_version

_log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_KEEPALIVE_S: Final = 15.0
_REQUEST_LOGGER: Final = "kopf._cogs.clients.watching"
"""kopf's logger of each request of a stream that fails."""


@dataclass(slots=True)
class _Stream:
    """What is known of the watch of one kind in one place."""

    is_answered: bool = False
    """Whether the last request got a 200. kopf asks again when a stream ends or is silent for 70 s."""
    is_refused: bool = False
    """Whether there was a 403, and no watch was opened since."""
    is_listed: bool = False
    is_due: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the watch is open and what there is has yet to be listed."""
    gone: set[str] = field(default_factory=set)
    """Uids that went while the list was read: its older answer must not bring them back."""


class KopfWatch:
    """Implements the port Watch for some kinds in some namespaces; no namespaces means all of them.

    kopf takes SIGINT and SIGTERM over when it starts; ``claim_signals`` is called to take them back.
    """

    def __init__(
        self,
        api: KubernetesApi,
        kinds: Collection[Kind],
        namespaces: Collection[str],
        claim_signals: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._kinds = tuple(kinds)
        self._namespaces = tuple(namespaces)
        self._claim_signals = claim_signals
        self._streams = {(kind, place): _Stream() for kind in self._kinds for place in self._namespaces or ("",)}
        self._by_path = {collection(*where): stream for where, stream in self._streams.items()}
        self._session: aiohttp.ClientSession | None = None

    async def run(self, see: See) -> None:
        """See the port."""
        logging.getLogger(_REQUEST_LOGGER).addFilter(_is_worth_a_line)
        while True:
            try:
                await self._wait_for_kinds()
                async with asyncio.TaskGroup() as tasks:
                    lists = [tasks.create_task(self._list(*where, see)) for where in self._streams]
                    await self._run_kopf(see)
                    for one in lists:
                        one.cancel()
            except Exception:  # noqa: BLE001  # whatever kopf stumbles over, watching goes on
                raise_if_cancelled()
                _log.exception("watch_failed")
            await asyncio.sleep(_RETRY_S)

    def sight(self, namespace: str) -> Sight:
        """See the port."""
        streams = [stream for (_, place), stream in self._streams.items() if place == namespace]
        if any(stream.is_refused for stream in streams):
            return Sight.REFUSED
        return Sight.SYNCED if all(stream.is_listed for stream in streams) else Sight.PENDING

    def is_answered(self) -> bool:
        """Whether each stream's last request succeeded, or was refused: then the API server is there, too."""
        return all(stream.is_answered or stream.is_refused for stream in self._streams.values())

    async def _wait_for_kinds(self) -> None:
        """Wait until the CRDs are there: kopf looks once, when it starts."""
        while True:
            try:
                missing = set(self._kinds) - await self._api.served_kinds()
                if not missing:
                    return
                _log.warning("crds_missing", extra={"fields": {"kinds": ", ".join(sorted(missing))}})
            except ClusterError as error:
                raise_if_cancelled()
                _log.warning("api_unavailable", extra={"fields": {"error": str(error)}})
            await asyncio.sleep(_RETRY_S)

    async def _list(self, kind: Kind, place: str, see: See) -> None:
        """Tell of everything there is in one place, once its stream is open: what changes later comes from there.

        A stream that was refused has missed changes, so when it is open again everything is told again.
        """
        stream = self._streams[kind, place]
        while True:
            await stream.is_due.wait()
            stream.is_due.clear()
            try:
                bodies = await self._api.list(kind, place)
            except ClusterError as error:
                raise_if_cancelled()
                _log.warning("list_failed", extra={"fields": {"kind": kind, "namespace": place, "error": str(error)}})
                await asyncio.sleep(_RETRY_S)
                if not stream.is_refused:
                    stream.is_due.set()
                continue
            for body in bodies:
                if body["metadata"]["uid"] not in stream.gone:
                    see(kind, body, False)
            if not stream.is_refused and not stream.is_due.is_set():
                stream.is_listed = True
                stream.gone.clear()

    async def _run_kopf(self, see: See) -> None:
        """Run a kopf operator until it ends, which it should not. Leaves no task behind.

        kopf's own runner would cancel every task of the loop that is younger than itself, so it isn't used.
        """
        spawning = asyncio.create_task(self._spawn_kopf(see))
        try:
            await asyncio.wait([spawning])  # its tasks are known when all are begun, so a cancellation waits for that
            self._claim_signals()
            await asyncio.wait(spawning.result(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = await self._begun(spawning)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            if self._session is not None:  # last, for a request that is ending may still open a connection
                await self._session.close()
        errors = [error for error in ended if isinstance(error, Exception)]
        if errors:
            raise ExceptionGroup("kopf ended", errors)

    async def _begun(self, spawning: Awaitable[Collection[asyncio.Task[Any]]]) -> set[asyncio.Task[Any]]:
        """Return kopf's tasks once each has begun: ended before that, it leaves a coroutine that nobody awaited."""
        begun: set[asyncio.Task[Any]] = set()
        while (tasks := {*await spawning, *self._orphans()}) != begun:
            begun = tasks
            await asyncio.sleep(0)
        return begun

    async def _spawn_kopf(self, see: See) -> Collection[asyncio.Task[Any]]:
        tasks: Collection[asyncio.Task[Any]] = await kopf.spawn_tasks(
            registry=self._registry(see),
            settings=_settings(),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            identity="wasmcloud-operator",
        )
        return tasks

    def _orphans(self) -> list[asyncio.Task[Any]]:
        """Return the streams' tasks: when one of them fails, kopf lets go of the others without ending them."""
        names = tuple(f"watcher for {PLURALS[kind]}." for kind in self._kinds)
        return [task for task in asyncio.all_tasks() if task.get_name().startswith(names)]

    def _registry(self, see: See) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        for kind in self._kinds:
            group, _, version = api_version(kind).rpartition("/")
            kopf.on.event(group, version, PLURALS[kind], registry=registry, id=kind)(self._handler(kind, see))
        kopf.on.login(registry=registry)(self._login)
        return registry

    def _handler(self, kind: Kind, see: See) -> Callable[..., Awaitable[None]]:
        async def on_event(event: Mapping[str, Any], **_: object) -> None:
            self._tell(see, kind, without_bookkeeping(event["object"]), is_gone=event["type"] == "DELETED")

        return on_event

    async def _login(self, **_: object) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=self._api.access().server, aiohttp_session=await self._new_session())

    def _tell(self, see: See, kind: Kind, body: JsonObject, *, is_gone: bool) -> None:
        stream = self._streams[kind, body["metadata"]["namespace"] if self._namespaces else ""]
        if is_gone and not stream.is_listed:
            stream.gone.add(body["metadata"]["uid"])
        see(kind, body, is_gone)

    async def _new_session(self) -> aiohttp.ClientSession:
        """Return a session for kopf. It is asked for one again when the server answers 401 to the last one."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(_RETRY_S)
        access = self._api.access()
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._on_request_start)
        trace.on_request_end.append(self._on_request_end)
        trace.on_request_exception.append(self._on_request_exception)
        connector = Connections(limit=0, tls=access.tls, keepalive_s=_KEEPALIVE_S)
        self._session = aiohttp.ClientSession(
            connector=connector, proxy=access.proxy, trace_configs=[trace], headers={"User-Agent": "wasmcloud-operator"}
        )
        return self._session

    async def _on_request_start(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, request: aiohttp.TraceRequestStartParams
    ) -> None:
        # For each request, because a service account's token is replaced every hour.
        if authorization := await self._api.access().authorization():
            request.headers["Authorization"] = authorization

    async def _on_request_end(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, request: aiohttp.TraceRequestEndParams
    ) -> None:
        stream = self._by_path.get(request.url.path)
        if stream is None:
            return
        stream.is_answered = request.response.status == 200
        if request.response.status == 403:
            stream.is_refused, stream.is_listed = True, False
        elif stream.is_answered and "watch" in request.url.query:
            stream.is_refused = False
            if not stream.is_listed:
                stream.is_due.set()

    async def _on_request_exception(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, request: aiohttp.TraceRequestExceptionParams
    ) -> None:
        stream = self._by_path.get(request.url.path)
        if stream is not None:
            stream.is_answered = False


class JointWatch:
    """Implements the port Watch over several, because Hosts are in another namespace than what runs on them."""

    def __init__(self, parts: Collection[KopfWatch]) -> None:
        self._parts = tuple(parts)

    async def run(self, see: See) -> None:
        """See the port."""
        async with asyncio.TaskGroup() as tasks:
            for part in self._parts:
                tasks.create_task(part.run(see))

    def sight(self, namespace: str) -> Sight:
        """See the port."""
        sights = {part.sight(namespace) for part in self._parts}
        return next(sight for sight in (Sight.REFUSED, Sight.PENDING, Sight.SYNCED) if sight in sights)

    def is_answered(self) -> bool:
        """Whether each stream's last request succeeded, or was refused: then the API server is there, too."""
        return all(part.is_answered() for part in self._parts)


class _ForEver:
    """kopf's back-off: endless, because a stream whose delays run out is dead for good. Starts anew each request."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.25, 0.5, 1.0, 2.0, 4.0), itertools.repeat(8.0))


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Return whether to log what kopf says. It says that a stream is refused every 8 s; the engine says it once."""
    return "APIForbiddenError" not in record.getMessage()


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # Roles are enough: no namespaces and CRDs are watched
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.networking.error_backoffs = _ForEver()
    settings.networking.request_timeout = 30
    settings.watching.server_timeout = 600
    settings.watching.chunk_size = 500
    settings.queueing.exit_timeout = 0.5
    settings.process.ultimate_exiting_timeout = None  # it would kill the process 10 minutes after a restart of kopf
    return settings
