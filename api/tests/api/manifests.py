"""Good manifests of each kind, as data, and how to change a field of theirs."""

from __future__ import annotations

import json
from typing import Any

Document = dict[str, Any]
Path = tuple[str | int, ...]

REMOVED = object()
"""A value that takes the field away."""


def dotted(path: Path) -> str:
    """Return `spec.components[0].name` for `("spec", "components", 0, "name")`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def changed(document: Document, path: Path, value: object) -> Document:
    """Return a copy with one field set, added, or removed."""
    document = json.loads(json.dumps(document))  # not deepcopy, which keeps shared parts shared
    here: Any = document
    for step in path[:-1]:
        here = here[step]
    if value is REMOVED:
        del here[path[-1]]
    elif isinstance(here, list) and path[-1] == len(here):
        here.append(value)
    else:
        here[path[-1]] = value
    return document


def document(kind: str, **fields: Any) -> Document:
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "case", "namespace": "default"},
        **fields,
    }


LAYERS = {"config": {"A": "1"}, "configFrom": [{"name": "settings"}], "secretFrom": [{"name": "keys"}]}
_RESOURCES = {
    "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
    "environment": LAYERS,
    "config": {"greeting": "hello"},
    "allowedHosts": ["*", "api.example.com", "https://*.example.com:8443/", "[2001:db8::1]:443"],
    "allowedIpNameLookups": ["*.example.com", "192.0.2.1", "2001:db8::1"],
    "allowedHostLoopbackPorts": ["5432", "53/udp"],
    "memoryLimitMb": 64,
    "cpuLimit": 50,
}
_WORKLOAD_SPEC = {
    "hostSelector": {"hostgroup": "default"},
    "hostId": "host-1",
    "environment": "team-a",
    "components": [
        {
            "name": "web",
            "image": "registry.example.com/web:1",
            "imagePullSecret": {"name": "pull"},
            "imagePullPolicy": "IfNotPresent",
            "poolSize": 1,
            "maxInvocations": 100,
            "maxConcurrency": 10,
            "localResources": _RESOURCES,
        }
    ],
    "service": {
        "image": "registry.example.com/service:1",
        "imagePullSecret": {"name": "pull"},
        "imagePullPolicy": "Always",
        "maxRestarts": 3,
        "localResources": _RESOURCES,
    },
    "volumes": [{"name": "data", "ephemeral": {}}, {"name": "logs", "hostPath": {"path": "/var/log/web"}}],
    "hostInterfaces": [
        {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"], "version": "0.2.2", **LAYERS},
        {"namespace": "wasi", "package": "keyvalue", "interfaces": ["store"], "name": "cache"},
        {"namespace": "wasi", "package": "keyvalue", "interfaces": ["store"], "name": "sessions"},
        {"namespace": "wasi", "package": "keyvalue", "interfaces": ["store"]},
    ],
    "kubernetes": {"service": {"name": "web"}},
}
_TEMPLATE = {"labels": {"app": "web"}, "annotations": {"owner": "team-a"}, "spec": _WORKLOAD_SPEC}
CONDITION = {
    "type": "Ready",
    "status": "False",
    "reason": "NoHosts",
    "message": "no host has joined",
    "lastTransitionTime": "2026-01-31T12:00:00Z",
    "lastProbeTime": "2026-01-31T12:00:00Z",
    "observedGeneration": 3,
}
COUNTS = {"expected": 3, "current": 2, "ready": 0, "unavailable": 3}

FULL: dict[str, Document] = {
    "Host": document(
        "Host",
        hostId="host-1",
        hostname="10.0.0.1",
        httpPort=8080,
        environment="team-a",
        status={
            "version": "1.0.0",
            "osName": "linux",
            "osArch": "x86_64",
            "osKernel": "6.1",
            "systemCPUUsage": "12.5",
            "systemMemoryTotal": 2**40,
            "systemMemoryFree": 2**39,
            "componentCount": 2,
            "workloadCount": 1,
            "lastSeen": "2026-01-31T12:00:00Z",
            "imports": ["wasi:http/outgoing-handler@0.2.2"],
            "exports": ["wasi:http/incoming-handler@0.2.2"],
            "conditions": [CONDITION],
        },
    ),
    "Workload": document(
        "Workload",
        spec=_WORKLOAD_SPEC,
        status={
            "hostId": "host-1",
            "environment": "team-a",
            "workloadId": "0b1f",
            "phase": "Running",
            "restarts": 1,
            "conditions": [CONDITION],
        },
    ),
    "WorkloadReplicaSet": document(
        "WorkloadReplicaSet",
        spec={"replicas": 3, "template": _TEMPLATE},
        status={"replicas": COUNTS, "observedGeneration": 2, "conditions": [CONDITION]},
    ),
    "WorkloadDeployment": document(
        "WorkloadDeployment",
        spec={
            "replicas": 3,
            "template": _TEMPLATE,
            "deployPolicy": "Recreate",
            "artifacts": [{"name": "web", "artifactFrom": {"name": "web-image"}}],
            "kubernetes": {"service": {"name": "web"}},
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "50%"},
            "minReadySeconds": 5,
            "progressDeadlineSeconds": 60,
            "revisionHistoryLimit": 2,
            "paused": True,
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "ScheduleAnyway"},
                {"topologyKey": "zone"},
            ],
            "restartOnConfigChange": False,
        },
        status={
            "currentReplicaSet": {"name": "web-1"},
            "previousReplicaSet": {"name": "web-0"},
            "replicas": COUNTS,
            "currentReplicas": 2,
            "updatedReplicas": 2,
            "selector": "app=web",
            "revision": 4,
            "observedGeneration": 2,
            "conditions": [CONDITION],
        },
    ),
    "Artifact": document(
        "Artifact",
        spec={"image": "registry.example.com/web:1", "imagePullSecret": {"name": "pull"}, "interval": "1h30m"},
        status={"artifactUrl": "registry.example.com/web@sha256:0a", "digest": "sha256:0a", "conditions": [CONDITION]},
    ),
}

COMPONENT = {"name": "web", "image": "registry.example.com/web:1"}
SMALL: dict[str, Document] = {
    "Host": document("Host", hostId="host-1"),
    "Workload": document("Workload", spec={"components": [COMPONENT]}),
    "Workload, empty": document("Workload", spec={}),
    "WorkloadReplicaSet": document("WorkloadReplicaSet", spec={"template": {"spec": {"components": [COMPONENT]}}}),
    "WorkloadDeployment": document("WorkloadDeployment", spec={"template": {"spec": {"components": [COMPONENT]}}}),
    "WorkloadDeployment, no replicas": document("WorkloadDeployment", spec={"replicas": 0, "template": {"spec": {}}}),
    "WorkloadDeployment, surge alone": document(
        "WorkloadDeployment", spec={"rollingUpdate": {"maxUnavailable": 0}, "template": {"spec": {}}}
    ),
    "WorkloadDeployment, no surge": document(
        "WorkloadDeployment", spec={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "template": {"spec": {}}}
    ),
    "Artifact": document("Artifact", spec={"image": "registry.example.com/web:1"}),
}
