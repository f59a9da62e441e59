"""Install, upgrade, uninstall on a real API server: what is kept, what is renewed, what is left."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chart.rendered import JsonObject, merged
from chart.x509 import certificate
from ground.control_plane import ControlPlane
from ground.helm import CHART, HelmError, helm
from ground.wait import eventually

# Other releases have the CustomResourceDefinitions here; a test of their own looks at those.
BASE: JsonObject = {
    "crds": {"enabled": False},
    "global": {"certificates": {"validityDays": 300, "renewBeforeDays": 100}},
}


class Release:
    """A release in a namespace of its own."""

    def __init__(self, api: ControlPlane, namespace: str, cache: Path) -> None:
        self.api = api
        self.namespace = namespace
        self._env = {"KUBECONFIG": str(api.kubeconfig()), "HELM_CACHE_HOME": str(cache), "HOME": str(cache)}

    def helm(self, *arguments: str, values: JsonObject | None = None) -> str:
        flags = ["--namespace", self.namespace]
        stdin = None
        if values is not None:
            flags += ["--values", "-"]
            stdin = json.dumps(merged(BASE, values))
        return helm(*arguments, *flags, stdin=stdin, env=self._env)

    def install(self, values: JsonObject | None = None, *flags: str) -> str:
        return self.helm("install", "wasmcloud", str(CHART), *flags, values=values or {})

    def upgrade(self, values: JsonObject | None = None, *flags: str) -> str:
        return self.helm("upgrade", "wasmcloud", str(CHART), *flags, values=values or {})

    def secrets(self) -> dict[str, JsonObject]:
        """All of the chart's Secrets; helm's own hold its history."""
        found = json.loads(self.api.kubectl("get", "secrets", "--namespace", self.namespace, "--output", "json"))[
            "items"
        ]
        return {s["metadata"]["name"]: s for s in found if not s["type"].startswith("helm.sh/")}

    def note_end(self, secret: str, days: int) -> None:
        """Let a certificate seem to end in so many days."""
        end = (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.api.kubectl(
            "annotate",
            "--overwrite",
            "--namespace",
            self.namespace,
            f"secret/{secret}",
            f"wasmcloud.dev/not-after={end}",
        )


@pytest.fixture
def release(judge: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Release]:
    namespace = f"chart-{abs(hash(request.node.name)) % 10**8}"
    judge.kubectl("create", "namespace", namespace)
    yield Release(judge, namespace, tmp_path)
    judge.kubectl("delete", "namespace", namespace, "--wait=false")


def contents(secrets: dict[str, JsonObject]) -> dict[str, JsonObject]:
    return {name: secret["data"] for name, secret in secrets.items()}


@pytest.mark.parametrize(
    "values", [{"nats": {"replicas": 3}}, {"global": {"tls": {"enabled": False}}}], ids=["tls", "no-tls"]
)
def test_an_upgrade_keeps_certificates_and_passwords(release: Release, values: JsonObject) -> None:
    release.install(values)
    before = release.secrets()
    assert len(before) == (6 if "nats" in values else 1)

    release.upgrade(values)

    assert contents(release.secrets()) == contents(before)


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "no-tls"])
def test_another_environment_adds_a_login_and_changes_no_other(release: Release, tls: bool) -> None:
    groups: list[JsonObject] = [{"name": "first"}, {"name": "second", "environment": "team-a"}]
    values = [{"global": {"tls": {"enabled": tls}}, "runtime": {"hostGroups": groups[:count]}} for count in (1, 2)]
    release.install(values[0])
    before = entries(release.secrets())

    release.upgrade(values[1])

    after = entries(release.secrets())
    assert before.items() <= after.items()
    added = {"wasmcloud-data-tls-team-a": "tls.crt", "wasmcloud-nats-passwords": "data.team-a"}
    name = "wasmcloud-data-tls-team-a" if tls else "wasmcloud-nats-passwords"
    assert (name, added[name]) in after.keys() - before.keys()


def entries(secrets: dict[str, JsonObject]) -> dict[tuple[str, str], str]:
    """Each entry of each Secret."""
    return {(name, key): value for name, secret in secrets.items() for key, value in secret["data"].items()}


def test_rendering_against_the_cluster_gives_the_same_objects_each_time(release: Release) -> None:
    release.install()
    first, second = (release.upgrade({}, "--dry-run=server", "--output", "json") for _ in range(2))
    objects = [list(yaml.safe_load_all(json.loads(text)["manifest"])) for text in (first, second)]
    installed = list(yaml.safe_load_all(release.helm("get", "manifest", "wasmcloud")))
    assert objects[0] == objects[1] == installed


def test_what_ends_soon_is_renewed_and_nothing_else(release: Release) -> None:
    release.install()
    before = release.secrets()
    release.note_end("wasmcloud-operator-tls", days=99)
    release.note_end("wasmcloud-runtime-tls", days=101)

    release.upgrade()

    after = release.secrets()
    changed = {name for name in after if after[name]["data"] != before[name]["data"]}
    assert changed == {"wasmcloud-operator-tls"}
    new = certificate(after["wasmcloud-operator-tls"])
    new.assert_issued_by(certificate(after["wasmcloud-ca"]))
    assert new.public_key != certificate(before["wasmcloud-operator-tls"]).public_key
    noted = after["wasmcloud-operator-tls"]["metadata"]["annotations"]["wasmcloud.dev/not-after"]
    assert abs(new.not_after - dt.datetime.fromisoformat(noted)) < dt.timedelta(minutes=2)


def test_a_renewed_ca_keeps_its_key_so_that_both_generations_trust_each_other(release: Release) -> None:
    release.install()
    before = release.secrets()
    release.note_end("wasmcloud-ca", days=399)

    release.upgrade()

    after = release.secrets()
    old, new = (certificate(secrets["wasmcloud-ca"]) for secrets in (before, after))
    assert old.serial != new.serial
    certificate(before["wasmcloud-nats-tls"]).assert_issued_by(new)
    certificate(after["wasmcloud-nats-tls"]).assert_issued_by(old)
    release.upgrade()
    assert contents(release.secrets()) == contents(after)


def test_autoscaling_begins_with_the_hosts_that_are_there(release: Release) -> None:
    """An upgrade that takes the number out of a Deployment makes it 1, whoever scales it afterwards."""
    hosts = ["deployment/wasmcloud-host-default", "--namespace", release.namespace]

    def count() -> str:
        return release.api.kubectl("get", *hosts, "--output", "jsonpath={.spec.replicas}")

    release.install({"runtime": {"replicas": 3}})
    scaled = {"runtime": {"autoscaling": {"enabled": True}}}
    release.upgrade(scaled)
    assert count() == "3"

    release.api.kubectl("scale", *hosts, "--replicas=5")  # as the HorizontalPodAutoscaler does
    release.upgrade(merged(scaled, {"runtime": {"logFormat": "text"}}))
    assert count() == "5"

    release.api.kubectl("scale", *hosts, "--replicas=0")
    release.upgrade(scaled)
    assert count() == "1", "from none no HorizontalPodAutoscaler begins"


def test_other_names_make_another_certificate(release: Release) -> None:
    release.install()
    before = release.secrets()

    release.upgrade({"nats": {"certificate": {"dnsNames": ["nats.example.com"]}}})

    after = release.secrets()
    assert {name for name in after if after[name]["data"] != before[name]["data"]} == {"wasmcloud-nats-tls"}
    assert "DNS:nats.example.com" in certificate(after["wasmcloud-nats-tls"]).names


def test_a_lost_ca_is_made_anew_with_all_it_signed(release: Release) -> None:
    release.install()
    release.api.kubectl("delete", "secret", "wasmcloud-ca", "--namespace", release.namespace)

    release.upgrade()

    after = release.secrets()
    for name in ("wasmcloud-nats-tls", "wasmcloud-operator-tls", "wasmcloud-runtime-tls"):
        certificate(after[name]).assert_issued_by(certificate(after["wasmcloud-ca"]))


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_what_workloads_keep_is_not_lost_with_a_change_of_servers(release: Release, before: int, after: int) -> None:
    release.install({"nats": {"replicas": before}})
    with pytest.raises(HelmError, match=rf"nats.replicas: there (is|are) {before} now, and what workloads keep"):
        release.upgrade({"nats": {"replicas": after}})
    release.upgrade({"nats": {"replicas": after, "persistence": {"enabled": False}}}, "--dry-run=server")

    delete = f"kubectl delete statefulset wasmcloud-nats --namespace {release.namespace}"
    release.api.kubectl(*delete.split()[1:])
    release.upgrade({"nats": {"replicas": after}})


def test_a_second_operator_in_a_namespace_is_refused(release: Release) -> None:
    release.install()
    with pytest.raises(HelmError, match=f'release "wasmcloud" has its operator in namespace "{release.namespace}"'):
        release.helm("install", "second", str(CHART), values={})
    # Hosts alone have nothing that two releases could quarrel about.
    names = {f"{key}SecretName": f"second-{key.lower()}" for key in ("ca", "natsCert", "runtimeCert", "dataCert")}
    values = {"operator": {"enabled": False}, "global": {"certificates": names}}
    release.helm("install", "second", str(CHART), "--dry-run=server", values=values)


def test_the_notes_name_what_was_installed(release: Release) -> None:
    notes = release.install(
        {"runtime": {"hostGroups": [{"name": "edge", "http": {"port": 8000}, "service": {"port": 8080}}]}}
    )
    assert f"kubectl get hosts --namespace {release.namespace}" in notes
    assert f"port-forward --namespace {release.namespace} service/wasmcloud-host-edge 8000:8080" in notes
    assert "workloads without rules of their own may reach nothing outside" in notes
    assert "run it at least every 200 days" in notes


def test_the_notes_warn_of_hosts_that_no_workload_may_use(release: Release) -> None:
    notes = release.install({"operator": {"allowSharedHosts": False}})
    assert "WARNING: host group default has no environment" in notes


def test_the_notes_warn_of_hosts_without_a_nats_for_data(release: Release) -> None:
    without = {"global": {"nats": {"schedulerUrl": "nats://a:4222"}, "tls": {"enabled": False}}}
    notes = release.install({"nats": {"enabled": False}, **without})
    assert "WARNING: host group default has no NATS for workloads' data" in notes
    assert "no NATS for workloads' data" not in release.upgrade()


def test_uninstall_leaves_the_definitions_and_nothing_else(release: Release) -> None:
    release.install({"crds": {"enabled": True}}, "--take-ownership")

    # No kubelet runs the last hook's Job here; what it does is tested with a cluster.
    release.helm("uninstall", "wasmcloud", "--no-hooks")

    def is_empty() -> None:
        kinds = "deploy,statefulset,service,configmap,secret,serviceaccount,role,rolebinding,networkpolicy,pdb"
        left = release.api.kubectl("get", kinds, "--namespace", release.namespace, "--output", "name").split()
        assert set(left) <= {"configmap/kube-root-ca.crt", "serviceaccount/default"}, left

    eventually(is_empty, within_s=30)
    assert release.api.kubectl("get", "crd", "workloads.runtime.wasmcloud.dev", "--output", "name")


def test_uninstall_deletes_nothing_while_a_watched_namespace_is_missing(release: Release) -> None:
    """Its hooks could not all run: another tenant's workloads would keep finalizers that nobody lifts."""
    tenant = f"{release.namespace}-tenant"
    release.api.kubectl("create", "namespace", tenant)
    release.install({"operator": {"watchNamespaces": [release.namespace, tenant]}})
    release.api.kubectl("delete", "namespace", tenant)

    with pytest.raises(HelmError, match=f'namespaces "{tenant}" not found'):
        release.helm("uninstall", "wasmcloud")

    operator = ["get", "deployment", "wasmcloud-operator", "--ignore-not-found", "--namespace", release.namespace]
    assert release.api.kubectl(*operator)
    # As the documents say: with the namespace there again it goes on. Nobody here runs the last hook's Job.
    release.api.kubectl("create", "namespace", tenant)
    with pytest.raises(HelmError, match=r"post-delete|timed out"):
        release.helm("uninstall", "wasmcloud", "--timeout", "5s")
    assert not release.api.kubectl(*operator)
    release.api.kubectl("delete", "namespace", tenant, "--wait=false")


