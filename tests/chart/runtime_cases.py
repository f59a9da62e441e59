"""The values of host groups: each as the default of all groups, `runtime.*`."""

from __future__ import annotations

from chart.rendered import Rendered, container, environment
from chart.value_cases import (
    ENV,
    ENV_FROM,
    MOUNT,
    VOLUME,
    Case,
    budget_cases,
    flag,
    host,
    operator,
    pod,
    pod_cases,
    probe_cases,
)

NAME = "wasmcloud-host-default"


def service(objects: Rendered) -> dict[str, object]:
    spec: dict[str, object] = objects.one("Service", NAME)["spec"]
    return spec


def service_port(objects: Rendered) -> dict[str, object]:
    port: dict[str, object] = objects.one("Service", NAME)["spec"]["ports"][0]
    return port


def scaler(objects: Rendered) -> dict[str, object]:
    spec: dict[str, object] = objects.one("HorizontalPodAutoscaler", NAME)["spec"]
    return spec


SCALED = {"runtime": {"autoscaling": {"enabled": True}}}
HOSTS = {"runtime": {"ingress": {"hosts": ["b.example.com"]}}}
INGRESS = {"runtime": {"ingress": {"enabled": True, "hosts": ["b.example.com"]}}}
GATEWAY = {"runtime": {"httpRoute": {"parentRefs": [{"name": "gateway"}]}}}
ROUTE = {"runtime": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]}}}
NODE_PORT = {"runtime": {"service": {"type": "NodePort"}}}
HTTPS = {"runtime": {"http": {"tls": {"enabled": True}}}}
METRIC = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 60}},
}

