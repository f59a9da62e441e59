"""The values of NATS."""

from __future__ import annotations

from chart.value_cases import Case, budget_cases, config, dns_names, nats, pod, pod_cases

NATS = [
    *pod_cases("nats", nats, "nats"),
    *budget_cases("nats", "wasmcloud-nats", {"nats": {"replicas": 3}}),
    Case(
        "nats.enabled",
        False,
        lambda o: o.names("StatefulSet"),
        [],
        {"global": {"nats": {"schedulerUrl": "nats://a:4222"}, "certificates": {"generate": False}}},
    ),
    Case("nats.replicas", 3, lambda o: (nats(o)["spec"]["replicas"], "routes: $ROUTES" in config(o)), (3, True)),
    Case(
        "nats.persistence.enabled",
        False,
        lambda o: pod(nats(o))["volumes"][-1],
        {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}},
    ),
    Case(
        "nats.persistence.size",
        "7Gi",
        lambda o: (
            nats(o)["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"],
            f"max_file_store: {7 * 2**30 * 4 // 5}" in config(o),
        ),
        ("7Gi", True),
    ),
    Case("nats.maxBuckets", 7, lambda o: "max_streams: 7" in config(o), True),
    Case(
        "nats.persistence.storageClass",
        "fast",
        lambda o: nats(o)["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"],
        "fast",
    ),
    Case(
        "nats.persistence.keep",
        True,
        lambda o: nats(o)["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"],
        "Retain",
    ),
    Case(
        "nats.service.type",
        "LoadBalancer",
        lambda o: o.one("Service", "wasmcloud-nats")["spec"]["type"],
        "LoadBalancer",
    ),
    Case(
        "nats.service.nodePort",
        30422,
        lambda o: o.one("Service", "wasmcloud-nats")["spec"]["ports"][0]["nodePort"],
        30422,
        {"nats": {"service": {"type": "NodePort"}}},
    ),
    Case(
        "nats.service.externalTrafficPolicy",
        "Local",
        lambda o: o.one("Service", "wasmcloud-nats")["spec"]["externalTrafficPolicy"],
        "Local",
        {"nats": {"service": {"type": "LoadBalancer"}}},
    ),
    Case(
        "nats.service.annotations",
        {"a": "b"},
        lambda o: o.one("Service", "wasmcloud-nats")["metadata"]["annotations"],
        {"a": "b"},
    ),
    Case("nats.certificate.dnsNames", ["nats.example.com"], lambda o: "nats.example.com" in dns_names(o), True),
    Case("nats.certificate.ipAddresses", ["192.0.2.7"], lambda o: "192.0.2.7" in dns_names(o), True),
    Case("nats.maxPayload", 2097152, lambda o: "max_payload: 2097152" in config(o), True),
    Case(
        "nats.extraConfig",
        "lame_duck_duration: 10s",
        lambda o: config(o).rstrip().endswith("lame_duck_duration: 10s"),
        True,
    ),
]
