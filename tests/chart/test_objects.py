"""Each object of each kind of installation, judged by a real API server, and what must hold for all of them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from chart.judge import assert_taken
from chart.matrix import EVERYTHING, MATRIX, TENANTS, tenants
from chart.rendered import JsonObject, Rendered, container, environment, merged, render
from chart.value_cases import flag, secret_variables
from ground.control_plane import ControlPlane
from ground.helm import CHART
from wasmcloud_api.names import WITHHELD_LABEL

MINE = {"default", *TENANTS}


@pytest.mark.parametrize("name", MATRIX)
def test_the_api_server_takes_every_object(name: str, judge: ControlPlane) -> None:
    objects = Rendered(deepcopy(render(MATRIX[name]).objects))
    if name == "ipv6":
        # This API server has IPv4 alone. What it would say of these two fields is all that is left out.
        for service in (o for o in objects.objects if o["kind"] == "Service"):
            assert (service["spec"].pop("ipFamilies"), service["spec"].pop("ipFamilyPolicy")) == (
                ["IPv6"],
                "SingleStack",
            )

    assert_taken(judge, objects)


@pytest.mark.parametrize("name", MATRIX)
def test_pods_are_locked_down(name: str) -> None:
    for spec in pod_specs(render(MATRIX[name])):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 65532
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for one in spec["containers"]:
            assert one["securityContext"]["readOnlyRootFilesystem"] is True
            assert one["securityContext"]["allowPrivilegeEscalation"] is False
            assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not any("hostPath" in volume for volume in spec["volumes"])
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


@pytest.mark.parametrize("name", MATRIX)
def test_keys_and_passwords_are_withheld_from_workloads(name: str) -> None:
    """Where cert-manager makes them, its template says so; releases of Helm, which hold them too, have their type."""
    for each in render(MATRIX[name]).objects:
        if each["kind"] == "Secret":
            assert each["metadata"]["labels"][WITHHELD_LABEL] == "true"
        elif each["kind"] == "Certificate":
            assert each["spec"]["secretTemplate"]["labels"] == {WITHHELD_LABEL: "true"}


@pytest.mark.parametrize("name", MATRIX)
def test_nobody_else_has_a_token(name: str) -> None:
    objects = render(MATRIX[name])
    for account in (
        o
        for o in objects.objects
        if o["kind"] == "ServiceAccount" and "helm.sh/hook" not in o["metadata"].get("annotations", {})
    ):
        assert account["automountServiceAccountToken"] is False
    for workload in (o for o in objects.objects if o["kind"] in ("Deployment", "DaemonSet", "StatefulSet")):
        is_operator = workload["metadata"]["name"].endswith("-operator")
        assert workload["spec"]["template"]["spec"]["automountServiceAccountToken"] is is_operator


@pytest.mark.parametrize("name", [name for name in MATRIX if name != "cluster-wide"])
def test_only_the_switch_makes_cluster_roles(name: str) -> None:
    objects = render(MATRIX[name])
    assert objects.names("ClusterRole") == objects.names("ClusterRoleBinding") == []


def test_the_roles_are_those_of_the_table() -> None:
    objects = render({"runtime": {"hostGroups": [{"name": "a", "namespace": "team-a"}]}})
    reading, writing = {"get", "list", "watch"}, {"get", "list", "watch", "create", "patch", "delete"}
    theirs, ours = ("workloaddeployments", "artifacts"), ("workloadreplicasets", "workloads")
    for namespace in ("default", "team-a"):
        assert rights(objects.one("Role", "wasmcloud-operator-workloads", namespace)) == {
            **{f"runtime.wasmcloud.dev/{kind}": reading for kind in theirs},
            **{f"runtime.wasmcloud.dev/{kind}": writing for kind in ours},
            **{f"runtime.wasmcloud.dev/{kind}/status": {"patch"} for kind in (*theirs, *ours)},
            "runtime.wasmcloud.dev/workloaddeployments/finalizers": {"update"},
            "runtime.wasmcloud.dev/workloadreplicasets/finalizers": {"update"},
            "/configmaps": {"get"},
            "/secrets": {"get"},
            "/services": {"list", "watch"},
            "discovery.k8s.io/endpointslices": writing,
            "/events": {"create", "patch"},
        }
    assert rights(objects.one("Role", "wasmcloud-operator")) == {
        "coordination.k8s.io/leases": {"get", "create", "patch"},
        "runtime.wasmcloud.dev/hosts": writing,
        "runtime.wasmcloud.dev/hosts/status": {"patch"},
        "/events": {"create", "patch"},
    }


def test_cluster_wide_gives_the_same_rights_everywhere() -> None:
    here, everywhere = render(), render(MATRIX["cluster-wide"])
    assert (
        everywhere.one("ClusterRole", "wasmcloud-operator-default")["rules"]
        == here.one("Role", "wasmcloud-operator-workloads")["rules"]
    )
    assert everywhere.names("Role") == [
        "default/wasmcloud-cleanup",
        "default/wasmcloud-operator",
        "default/wasmcloud-test",
    ]


def test_nothing_goes_out_by_default() -> None:
    assert flag(render().one("Deployment", "wasmcloud-host-default"), "allowed-hosts") == []


def test_a_tenants_hosts_have_what_they_need_in_its_namespace() -> None:
    objects = render(tenants())
    for namespace in TENANTS:
        hosts = objects.one("Deployment", "wasmcloud-host-hosts", namespace)
        assert flag(hosts, "environment") == [namespace]
        account = hosts["spec"]["template"]["spec"]["serviceAccountName"]
        assert objects.one("ServiceAccount", account, namespace)
        assert objects.one("NetworkPolicy", "wasmcloud-host-hosts", namespace)
        for volume in hosts["spec"]["template"]["spec"]["volumes"]:
            if secret := volume.get("secret"):
                assert objects.one("Secret", secret["secretName"], namespace)
    for secret in ("wasmcloud-runtime-tls", "wasmcloud-data-tls-{}"):
        keys = [objects.one("Secret", secret.format(name), name)["data"]["tls.key"] for name in TENANTS]
        assert len(set(keys)) == 3, "tenants share no key"
    allowed = objects.one("NetworkPolicy", "wasmcloud-nats")["spec"]["ingress"][0]["from"]
    assert [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in allowed[1:]] == list(
        TENANTS
    )


def test_a_tenant_without_tls_learns_no_password_but_its_own() -> None:
    objects = render(MATRIX["three-tenants-without-tls"])
    everybody = {"operator", "runtime", *(f"data.{tenant}" for tenant in TENANTS)}
    assert set(objects.one("Secret", "wasmcloud-nats-passwords")["data"]) == everybody
    for tenant in TENANTS:
        own = objects.one("Secret", "wasmcloud-nats-passwords", tenant)["data"]
        assert set(own) == {"runtime", f"data.{tenant}"}
        (variable,) = secret_variables_named(objects, tenant, "NATS_DATA_PASSWORD")
        assert variable == f"data.{tenant}"


def secret_variables_named(objects: Rendered, tenant: str, name: str) -> list[str]:
    """The keys of Secrets that a tenant's hosts have in a variable."""
    found = secret_variables(objects.one("Deployment", "wasmcloud-host-hosts", tenant))
    return [each["valueFrom"]["secretKeyRef"]["key"] for each in found if each["name"] == name]