RUNTIME = [
    *pod_cases("runtime", host, "host-default"),
    *probe_cases("runtime", host),
    *budget_cases("runtime", NAME, {}),
    Case("runtime.kind", "DaemonSet", lambda o: o.names("DaemonSet"), [f"default/{NAME}"]),
    Case("runtime.replicas", 4, lambda o: host(o)["spec"]["replicas"], 4),
    Case("runtime.autoscaling.enabled", True, lambda o: "replicas" in host(o)["spec"], False),
    Case("runtime.autoscaling.minReplicas", 2, lambda o: scaler(o)["minReplicas"], 2, SCALED),
    Case("runtime.autoscaling.maxReplicas", 20, lambda o: scaler(o)["maxReplicas"], 20, SCALED),
    Case(
        "runtime.autoscaling.targetCPUUtilizationPercentage",
        50,
        lambda o: scaler(o)["metrics"],
        [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
            }
        ],
        SCALED,
    ),
    Case("runtime.autoscaling.metrics", [METRIC], lambda o: scaler(o)["metrics"], [METRIC], SCALED),
    Case(
        "runtime.autoscaling.behavior",
        {"scaleDown": {"stabilizationWindowSeconds": 60}},
        lambda o: scaler(o)["behavior"],
        {"scaleDown": {"stabilizationWindowSeconds": 60}},
        SCALED,
    ),
    Case("runtime.environment", "team-a", lambda o: flag(host(o), "environment"), ["team-a"]),
    Case(
        "runtime.hostLabels",
        {"gpu": "true", "zone": "a"},
        lambda o: flag(host(o), "host-label"),
        ["gpu=true", "zone=a"],
    ),
    Case(
        "runtime.allowedHosts",
        ["*.example.com", "https://a:8443"],
        lambda o: flag(host(o), "allowed-hosts"),
        ["*.example.com", "https://a:8443"],
    ),
    Case("runtime.denyPrivateRanges", True, lambda o: "--deny-private-ranges" in container(host(o))["args"], True),
    Case("runtime.denySpecialRanges", False, lambda o: "--no-deny-special-ranges" in container(host(o))["args"], True),
    Case("runtime.allowHostLoopback", True, lambda o: "--allow-host-loopback" in container(host(o))["args"], True),
    Case("runtime.webgpu.enabled", True, lambda o: "--wasi-webgpu" in container(host(o))["args"], True),
    Case("runtime.maxWorkloads", 50, lambda o: flag(host(o), "max-workloads"), ["50"]),
    Case("runtime.maxConnections", 5000, lambda o: flag(host(o), "max-connections"), ["5000"]),
    Case("runtime.fileImages", ["/a", "/b"], lambda o: flag(host(o), "allow-file-images"), ["/a", "/b"]),
    Case(
        "runtime.insecureRegistries",
        ["reg:5000"],
        lambda o: [flag(w(o), "allow-insecure-registry") for w in (operator, host)],
        [["reg:5000"]] * 2,
    ),
    Case("runtime.ociCaPath", "/more/ca.crt", lambda o: flag(host(o), "oci-ca-path"), ["/more/ca.crt"]),
    Case(
        "runtime.ociCache.size",
        "9Gi",
        lambda o: (pod(host(o))["volumes"][1]["emptyDir"]["sizeLimit"], flag(host(o), "oci-cache-size")),
        ("9Gi", [str(9 * 2**30)]),
    ),
    Case(
        "runtime.ociCache.storageClass",
        "fast",
        lambda o: pod(host(o))["volumes"][1]["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"],
        "fast",
    ),
    Case(
        "runtime.http.enabled",
        False,
        lambda o: (f"default/{NAME}" in o.names("Service"), flag(host(o), "http-addr")),
        (False, ["127.0.0.1:9191"]),
    ),
    Case(
        "runtime.http.port",
        8000,
        lambda o: (flag(host(o), "http-addr"), container(host(o))["ports"][0]["containerPort"]),
        ([":8000"], 8000),
    ),
    Case("runtime.http.nodePort", 30080, lambda o: service_port(o)["nodePort"], 30080, NODE_PORT),
    Case(
        "runtime.http.tls.enabled",
        True,
        lambda o: (flag(host(o), "tls-cert-path"), service_port(o)["name"], service_port(o).get("appProtocol")),
        (["/etc/wasmcloud/http-tls/tls.crt"], "https", "https"),
    ),
    Case(
        "runtime.http.tls.certificate.secretName",
        "mine",
        lambda o: [v["secret"]["secretName"] for v in pod(host(o))["volumes"] if v["name"] == "http-tls"],
        ["mine"],
        HTTPS,
    ),
    *(
        Case(
            f"runtime.http.tls.certificate.generate.{key}",
            [value],
            lambda o, value=value: (  # type: ignore[misc]
                value
                in o.one("Secret", f"{NAME}-http-tls")["metadata"]["annotations"]["wasmcloud.dev/names"].split(",")
            ),
            True,
            HTTPS,
        )
        for key, value in {"domains": "app.example.com", "ipAddresses": "192.0.2.9"}.items()
    ),
    Case("runtime.service.type", "LoadBalancer", lambda o: service(o)["type"], "LoadBalancer"),
    Case("runtime.service.port", 8080, lambda o: service_port(o)["port"], 8080),
    Case(
        "runtime.service.externalTrafficPolicy",
        "Local",
        lambda o: service(o)["externalTrafficPolicy"],
        "Local",
        {"runtime": {"service": {"type": "LoadBalancer"}}},
    ),
    Case(
        "runtime.service.annotations",
        {"a": "b"},
        lambda o: o.one("Service", NAME)["metadata"]["annotations"],
        {"a": "b"},
    ),
    Case("runtime.ingress.enabled", True, lambda o: o.names("Ingress"), [f"default/{NAME}"], HOSTS),
    Case(
        "runtime.ingress.className",
        "nginx",
        lambda o: o.one("Ingress", NAME)["spec"]["ingressClassName"],
        "nginx",
        INGRESS,
    ),
    Case(
        "runtime.ingress.annotations",
        {"a": "b"},
        lambda o: o.one("Ingress", NAME)["metadata"]["annotations"],
        {"a": "b"},
        INGRESS,
    ),
    Case(
        "runtime.ingress.hosts",
        ["a.example.com"],
        lambda o: [r["host"] for r in o.one("Ingress", NAME)["spec"]["rules"]],
        ["a.example.com"],
        INGRESS,
    ),
    Case(
        "runtime.ingress.tls",
        [{"secretName": "s"}],
        lambda o: o.one("Ingress", NAME)["spec"]["tls"],
        [{"secretName": "s"}],
        INGRESS,
    ),
    Case("runtime.httpRoute.enabled", True, lambda o: o.names("HTTPRoute"), [f"default/{NAME}"], GATEWAY),
    Case(
        "runtime.httpRoute.parentRefs",
        [{"name": "gw"}],
        lambda o: o.one("HTTPRoute", NAME)["spec"]["parentRefs"],
        [{"name": "gw"}],
        ROUTE,
    ),
    Case(
        "runtime.httpRoute.hostnames", ["a.b"], lambda o: o.one("HTTPRoute", NAME)["spec"]["hostnames"], ["a.b"], ROUTE
    ),
    Case(
        "runtime.schedulerNatsUrl",
        "nats://a:1",
        lambda o: environment(host(o))["WASMCLOUD_HOST_SCHEDULER_NATS_URL"],
        "nats://a:1",
    ),
    Case(
        "runtime.dataNatsUrl",
        "nats://a:1",
        lambda o: environment(host(o))["WASMCLOUD_HOST_DATA_NATS_URL"],
        "nats://a:1",
        {"global": {"nats": {"dataUrl": "nats://b:1"}}},
    ),
    Case(
        "runtime.drainDelaySeconds",
        3,
        lambda o: container(host(o))["lifecycle"],
        {"preStop": {"sleep": {"seconds": 3}}},
    ),
    Case("runtime.drainTimeoutSeconds", 12, lambda o: flag(host(o), "drain-timeout"), ["12"]),
    Case("runtime.logFormat", "text", lambda o: flag(host(o), "log-format"), ["text"]),
    Case("runtime.env", [ENV], lambda o: environment(host(o))["TZ"], "UTC"),
    Case("runtime.envFrom", [ENV_FROM], lambda o: container(host(o))["envFrom"], [ENV_FROM]),
    Case("runtime.extraArgs", ["--request-timeout=5"], lambda o: flag(host(o), "request-timeout"), ["5"]),
    Case("runtime.volumes", [VOLUME], lambda o: VOLUME in pod(host(o))["volumes"], True),
    Case("runtime.volumeMounts", [MOUNT], lambda o: MOUNT in container(host(o))["volumeMounts"], True),
    Case(
        "runtime.hostGroups",
        [{"name": "a"}, {"name": "b", "namespace": "team-b", "replicas": 2}],
        lambda o: [n for n in o.names("Deployment") if "host" in n],
        ["default/wasmcloud-host-a", "team-b/wasmcloud-host-b"],
    ),
]
