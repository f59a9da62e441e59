"""For each value of the chart: something it may be set to, and what that changes in the objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chart.rendered import JsonObject, Rendered, container, environment

See = Callable[[Rendered], object]


@dataclass(frozen=True, slots=True)
class Case:
    """With `path` set to `value` (and `given` besides), `see` is `expected`."""

    path: str
    value: Any
    see: See
    expected: object
    given: JsonObject = field(default_factory=dict)


def operator(objects: Rendered) -> JsonObject:
    return objects.one("Deployment", "wasmcloud-operator")


def nats(objects: Rendered) -> JsonObject:
    return objects.one("StatefulSet", "wasmcloud-nats")


def host(objects: Rendered) -> JsonObject:
    return objects.one("Deployment", "wasmcloud-host-default")


def pod(workload: JsonObject) -> JsonObject:
    spec: JsonObject = workload["spec"]["template"]["spec"]
    return spec


def flag(workload: JsonObject, name: str) -> list[str]:
    """What a flag is given, each time."""
    return [a.partition("=")[2] for a in container(workload)["args"] if a.partition("=")[0] == f"--{name}"]


def config(objects: Rendered) -> str:
    text: str = objects.one("ConfigMap", "wasmcloud-nats")["data"]["nats.conf"]
    return text


def secret_variables(workload: JsonObject) -> list[JsonObject]:
    return [e for e in container(workload)["env"] if "secretKeyRef" in e.get("valueFrom", {})]


def images(objects: Rendered) -> list[str]:
    return [container(workload)["image"] for workload in (operator(objects), nats(objects), host(objects))]


def services(objects: Rendered, key: str) -> list[object]:
    return [o["spec"].get(key) for o in objects.objects if o["kind"] == "Service"]


def dns_names(objects: Rendered) -> list[str]:
    noted: str = objects.one("Secret", "wasmcloud-nats-tls")["metadata"]["annotations"]["wasmcloud.dev/names"]
    return noted.split(",")


TOLERATION = {"key": "wasm", "operator": "Exists"}
AFFINITY = {"nodeAffinity": {}}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
ENV = {"name": "TZ", "value": "UTC"}
ENV_FROM = {"configMapRef": {"name": "more"}}
RESOURCES = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
VOLUME = {"name": "more", "emptyDir": {}}
MOUNT = {"name": "more", "mountPath": "/more"}

GLOBAL = [
    Case("nameOverride", "edge", lambda o: o.names("StatefulSet"), ["default/wasmcloud-edge-nats"]),
    Case("fullnameOverride", "wasm", lambda o: o.names("StatefulSet"), ["default/wasm-nats"]),
    Case("global.nameOverride", "edge", lambda o: o.names("StatefulSet"), ["default/wasmcloud-edge-nats"]),
    Case("global.fullnameOverride", "wasm", lambda o: o.names("StatefulSet"), ["default/wasm-nats"]),
    Case(
        "global.image.registry",
        "local:5000",
        images,
        [
            "local:5000/wasmcloud/wasmcloud-operator:0.1.0",
            "local:5000/nats:2.15.2",
            "local:5000/wasmcloud/wasmcloud-host:0.1.0",
        ],
    ),
    Case(
        "global.image.pullSecrets",
        ["one", {"name": "two"}],
        lambda o: [pod(w(o))["imagePullSecrets"] for w in (operator, nats, host)],
        [[{"name": "one"}, {"name": "two"}]] * 3,
    ),
    Case(
        "global.nats.schedulerUrl",
        "nats://a:4222",
        lambda o: [
            environment(operator(o))["WASMCLOUD_OPERATOR_NATS_URL"],
            environment(host(o))["WASMCLOUD_HOST_SCHEDULER_NATS_URL"],
        ],
        ["nats://a:4222"] * 2,
    ),
    Case(
        "global.nats.dataUrl",
        "nats://a:4222",
        lambda o: environment(host(o))["WASMCLOUD_HOST_DATA_NATS_URL"],
        "nats://a:4222",
    ),
    Case("global.tls.enabled", False, lambda o: "verify_and_map" in config(o), False),
    Case("global.certificates.generate", False, lambda o: o.names("Secret"), []),
    Case(
        "global.certificates.validityDays",
        3650,
        lambda o: o.one("Certificate", "wasmcloud-nats-tls")["spec"]["duration"],
        "87600h",
        {"global": {"certificates": {"certManager": {"enabled": True}}}},
    ),
    Case(
        "global.certificates.renewBeforeDays",
        30,
        lambda o: o.one("Certificate", "wasmcloud-nats-tls")["spec"]["renewBefore"],
        "720h",
        {"global": {"certificates": {"certManager": {"enabled": True}}}},
    ),
    Case("global.certificates.certManager.enabled", True, lambda o: len(o.names("Certificate")), 5),
    *(
        Case(
            f"global.certificates.issuerRef.{key}",
            value,
            lambda o, key=key: o.one("Certificate", "wasmcloud-nats-tls")["spec"]["issuerRef"][key],  # type: ignore[misc]
            value,
            {"global": {"certificates": {"certManager": {"enabled": True}, "issuerRef": {"name": "ours"}}}},
        )
        for key, value in {"name": "mine", "kind": "Issuer", "group": "example.com"}.items()
    ),
    *(
        Case(f"global.certificates.{key}", "mine", lambda o: "default/mine" in o.names("Secret"), True)
        for key in (
            "caSecretName",
            "natsCertSecretName",
            "operatorCertSecretName",
            "runtimeCertSecretName",
            "dataCertSecretName",
        )
    ),
    Case(
        "global.certificates.natsPasswordsSecretName",
        "mine",
        lambda o: (
            o.names("Secret"),
            {e["valueFrom"]["secretKeyRef"]["name"] for w in (operator, nats, host) for e in secret_variables(w(o))},
        ),
        ([], {"mine"}),
        {"global": {"tls": {"enabled": False}}, "nats": {"replicas": 3}},
    ),
    Case("global.ipFamilies", ["IPv6"], lambda o: services(o, "ipFamilies"), [["IPv6"]] * 4),
    Case("global.ipFamilyPolicy", "PreferDualStack", lambda o: services(o, "ipFamilyPolicy"), ["PreferDualStack"] * 4),
    Case("crds.enabled", True, lambda o: len(o.names("CustomResourceDefinition")), 5),
    Case(
        "crds.keep",
        False,
        lambda o: [c["metadata"].get("annotations", {}) for c in o.objects if c["kind"] == "CustomResourceDefinition"],
        [{}] * 5,
        {"crds": {"enabled": True}},
    ),
    Case(
        "serviceMonitor.enabled",
        True,
        lambda o: o.names("ServiceMonitor"),
        ["default/wasmcloud-host-default", "default/wasmcloud-operator"],
    ),
    Case(
        "serviceMonitor.labels",
        {"release": "prometheus"},
        lambda o: [m["metadata"]["labels"]["release"] for m in o.objects if m["kind"] == "ServiceMonitor"],
        ["prometheus"] * 2,
        {"serviceMonitor": {"enabled": True}},
    ),
    Case(
        "serviceMonitor.interval",
        "5s",
        lambda o: o.one("ServiceMonitor", "wasmcloud-operator")["spec"]["endpoints"][0]["interval"],
        "5s",
        {"serviceMonitor": {"enabled": True}},
    ),
    Case(
        "extraManifests",
        [
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-a'}}",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}},
        ],
        lambda o: [n for n in o.names("ConfigMap") if n in ("/wasmcloud-a", "/b")],
        ["/b", "/wasmcloud-a"],
    ),
    Case("tests.image", "registry/hello:1", lambda o: test_pod_env(o)["IMAGE"], "registry/hello:1"),
    Case("tests.serverName", "app.example.com", lambda o: test_pod_env(o)["SERVER_NAME"], "app.example.com"),
    Case("tests.timeoutSeconds", 7, lambda o: test_pod_env(o)["TIMEOUT_S"], "7"),
]


def test_pod_env(objects: Rendered) -> dict[str, str]:
    spec = objects.one("Pod", "wasmcloud-test")["spec"]
    return {e["name"]: e["value"] for e in spec["containers"][0]["env"]}


test_pod_env.__test__ = False  # type: ignore[attr-defined]  # pytest takes the name for a test's


def pod_cases(prefix: str, workload: Callable[[Rendered], JsonObject], component: str) -> list[Case]:
    """The values that operator, NATS and hosts have in common."""
    name = f"wasmcloud-{component}"
    spec = lambda o: pod(workload(o))  # noqa: E731
    labels = lambda o: workload(o)["spec"]["template"]["metadata"]["labels"]  # noqa: E731
    account = "wasmcloud-host" if prefix == "runtime" else name
    return [
        Case(f"{prefix}.image.registry", "r.io", lambda o: container(workload(o))["image"].startswith("r.io/"), True),
        Case(f"{prefix}.image.repository", "r/x", lambda o: "/r/x:" in container(workload(o))["image"], True),
        Case(f"{prefix}.image.tag", "dev", lambda o: container(workload(o))["image"].endswith(":dev"), True),
        Case(f"{prefix}.image.pull_policy", "Always", lambda o: container(workload(o))["imagePullPolicy"], "Always"),
        Case(f"{prefix}.resources", RESOURCES, lambda o: container(workload(o))["resources"], RESOURCES),
        Case(f"{prefix}.podLabels", {"a": "b"}, lambda o: labels(o)["a"], "b"),
        Case(
            f"{prefix}.podAnnotations",
            {"a": "b"},
            lambda o: workload(o)["spec"]["template"]["metadata"]["annotations"]["a"],
            "b",
        ),
        Case(f"{prefix}.nodeSelector", {"disk": "ssd"}, lambda o: spec(o)["nodeSelector"], {"disk": "ssd"}),
        Case(f"{prefix}.tolerations", [TOLERATION], lambda o: spec(o)["tolerations"], [TOLERATION]),
        Case(f"{prefix}.affinity", AFFINITY, lambda o: spec(o)["affinity"], AFFINITY),
        Case(
            f"{prefix}.topologySpreadConstraints",
            [SPREAD],
            lambda o: (
                spec(o)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
                == workload(o)["spec"]["selector"]["matchLabels"]
            ),
            True,
        ),
        Case(f"{prefix}.priorityClassName", "high", lambda o: spec(o)["priorityClassName"], "high"),
        Case(f"{prefix}.serviceAccount.create", False, lambda o: spec(o)["serviceAccountName"], "default"),
        Case(f"{prefix}.serviceAccount.name", "mine", lambda o: spec(o)["serviceAccountName"], "mine"),
        Case(
            f"{prefix}.serviceAccount.annotations",
            {"a": "b"},
            lambda o: o.one("ServiceAccount", account)["metadata"]["annotations"],
            {"a": "b"},
        ),
        Case(
            f"{prefix}.automountServiceAccountToken",
            prefix != "operator",
            lambda o: spec(o)["automountServiceAccountToken"],
            prefix != "operator",
        ),
        Case(f"{prefix}.podSecurityContext", {"runAsUser": 7}, lambda o: spec(o)["securityContext"]["runAsUser"], 7),
        Case(
            f"{prefix}.securityContext",
            {"runAsUser": 7},
            lambda o: container(workload(o))["securityContext"]["runAsUser"],
            7,
        ),
        Case(f"{prefix}.terminationGracePeriodSeconds", 77, lambda o: spec(o)["terminationGracePeriodSeconds"], 77),
    ]


def probe_cases(prefix: str, workload: Callable[[Rendered], JsonObject]) -> list[Case]:
    """The values of the probes of operator and hosts."""
    cases = []
    for kind in ("startup", "liveness", "readiness"):
        probe = lambda o, kind=kind: container(workload(o)).get(f"{kind}Probe")  # type: ignore[misc]  # noqa: E731
        cases.append(Case(f"{prefix}.probes.{kind}.enabled", False, probe, None))
        for key in ("periodSeconds", "timeoutSeconds", "failureThreshold"):
            seen = lambda o, kind=kind, key=key: container(workload(o))[f"{kind}Probe"][key]  # type: ignore[misc]  # noqa: E731
            cases.append(Case(f"{prefix}.probes.{kind}.{key}", 9, seen, 9))
    return cases


def budget_cases(prefix: str, name: str, given: JsonObject) -> list[Case]:
    """The values of a PodDisruptionBudget."""
    budget = f"{prefix}.podDisruptionBudget"
    return [
        Case(f"{budget}.enabled", False, lambda o: f"default/{name}" in o.names("PodDisruptionBudget"), False, given),
        Case(
            f"{budget}.maxUnavailable",
            "50%",
            lambda o: o.one("PodDisruptionBudget", name)["spec"]["maxUnavailable"],
            "50%",
            given,
        ),
    ]


OPERATOR = [
    *pod_cases("operator", operator, "operator"),
    *probe_cases("operator", operator),
    *budget_cases("operator", "wasmcloud-operator", {}),
    Case("operator.enabled", False, lambda o: o.names("Deployment"), ["default/wasmcloud-host-default"]),
    Case("operator.replicas", 0, lambda o: operator(o)["spec"]["replicas"], 0),
    Case(
        "operator.watchNamespaces",
        ["team-b", "team-a"],
        lambda o: (
            flag(operator(o), "watch-namespaces"),
            [n for n in o.names("Role") if n.endswith("operator-workloads")],
        ),
        (["team-a,team-b"], ["team-a/wasmcloud-operator-workloads", "team-b/wasmcloud-operator-workloads"]),
    ),
    Case(
        "operator.hostNamespaces",
        ["edge"],
        lambda o: o.one("NetworkPolicy", "wasmcloud-nats")["spec"]["ingress"][0]["from"][-1],
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}},
    ),
    Case(
        "operator.clusterWide",
        True,
        lambda o: (flag(operator(o), "watch-namespaces"), "/wasmcloud-operator-default" in o.names("ClusterRole")),
        ([""], True),
    ),
    Case(
        "operator.allowSharedHosts", False, lambda o: "--no-allow-shared-hosts" in container(operator(o))["args"], True
    ),
    Case("operator.ociCaPath", "/more/ca.crt", lambda o: flag(operator(o), "oci-ca-path"), ["/more/ca.crt"]),
    Case("operator.logFormat", "text", lambda o: flag(operator(o), "log-format"), ["text"]),
    Case("operator.env", [ENV], lambda o: environment(operator(o))["TZ"], "UTC"),
    Case("operator.envFrom", [ENV_FROM], lambda o: container(operator(o))["envFrom"], [ENV_FROM]),
    Case("operator.volumes", [VOLUME], lambda o: VOLUME in pod(operator(o))["volumes"], True),
    Case("operator.volumeMounts", [MOUNT], lambda o: MOUNT in container(operator(o))["volumeMounts"], True),
    Case("operator.extraArgs", ["--probe-interval=2"], lambda o: flag(operator(o), "probe-interval"), ["2"]),
    Case(
        "operator.service.type",
        "NodePort",
        lambda o: o.one("Service", "wasmcloud-operator")["spec"]["type"],
        "NodePort",
    ),
    Case(
        "operator.service.port",
        9999,
        lambda o: o.one("Service", "wasmcloud-operator")["spec"]["ports"][0]["port"],
        9999,
    ),
]