def test_without_a_nats_for_data_hosts_have_no_connection_for_it() -> None:
    """The chart's own is off, and only that of operator and hosts is named."""
    hosts = render(MATRIX["everything-off"]).one("Deployment", "wasmcloud-host-default")
    assert "WASMCLOUD_HOST_DATA_NATS_URL" not in environment(hosts)
    with_tls = merged(MATRIX["nats-of-ones-own"], {"global": {"nats": {"dataUrl": ""}}})
    assert data_parts(render(with_tls).one("Deployment", "wasmcloud-host-default")) == []


def data_parts(hosts: JsonObject) -> list[str]:
    """What a host is given of a certificate for data."""
    volumes = [volume["name"] for volume in hosts["spec"]["template"]["spec"]["volumes"]]
    flags = [argument.partition("=")[0] for argument in container(hosts)["args"]]
    return [found for found in volumes + flags if "data" in found]


def test_a_nats_of_ones_own_for_data_has_certificates_of_ones_own_or_none() -> None:
    brought = render({"global": {"nats": {"dataUrl": "tls://d.example.com"}}})
    hosts = brought.one("Deployment", "wasmcloud-host-default")
    flags = [f"--data-nats-tls-{part}" for part in ("ca", "cert", "key")]
    assert data_parts(hosts) == ["nats-data-tls", *flags]
    # Nobody there would trust what this chart's CA signs.
    assert [name for name in brought.names("Secret") if "data" in name] == []

    without = render(MATRIX["data-elsewhere-three-tenants"])
    for tenant in TENANTS:
        hosts = without.one("Deployment", "wasmcloud-host-hosts", tenant)
        assert environment(hosts)["WASMCLOUD_HOST_DATA_NATS_URL"] == "nats://d.example.com"
        assert data_parts(hosts) == []
    accounts = without.one("ConfigMap", "wasmcloud-nats")["data"]["nats.conf"]
    assert not [tenant for tenant in TENANTS if tenant in accounts]


