"""The composition root: builds the adapters, gives them to the engine, starts and stops it all."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

from wasmcloud_api import logs

from wasmcloud_operator.adapters.kopf_watch import JointWatch, KopfWatch
from wasmcloud_operator.adapters.kubernetes_api import KubernetesApi, NoClusterError, connect
from wasmcloud_operator.adapters.kubernetes_lease import KubernetesLease
from wasmcloud_operator.adapters.nats_bus import NatsBus, NatsOptions
from wasmcloud_operator.adapters.oci_registry import CaError, OciRegistry
from wasmcloud_operator.adapters.system_clock import SystemClock
from wasmcloud_operator.adapters.web import AddressError, Metrics, WebServer
from wasmcloud_operator.decide.schedule import Rules
from wasmcloud_operator.engine.engine import Engine
from wasmcloud_operator.engine.figures import Figures
from wasmcloud_operator.engine.leadership import Leadership
from wasmcloud_operator.engine.options import Options
from wasmcloud_operator.engine.ports import Sight
from wasmcloud_operator.model.keys import TENANTS_KINDS, Key, Kind
from wasmcloud_operator.settings import Settings

_log = logging.getLogger(__name__)

_LEASE_NAME: Final = "wasmcloud-operator"


class StartError(Exception):
    """The operator can't start here. The message is one sentence."""


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises StartError."""
    logs.configure(settings.log_format, "wasmcloud_operator")
    stop = asyncio.Event()
    claim_signals = _signals_set(stop)
    claim_signals()
    metrics = Metrics()
    registry = _registry(settings)
    try:
        api = KubernetesApi(await connect(settings.kubeconfig), metrics.api_request)
    except NoClusterError as error:
        raise StartError(str(error)) from None
    terms = _Terms(settings, api, registry, metrics, claim_signals)
    metrics.show(terms.figures)
    web = WebServer(lambda: _not_ready(settings, terms.watch, terms.bus), metrics)
    try:
        await _listen(web, settings)
        _log.info("operator_started", extra={"fields": {"namespace": settings.operator_namespace}})
        await _until(stop, terms.run(), api.run())
    finally:
        await web.stop()
        registry.close()
        await api.close()
    _log.info("operator_stopped")


class _Terms:
    """One engine after the other: who lost the lead is a standby again, and takes nothing along of what it knew."""

    def __init__(
        self,
        settings: Settings,
        api: KubernetesApi,
        registry: OciRegistry,
        metrics: Metrics,
        claim_signals: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._api = api
        self._registry = registry
        self._metrics = metrics
        self._claim_signals = claim_signals
        self._clock = SystemClock()
        self._leadership = _leadership(settings, api, self._clock)
        self._begin()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.engine.run()
            self._begin()

    def figures(self) -> Figures:
        """Return what there is now."""
        return self.engine.figures()

    def _begin(self) -> None:
        self.watch = _watch(self._api, self._settings, self._claim_signals)
        self.bus = NatsBus(_nats_options(self._settings))
        options = _engine_options(self._settings)
        ports = (self._api, self.watch, self.bus, self._registry, self._clock)
        self.engine = Engine(*ports, options, self._metrics, self._leadership)


def _registry(settings: Settings) -> OciRegistry:
    try:
        return OciRegistry(settings.allow_insecure_registry, settings.oci_ca_path)
    except CaError as error:
        raise StartError(f"--oci-ca-path {error}") from None


def _leadership(settings: Settings, api: KubernetesApi, clock: SystemClock) -> Leadership:
    """Return the leadership that is asked for; the pod's name is the identity, as that is what people look for."""
    identity = settings.pod_name or f"{socket.gethostname()}-{secrets.token_hex(4)}"
    key = Key(settings.operator_namespace, _LEASE_NAME)
    return Leadership(KubernetesLease(api, key) if settings.leader_elect else None, identity, clock)


def _watch(api: KubernetesApi, settings: Settings, claim_signals: Callable[[], None]) -> JointWatch:
    """Hosts are watched where the operator is, the rest where workloads may be: no more rights than needed."""
    own = (settings.operator_namespace,)
    if settings.watch_namespaces == own:
        return JointWatch([KopfWatch(api, list(Kind), own, claim_signals)])
    return JointWatch(
        [
            KopfWatch(api, [Kind.HOST], own, claim_signals),
            KopfWatch(api, TENANTS_KINDS, settings.watch_namespaces, claim_signals),
        ]
    )


def _nats_options(settings: Settings) -> NatsOptions:
    return NatsOptions(
        url=settings.nats_url.get_secret_value(),
        creds=settings.nats_creds,
        ca=settings.nats_ca,
        client_cert=settings.nats_client_cert,
        client_key=settings.nats_client_key,
        is_tls_first=settings.nats_tls_first,
    )


def _engine_options(settings: Settings) -> Options:
    return Options(
        host_namespace=settings.operator_namespace,
        watch_namespaces=settings.watch_namespaces,
        rules=Rules(
            allow_shared_hosts=settings.allow_shared_hosts,
            cpu_backpressure_percent=settings.cpu_backpressure_threshold,
            memory_backpressure_percent=settings.memory_backpressure_threshold,
        ),
        probe_interval_s=settings.probe_interval,
        silent_host_timeout_s=settings.silent_host_timeout,
        route_delay_s=settings.route_delay,
    )


def _not_ready(settings: Settings, watch: JointWatch, bus: NatsBus) -> list[str]:
    """Return what is missing. A namespace that is refused is its own trouble, as long as another one isn't."""
    own = watch.sight(settings.operator_namespace)
    watched = {watch.sight(namespace) for namespace in settings.watch_namespaces or ("",)}
    missing = []
    if Sight.PENDING in {own, *watched}:
        missing.append("not every watched kind and namespace has been listed yet")
    elif own is Sight.REFUSED:
        missing.append(f'the Kubernetes API refuses the operator\'s own namespace "{settings.operator_namespace}"')
    elif watched == {Sight.REFUSED}:
        missing.append("the Kubernetes API refuses every watched namespace")
    elif not watch.is_answered():
        missing.append("the Kubernetes API does not answer every watch")
    if not bus.is_connected():
        missing.append("not connected to NATS")
    return missing


async def _listen(web: WebServer, settings: Settings) -> None:
    try:
        await web.start(settings.health_addr, settings.metrics_addr)
    except AddressError as error:
        flag = "--health-addr" if error.address == settings.health_addr else "--metrics-addr"
        raise StartError(f"{flag} {error}") from None


async def _until(stop: asyncio.Event, *coroutines: Coroutine[Any, Any, None]) -> None:
    """Run until the stop or until one of them ends, which it should not; then end them in this order."""
    tasks = [asyncio.create_task(one) for one in coroutines]
    waiter = asyncio.create_task(stop.wait())
    await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (waiter, *tasks):
        task.cancel()
        await asyncio.wait([task])
    for task in tasks:
        if not task.cancelled():
            task.result()


def _signals_set(stop: asyncio.Event) -> Callable[[], None]:
    """Return what makes SIGTERM and SIGINT set the event; kopf makes it necessary to do so more than once."""
    loop = asyncio.get_running_loop()

    def claim() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

    return claim
