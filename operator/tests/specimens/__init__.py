"""Views to decide on, made from the few facts a test cares about."""

from __future__ import annotations

from typing import Any

from wasmcloud_api.conditions import ConditionStatus, Reason
from wasmcloud_api.names import DEPLOYMENT_LABEL, DRAINING_LABEL, WORKLOAD_FINALIZER, HostId
from wasmcloud_api.wire import HostHeartbeat, WitInterface
from wasmcloud_operator.decide.run import Run, RunState
from wasmcloud_operator.model.hosts import HostView
from wasmcloud_operator.model.keys import Kind
from wasmcloud_operator.model.metadata import timestamp
from wasmcloud_operator.model.views import ArtifactView, DeploymentView, ReplicaSetView, WorkloadView, parse

NAMESPACE = "shop"
GIB = 1 << 30


def host(name: str = "h1", *, draining: bool = False, offers: tuple[str, ...] = (), **beat: Any) -> HostView:
    """Return a host; ``offers`` are interfaces like `wasi:keyvalue/store@0.2.0`."""
    labels = {**beat.pop("labels", {}), **({DRAINING_LABEL: "true"} if draining else {})}
    memory = {"system_memory_total": 8 * GIB, "system_memory_free": 4 * GIB}
    fields = {**memory, **beat, "labels": labels, "imports": tuple(_interface(text) for text in offers)}
    return HostView(HostHeartbeat(id=name, friendly_name=beat.pop("friendly_name", name), **fields))


def _interface(text: str) -> WitInterface:
    path, _, version = text.partition("@")
    namespace, _, rest = path.partition(":")
    package, _, name = rest.partition("/")
    return WitInterface(namespace=namespace, package=package, interfaces=(name,), version=version)


def condition(
    kind: str, status: ConditionStatus, reason: Reason, since_s: float = 0.0, generation: int = 1
) -> dict[str, Any]:
    """Return a condition as JSON."""
    return {
        "type": kind,
        "status": status.value,
        "reason": reason.value,
        "message": "",
        "lastTransitionTime": timestamp(since_s),
        "observedGeneration": generation,
    }


def metadata(name: str, **more: Any) -> dict[str, Any]:
    """Return metadata as JSON."""
    return {"namespace": NAMESPACE, "name": name, "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1, **more}


def owned_by(kind: Kind, name: str) -> list[dict[str, Any]]:
    """Return owner references to one controller."""
    return [{"kind": kind.value, "name": name, "uid": f"uid-{name}", "controller": True}]


def workload(
    name: str = "w1", on: str | None = None, *, ready: bool = False, owner: str | None = None, **more: Any
) -> WorkloadView:
    """Return a Workload, placed ``on`` a host by its status."""
    meta = metadata(name, finalizers=more.pop("finalizers", [WORKLOAD_FINALIZER]), **more.pop("meta", {}))
    if owner is not None:
        meta["ownerReferences"] = owned_by(Kind.REPLICA_SET, owner)
    status: dict[str, Any] = more.pop("status", {})
    if on is not None:
        status["hostId"] = on
    if ready:
        status["conditions"] = [
            condition(kind, ConditionStatus.TRUE, Reason.AVAILABLE, more.pop("ready_since_s", 0.0))
            for kind in ("Sync", "Ready")
        ]
    spec = {"components": [{"name": "app", "image": "registry.example/app:1"}], **more}
    view = parse(Kind.WORKLOAD, {"metadata": meta, "spec": spec, "status": status})
    assert isinstance(view, WorkloadView)
    return view


def replica_set(name: str = "set", replicas: int = 1, *, revision: int = 1, **template: Any) -> ReplicaSetView:
    """Return a replica set of a deployment called `web`."""
    meta = metadata(name, labels={DEPLOYMENT_LABEL: "web"}, annotations={"wasmcloud.dev/revision": str(revision)})
    spec = {"replicas": replicas, "template": {"spec": {"components": [{"name": "app", "image": "a:1"}], **template}}}
    view = parse(Kind.REPLICA_SET, {"metadata": meta, "spec": spec})
    assert isinstance(view, ReplicaSetView)
    return view


def deployment(name: str = "web", replicas: int = 1, **spec: Any) -> DeploymentView:
    """Return a deployment."""
    template = spec.pop("template", {"spec": {"components": [{"name": "app", "image": "a:1"}]}})
    body = {"metadata": metadata(name), "spec": {"replicas": replicas, "template": template, **spec}}
    view = parse(Kind.DEPLOYMENT, body)
    assert isinstance(view, DeploymentView)
    return view


def run(on: str = "h1", state: RunState = RunState.RUNNING, **more: Any) -> Run:
    """Return a run."""
    return Run(**{"host_id": HostId(on), "state": state, "since_s": 0.0, "generation": 1, **more})


def artifact(
    image: str = "r.example/app:1", *, generation: int = 1, status: dict[str, Any] | None = None, **spec: Any
) -> ArtifactView:
    """Return an Artifact."""
    meta = metadata("app", generation=generation)
    view = parse(Kind.ARTIFACT, {"metadata": meta, "spec": {"image": image, **spec}, "status": status or {}})
    assert isinstance(view, ArtifactView)
    return view