@pytest.mark.parametrize(("replicas", "copies"), [(1, 1), (3, 3)])
@pytest.mark.parametrize("size", ["1.5Gi", "1536Mi"])
def test_environments_share_the_volumes_alike(replicas: int, copies: int, size: str) -> None:
    nats = {"replicas": replicas, "persistence": {"size": size}}
    config = render(merged(tenants(), {"nats": nats})).one("ConfigMap", "wasmcloud-nats")["data"]["nats.conf"]
    assert f"max_file_store: {1536 * 2**20 * 4 // 5}\n" in config
    assert config.count(f"max_file: {1536 * 2**20 * 4 // 5 * copies // len(TENANTS)}\n") == len(TENANTS)


def test_a_group_wins_over_the_defaults_and_adds_to_lists_of_arguments() -> None:
    group: JsonObject = {
        "name": "big",
        "resources": {"limits": {"memory": "8Gi"}},
        "allowedHosts": ["b.example.com"],
        "extraArgs": ["--request-timeout=5"],
        "podDisruptionBudget": {"enabled": False},
        "denySpecialRanges": False,
    }
    given = {
        "allowedHosts": ["a.example.com"],
        "extraArgs": ["--max-memory=1G"],
        "hostGroups": [group, {"name": "plain"}],
    }
    objects = render({"runtime": given})
    big, plain = (objects.one("Deployment", f"wasmcloud-host-{name}") for name in ("big", "plain"))

    assert container(big)["resources"] == {"requests": {"cpu": "250m", "memory": "128Mi"}, "limits": {"memory": "8Gi"}}
    assert container(plain)["resources"]["limits"] == {"memory": "1Gi"}
    assert (flag(big, "allowed-hosts"), flag(plain, "allowed-hosts")) == (["b.example.com"], ["a.example.com"])
    assert container(big)["args"][-2:] == ["--max-memory=1G", "--request-timeout=5"]
    assert "--no-deny-special-ranges" in container(big)["args"]
    assert objects.names("PodDisruptionBudget") == ["default/wasmcloud-host-plain", "default/wasmcloud-operator"]


@pytest.mark.parametrize(("kind", "field"), [("Deployment", "strategy"), ("DaemonSet", "updateStrategy")])
def test_a_new_host_is_there_before_an_old_one_drains(kind: str, field: str) -> None:
    hosts = render({"runtime": {"kind": kind}}).one(kind, "wasmcloud-host-default")
    assert hosts["spec"][field]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("length", [1, 53])
def test_names_fit_however_long_the_release_is_called(length: int, judge: ControlPlane) -> None:
    values = merged(EVERYTHING, {"runtime": {"hostGroups": [{"name": "fifteen-letters"}]}})
    objects = render(values, release="r" * length)
    assert_taken(judge, objects)
    assert max(len(name.partition("/")[2]) for name in objects.names("Service")) <= 63


def test_a_selector_is_never_changed_by_values() -> None:
    """Kubernetes refuses an upgrade that would change one."""
    changed = {
        "operator": {"podLabels": {"a": "b"}},
        "nats": {"podLabels": {"a": "b"}},
        "runtime": {"podLabels": {"a": "b"}},
    }
    for kind, name in (
        ("Deployment", "wasmcloud-operator"),
        ("StatefulSet", "wasmcloud-nats"),
        ("Deployment", "wasmcloud-host-default"),
    ):
        assert render(changed).one(kind, name)["spec"]["selector"] == render().one(kind, name)["spec"]["selector"]


def pod_specs(objects: Rendered) -> list[dict[str, Any]]:
    specs = [o["spec"]["template"]["spec"] for o in objects.objects if "template" in o.get("spec", {})]
    return specs + [o["spec"] for o in objects.objects if o["kind"] == "Pod"]


def rights(role: JsonObject) -> dict[str, set[str]]:
    """Verbs by group/resource."""
    found: dict[str, set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault(f"{group}/{resource}", set()).update(rule["verbs"])
    return found


@pytest.mark.parametrize(
    ("config_map", "key", "source"),
    [
        ("wasmcloud-nats", "reload.py", "nats-reload.py"),
        ("wasmcloud-cleanup", "cleanup.py", "cleanup.py"),
        ("wasmcloud-test", "hello.py", "hello-test.py"),
    ],
)
def test_scripts_reach_their_pods_whole(config_map: str, key: str, source: str) -> None:
    script = render().one("ConfigMap", config_map)["data"][key]
    assert script.strip() == (CHART / "files" / source).read_text().strip()
    compile(script, source, "exec")


def test_helm_test_asks_by_https_and_trusts_the_certificate() -> None:
    """Where the host group serves HTTPS; the CA comes from the Secret of its certificate."""
    objects = render({"runtime": {"http": {"tls": {"enabled": True, "certificate": {"secretName": "mine"}}}}})
    pod = objects.one("Pod", "wasmcloud-test")["spec"]
    variables = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert variables["URL"] == "https://wasmcloud-host-default.default.svc:80/"
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "tls"]
    assert variables["SERVER_NAME"] == "wasmcloud-host-default.default.svc"
    assert variables["CA"] == f"{mount['mountPath']}/ca.crt"
    assert [each["secret"]["secretName"] for each in pod["volumes"] if each["name"] == "tls"] == ["mine"]