def test_a_tenant_is_taken_out_though_its_namespace_is_gone(release: Release) -> None:
    tenant = f"{release.namespace}-tenant"
    release.api.kubectl("create", "namespace", tenant)
    release.install({"operator": {"watchNamespaces": [release.namespace, tenant]}})
    release.api.kubectl("delete", "namespace", tenant)

    release.upgrade({"operator": {"watchNamespaces": [release.namespace]}})

    assert tenant not in release.helm("get", "hooks", "wasmcloud")
    release.helm("uninstall", "wasmcloud", "--no-hooks")


def test_definitions_are_upgraded_with_the_chart(release: Release) -> None:
    release.install({"crds": {"enabled": True}}, "--take-ownership")
    release.api.kubectl(
        "patch",
        "crd",
        "hosts.runtime.wasmcloud.dev",
        "--type=merge",
        "--patch",
        '{"spec":{"names":{"shortNames":["old"]}}}',
    )

    release.upgrade({"crds": {"enabled": True}}, "--take-ownership")

    names = release.api.kubectl(
        "get", "crd", "hosts.runtime.wasmcloud.dev", "--output", "jsonpath={.spec.names.shortNames}"
    )
    assert json.loads(names) == ["host"]
    release.helm("uninstall", "wasmcloud", "--no-hooks")
