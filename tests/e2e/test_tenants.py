"""Two tenants with hosts of their own, by Roles alone; a third namespace that nobody watches."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from ground.control_plane import KubectlError
from ground.helm import CHART
from ground.kind_cluster import KindCluster, fetch
from ground.wait import eventually

HELLO = CHART.parent / "examples" / "hello" / "workload.yaml"
TENANTS = ("team-a", "team-b")


def values(nats_name: str) -> str:
    """The chart's; hosts outside of the cluster reach NATS at `nats_name`."""
    return json.dumps(
        {
            # An administrator has applied the definitions, as someone without rights on the cluster asks for.
            "crds": {"enabled": False},
            "operator": {"allowSharedHosts": False},
            "runtime": {"hostGroups": [{"name": "hosts", "namespace": tenant} for tenant in TENANTS]},
            "nats": {"service": {"type": "NodePort"}, "certificate": {"dnsNames": [nats_name]}},
            # Who asks a node's port is masked by the node's own address.
            "networkPolicy": {"nats": {"ingress": [{"ports": [{"protocol": "TCP", "port": 4222}]}]}},
        }
    )


@pytest.fixture(scope="module")
def platform(cluster: KindCluster) -> Iterator[KindCluster]:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CHART.parent / "crds"))
    for namespace in (*TENANTS, "bystander"):
        cluster.kubectl("create", "namespace", namespace)
    flags = ["--namespace", "platform", "--create-namespace", "--values", "-", "--wait", "--timeout", "5m"]
    cluster.helm("install", "wasmcloud", str(CHART), *flags, stdin=values(cluster.control_plane_node))
    yield cluster
    cluster.helm("uninstall", "wasmcloud", "--namespace", "platform", "--wait", "--timeout", "5m")
    for namespace in (*TENANTS, "bystander", "platform"):
        cluster.kubectl("delete", "namespace", namespace, "--timeout=120s")


def apply_hello(cluster: KindCluster, namespace: str, name: str = "hello", **spec: object) -> None:
    body = yaml.safe_load(HELLO.read_text())
    body["metadata"]["name"] = name
    body["spec"]["template"]["spec"].update(spec)
    cluster.kubectl("apply", "--namespace", namespace, "-f", "-", stdin=json.dumps(body))


def condition(cluster: KindCluster, namespace: str, deployment: str, kind: str) -> dict[str, str]:
    """A condition of the deployment's one workload."""
    found = [
        workload
        for workload in cluster.get("workloads", "--namespace", namespace)["items"]
        if workload["metadata"]["labels"]["runtime.wasmcloud.dev/workload-deployment"] == deployment
    ]
    assert len(found) == 1, found
    conditions: list[dict[str, str]] = found[0].get("status", {}).get("conditions", [])
    assert kind in [c["type"] for c in conditions], conditions
    return next(c for c in conditions if c["type"] == kind)


def environments(cluster: KindCluster) -> dict[str, str]:
    """Each host's environment, by its id."""
    return {host["hostId"]: host["environment"] for host in cluster.get("hosts", "--namespace", "platform")["items"]}


def test_each_tenant_runs_on_its_own_hosts(platform: KindCluster) -> None:
    def has_both() -> None:
        assert sorted(environments(platform).values()) == ["team-a", "team-b"]

    eventually(has_both, within_s=60)
    for tenant in TENANTS:
        apply_hello(platform, tenant)
        platform.kubectl(
            "wait", "--namespace", tenant, "--for=condition=Ready", "workloaddeployment/hello", "--timeout=60s"
        )
        (workload,) = platform.get("workloads", "--namespace", tenant)["items"]
        assert environments(platform)[workload["status"]["hostId"]] == tenant
        with platform.forwarded("service/wasmcloud-host-hosts", 80, tenant) as url:
            assert "Hello" in eventually(lambda url=url: fetch(url, "hello.localhost"), within_s=30)  # type: ignore[misc]


def test_anothers_hosts_are_denied_with_the_reason(platform: KindCluster) -> None:
    apply_hello(platform, "team-b", "thief", environment="team-a")

    def is_denied() -> None:
        seen = condition(platform, "team-b", "thief", "HostSelection")
        assert (seen["status"], seen["reason"]) == ("False", "EnvironmentDenied"), seen

    eventually(is_denied, within_s=60)