@pytest.mark.parametrize("secret", ["", "mine"])
def test_a_host_without_http_needs_no_certificate_for_it(secret: str) -> None:
    """A pod that names a Secret which nobody makes never starts."""
    http = {"enabled": False, "tls": {"enabled": True, "certificate": {"secretName": secret}}}
    objects = render({"runtime": {"http": http}})
    hosts = objects.one("Deployment", "wasmcloud-host-default")
    secrets = [each["secret"]["secretName"] for each in pod_specs(Rendered([hosts]))[0]["volumes"] if "secret" in each]
    assert {f"default/{name}" for name in secrets} <= set(objects.names("Secret"))
    assert not {mount["name"] for mount in container(hosts)["volumeMounts"]} & {"http-tls"}
    assert flag(hosts, "tls-cert-path") == flag(hosts, "tls-key-path") == []


def test_helm_test_is_admitted_where_not_everybody_is() -> None:
    groups = [{"name": "tested"}, {"name": "other"}]
    objects = render({"networkPolicy": {"httpFrom": [{"podSelector": {}}]}, "runtime": {"hostGroups": groups}})
    admitted = [
        objects.one("NetworkPolicy", f"wasmcloud-host-{group['name']}")["spec"]["ingress"][0]["from"][1:]
        for group in groups
    ]
    labels = objects.one("Pod", "wasmcloud-test")["metadata"]["labels"]
    assert admitted[1] == []
    ((peer,), _) = admitted
    assert peer["podSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(("kind", "name"), [("Job", "wasmcloud-cleanup"), ("Pod", "wasmcloud-test")])
def test_hooks_run_where_the_operator_may(kind: str, name: str) -> None:
    where = {"nodeSelector": {"pool": "system"}, "tolerations": [{"key": "system", "operator": "Exists"}]}
    found = render({"operator": where}).one(kind, name)["spec"]
    spec = found["template"]["spec"] if kind == "Job" else found
    assert {key: spec[key] for key in where} == where
    assert spec["containers"][0]["resources"]["limits"]["memory"] == "128Mi"


@pytest.mark.parametrize(("kind", "name"), [("Job", "wasmcloud-cleanup"), ("Pod", "wasmcloud-test")])
def test_no_sidecar_outlives_a_hooks_container(kind: str, name: str) -> None:
    found = render().one(kind, name)
    metadata = (found["spec"]["template"] if kind == "Job" else found)["metadata"]
    assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
    declined = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}
    assert declined.items() <= metadata["annotations"].items()
    if kind == "Pod":
        assert metadata["annotations"]["helm.sh/hook"] == "test"


def test_policies_let_out_what_values_name() -> None:
    """NATS and registries at other ports than the usual."""
    urls = "tls://me:secret@[2001:db8::1]:5222, tls://b.example.com,nats://c.example.com:5222"
    group = {
        "name": "other",
        "schedulerNatsUrl": "nats://d:6222",
        "dataNatsUrl": "nats://d:7222",
        "insecureRegistries": ["reg:5000", "plain"],
    }
    values = {"global": {"nats": {"schedulerUrl": urls}}, "runtime": {"hostGroups": [{"name": "default"}, group]}}
    objects = render(values)

    def ports(policy: str, index: int) -> list[int]:
        rule = objects.one("NetworkPolicy", policy)["spec"]["egress"][index]
        assert set(rule) == {"ports"}
        return [port["port"] for port in rule["ports"]]

    assert ports("wasmcloud-operator", 1) == ports("wasmcloud-host-default", 1) == [5222, 4222]
    assert (ports("wasmcloud-host-other", 1), ports("wasmcloud-host-other", 2)) == ([6222], [7222])
    # The other group's data is in the chart's own NATS.
    to_own = objects.one("NetworkPolicy", "wasmcloud-host-default")["spec"]["egress"][2]
    assert to_own["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "nats"
    assert to_own["ports"] == [{"protocol": "TCP", "port": 4222}]
    assert sorted(ports("wasmcloud-operator", 3)) == [80, 443, 5000]
