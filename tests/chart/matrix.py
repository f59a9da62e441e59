"""Installations that differ: what the chart has to be right for."""

from __future__ import annotations

from typing import Any

from chart.rendered import JsonObject, merged

TENANTS = ("team-a", "team-b", "team-c")

EVERYTHING: JsonObject = {
    "serviceMonitor": {"enabled": True},
    "nats": {"replicas": 3, "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}},
    "runtime": {
        "autoscaling": {"enabled": True},
        "http": {"tls": {"enabled": True, "certificate": {"generate": {"domains": ["a.example.com"]}}}},
        "ingress": {"enabled": True, "hosts": ["a.example.com"], "tls": [{"secretName": "s"}]},
        "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["a.example.com"]},
        "ociCache": {"storageClass": "fast"},
        "hostLabels": {"gpu": "true"},
        "allowedHosts": ["*.example.com"],
    },
}  # fmt: skip

EVERYTHING_OFF: JsonObject = {
    "operator": {"enabled": False},
    "nats": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "crds": {"enabled": False},
    "global": {"tls": {"enabled": False}, "nats": {"schedulerUrl": "nats://nats.example.com:4222"}},
    "runtime": {
        "http": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False},
        "probes": {kind: {"enabled": False} for kind in ("startup", "liveness", "readiness")},
        "drainDelaySeconds": 0,
    },
}  # fmt: skip


def tenants(**group: Any) -> JsonObject:
    """A host group in each of three namespaces; no workload leaves its own."""
    groups = [{"name": "hosts", "namespace": name, **group} for name in TENANTS]
    return {"operator": {"allowSharedHosts": False}, "runtime": {"hostGroups": groups}}


def from_secret(variable: str) -> JsonObject:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": "nats-of-ones-own", "key": "url"}}}


MATRIX: dict[str, JsonObject] = {
    "default": {},
    "cluster-wide": {"operator": {"clusterWide": True}},
    "three-tenants": tenants(),
    "three-tenants-without-tls": merged(tenants(), {"global": {"tls": {"enabled": False}}}),
    "cert-manager": {"global": {"certificates": {"certManager": {"enabled": True}}}},
    "cert-manager-three-tenants": merged(
        tenants(), {"global": {"certificates": {"certManager": {"enabled": True}, "issuerRef": {"name": "ours"}}}}
    ),
    "daemon-set": {"runtime": {"kind": "DaemonSet"}},
    "nats-of-ones-own": {
        "nats": {"enabled": False},
        "global": {
            "nats": {
                "schedulerUrl": "tls://a.example.com:4222,tls://b.example.com:4222",
                "dataUrl": "tls://d.example.com:5222",
            },
            "certificates": {"generate": False},
        },
    },
    "nats-of-ones-own-by-password": {
        "nats": {"enabled": False},
        "global": {"nats": {"schedulerUrl": "tls://a.example.com:4222"}, "tls": {"enabled": False}},
        "operator": {"env": [from_secret("WASMCLOUD_OPERATOR_NATS_URL")]},
        "runtime": {"env": [from_secret("WASMCLOUD_HOST_SCHEDULER_NATS_URL")]},
    },
    "data-elsewhere-three-tenants": merged(
        tenants(),
        {"global": {"nats": {"dataUrl": "nats://d.example.com"}, "certificates": {"dataCertSecretName": ""}}},
    ),
    "ipv6": {"global": {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"}},
    "no-tls": {"global": {"tls": {"enabled": False}}, "nats": {"replicas": 3}},
    "everything": EVERYTHING,
    "everything-off": EVERYTHING_OFF,
}