def test_an_unwatched_namespace_is_left_alone(platform: KindCluster) -> None:
    apply_hello(platform, "bystander")
    apply_hello(platform, "team-a", "later")
    # What came later is done: so the other has been left alone, and isn't just late.
    platform.kubectl(
        "wait", "--namespace", "team-a", "--for=condition=Ready", "workloaddeployment/later", "--timeout=60s"
    )
    assert "status" not in platform.get("workloaddeployment", "hello", "--namespace", "bystander")


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def host_outside(cluster: KindCluster, image: str, certificate: Path, flags: Sequence[str]) -> Iterator[str]:
    """A container beside the nodes, in none of them; the address of its listener."""
    run = ["run", "--detach", "--network=kind", "--read-only", "--tmpfs=/tmp", f"--volume={certificate}:/nats:ro"]
    container = docker(*run, image, *flags)
    try:
        address = docker("inspect", "--format", "{{.NetworkSettings.Networks.kind.IPAddress}}", container)
        yield f"http://{address}:8000"
        docker("stop", "--time", "60", container)
    finally:
        (cluster.directory / "host-outside.log").write_text(docker("logs", container))
        docker("rm", "--force", container)


def test_a_host_outside_of_the_cluster_joins_one_tenant(
    platform: KindCluster, images: list[str], tmp_path: Path
) -> None:
    """Protects: it needs NATS, a certificate and an environment, and gets no other tenant's work."""
    certificate = tmp_path / "nats"
    certificate.mkdir(mode=0o755)
    for secret, prefix in {"wasmcloud-runtime-tls": "", "wasmcloud-data-tls-team-a": "data-"}.items():
        for name, content in platform.get("secret", secret, "--namespace", "team-a")["data"].items():
            (certificate / f"{prefix}{name}").write_bytes(base64.b64decode(content))
    (port,) = (p["nodePort"] for p in platform.get("service", "wasmcloud-nats", "-nplatform")["spec"]["ports"])
    flags = [
        f"--scheduler-nats-url=tls://{platform.control_plane_node}:{port}",
        "--scheduler-nats-tls-ca=/nats/ca.crt",
        "--scheduler-nats-tls-cert=/nats/tls.crt",
        "--scheduler-nats-tls-key=/nats/tls.key",
        f"--data-nats-url=tls://{platform.control_plane_node}:{port}",
        "--data-nats-tls-ca=/nats/data-ca.crt",
        "--data-nats-tls-cert=/nats/data-tls.crt",
        "--data-nats-tls-key=/nats/data-tls.key",
        "--environment=team-a",
        "--host-label=place=outside",
        "--http-addr=0.0.0.0:8000",
        "--oci-cache-dir=/tmp/cache",
        "--allow-file-images=/usr/share/wasmcloud/examples",
    ]
    with host_outside(platform, images[1], certificate, flags) as url:
        for tenant in TENANTS:
            apply_hello(platform, tenant, "outside", hostSelector={"place": "outside"})
        ready = ["--for=condition=Ready", "workloaddeployment/outside", "--timeout=60s"]
        platform.kubectl("wait", "--namespace", "team-a", *ready)
        assert "Hello" in fetch(url, "hello.localhost")

        def is_denied() -> None:
            seen = condition(platform, "team-b", "outside", "HostSelection")
            assert (seen["status"], seen["reason"]) == ("False", "NoMatchingHost"), seen

        eventually(is_denied, within_s=60)
        for tenant in TENANTS:
            platform.kubectl("delete", "--namespace", tenant, "workloaddeployment/outside", "--timeout=60s")


def test_there_are_roles_only(platform: KindCluster) -> None:
    for kind in ("clusterroles", "clusterrolebindings"):
        names = [o["metadata"]["name"] for o in platform.get(kind)["items"]]
        assert not [name for name in names if "wasmcloud" in name]


@pytest.mark.parametrize("resource", ["secrets", "workloads.runtime.wasmcloud.dev", "configmaps"])
def test_the_operator_may_read_nothing_elsewhere(platform: KindCluster, resource: str) -> None:
    account = "system:serviceaccount:platform:wasmcloud-operator"
    with pytest.raises(KubectlError) as denied:
        platform.kubectl("auth", "can-i", "get", resource, "--namespace", "bystander", "--as", account)
    assert denied.value.args[0].endswith("no")
    assert platform.kubectl("auth", "can-i", "get", resource, "--namespace", "team-a", "--as", account).strip() == "yes"
