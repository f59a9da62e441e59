"""The flags and variables that the chart gives are read by the real programs' own settings, and mean what is meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from chart.matrix import MATRIX
from chart.rendered import JsonObject, Rendered, container, environment, merged, render
from wasmcloud_host import settings as host_settings
from wasmcloud_operator import settings as operator_settings

POD = {
    "metadata.name": "wasmcloud-host-default-x1",
    "metadata.namespace": "default",
    "metadata.uid": "0c7b1c58-6a0f-4d5e-8d1e-000000000001",
    "status.podIP": "10.244.0.7",
}
OWN_URL = "nats://me:secret@nats.example.com:4222"


class Started:
    """A container's arguments and variables, as the kubelet would give them, with its mounted files in a directory."""

    def __init__(self, workload: JsonObject, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = str(directory)
        for mount in container(workload)["volumeMounts"]:
            there = self._here(mount["mountPath"])
            there.mkdir(parents=True, exist_ok=True)
            for name in ("tls.crt", "tls.key", "ca.crt"):
                (there / name).write_text("")
        self.arguments = [self._moved(argument) for argument in container(workload)["args"]]
        for name, value in self._variables(workload).items():
            monkeypatch.setenv(name, value)

    def _here(self, path: str) -> Path:
        return Path(self._root + path)

    def _moved(self, argument: str) -> str:
        flag, equals, value = argument.partition("=")
        if flag == "--allow-file-images":
            self._here(value).mkdir(parents=True, exist_ok=True)
        return f"{flag}{equals}{self._here(value)}" if value.startswith("/") else argument

    def _variables(self, workload: JsonObject) -> dict[str, str]:
        filled: dict[str, str] = {}
        for name, value in environment(workload).items():
            if isinstance(value, str):
                filled[name] = re.sub(r"\$\((\w+)\)", lambda match: filled[match[1]], value)
            elif "fieldRef" in value:
                filled[name] = POD[value["fieldRef"]["fieldPath"]]
            else:
                key = value["secretKeyRef"]["key"]
                filled[name] = OWN_URL if key == "url" else f"password-of-{key}"
        return filled


def workloads(objects: Rendered, program: str) -> list[JsonObject]:
    kinds = ("Deployment", "DaemonSet")
    return [o for o in objects.objects if o["kind"] in kinds and container(o)["name"] == program]


@pytest.mark.parametrize("name", MATRIX)
def test_the_operator_takes_its_flags(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for workload in workloads(render(MATRIX[name]), "operator"):
        read = operator_settings.read_settings(Started(workload, tmp_path, monkeypatch).arguments)
        assert read.operator_namespace == "default"
        assert read.allow_shared_hosts is not name.endswith(("tenants", "tenants-without-tls"))
        assert bool(read.watch_namespaces) is (name != "cluster-wide")


@pytest.mark.parametrize("name", MATRIX)
def test_the_host_takes_its_flags(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index, workload in enumerate(workloads(render(MATRIX[name]), "host")):
        read = host_settings.read_settings(Started(workload, tmp_path / str(index), monkeypatch).arguments)
        assert read.pod_uid == POD["metadata.uid"]
        assert (read.friendly_name, read.host_name) == (POD["metadata.name"], POD["status.podIP"])


def test_logins_without_tls_are_in_the_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = render({"global": {"tls": {"enabled": False}}})
    (operator,), (host,) = workloads(objects, "operator"), workloads(objects, "host")

    read = operator_settings.read_settings(Started(operator, tmp_path, monkeypatch).arguments)
    assert read.nats_url.get_secret_value() == "nats://operator:password-of-operator@wasmcloud-nats.default.svc:4222"
    other = host_settings.read_settings(Started(host, tmp_path, monkeypatch).arguments)
    assert other.scheduler_nats_url.get_secret_value() == (
        "nats://runtime:password-of-runtime@wasmcloud-nats.default.svc:4222"
    )
    assert other.data_nats_url is not None
    assert other.data_nats_url.get_secret_value() == ("nats://data:password-of-data@wasmcloud-nats.default.svc:4222")


def test_a_url_of_the_users_own_takes_the_place_of_the_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = render(MATRIX["nats-of-ones-own-by-password"])
    (operator,), (host,) = workloads(objects, "operator"), workloads(objects, "host")
    for workload in (operator, host):
        names = [each["name"] for each in container(workload)["env"]]
        assert len(names) == len(set(names)), "server-side apply refuses a repeated name"
    read = operator_settings.read_settings(Started(operator, tmp_path, monkeypatch).arguments)
    other = host_settings.read_settings(Started(host, tmp_path, monkeypatch).arguments)
    assert read.nats_url.get_secret_value() == other.scheduler_nats_url.get_secret_value() == OWN_URL


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"allowedHosts": ["*.example.com", "https://a:8443"]}, {"allowed_hosts": ("*.example.com", "https://a:8443")}),
        ({"hostLabels": {"gpu": "true"}}, {"host_label": {"gpu": "true"}}),
        (
            {"denyPrivateRanges": True, "denySpecialRanges": False},
            {"deny_private_ranges": True, "deny_special_ranges": False},
        ),
        ({"maxWorkloads": 7, "maxConnections": 70}, {"max_workloads": 7, "max_connections": 70}),
        ({"drainTimeoutSeconds": 12}, {"drain_timeout": 12.0}),
        ({"insecureRegistries": ["a:5000", "b:5000"]}, {"allow_insecure_registry": ("a:5000", "b:5000")}),
        ({"http": {"port": 8000}}, {"http_addr": "[::]:8000"}),
        ({"environment": "team-a", "logFormat": "text"}, {"environment": "team-a", "log_format": "text"}),
        ({"extraArgs": ["--request-timeout=2m"]}, {"request_timeout": 120.0}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_values_reach_the_host(
    values: JsonObject, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workload,) = workloads(render({"runtime": values}), "host")
    read = host_settings.read_settings(Started(workload, tmp_path, monkeypatch).arguments)
    assert {key: getattr(read, key) for key in expected} == expected


def test_cas_of_registries_reach_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = {
        "ociCaPath": "/etc/registries/ca.crt",
        "volumes": [{"name": "registries", "configMap": {"name": "registries"}}],
        "volumeMounts": [{"name": "registries", "mountPath": "/etc/registries"}],
    }
    objects = render({"operator": brought, "runtime": brought})
    (operator,), (host,) = workloads(objects, "operator"), workloads(objects, "host")
    read = operator_settings.read_settings(Started(operator, tmp_path / "operator", monkeypatch).arguments)
    other = host_settings.read_settings(Started(host, tmp_path / "host", monkeypatch).arguments)
    assert read.oci_ca_path == tmp_path / "operator" / "etc/registries/ca.crt"
    assert other.oci_ca_path == tmp_path / "host" / "etc/registries/ca.crt"


@pytest.mark.parametrize("families", [[], ["IPv6"], ["IPv4", "IPv6"]])
def test_all_listen_on_both_families(families: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet comes by the cluster's first family, a Service's clients by its own."""
    objects = render({"global": {"ipFamilies": families}})
    (operator,), (host,) = workloads(objects, "operator"), workloads(objects, "host")
    read = operator_settings.read_settings(Started(operator, tmp_path, monkeypatch).arguments)
    assert (read.health_addr, read.metrics_addr) == (":8081", ":8080")
    other = host_settings.read_settings(Started(host, tmp_path, monkeypatch).arguments)
    assert (other.http_addr, other.web_addr) == ("[::]:9191", "[::]:8081")


def test_certificates_reach_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = render(merged({}))
    (operator,), (host,) = workloads(objects, "operator"), workloads(objects, "host")
    read = operator_settings.read_settings(Started(operator, tmp_path, monkeypatch).arguments)
    assert [read.nats_ca, read.nats_client_cert, read.nats_client_key] == [
        tmp_path / "etc/wasmcloud/nats-operator-tls" / name for name in ("ca.crt", "tls.crt", "tls.key")
    ]
    other = host_settings.read_settings(Started(host, tmp_path, monkeypatch).arguments)
    assert [other.scheduler_nats_tls_ca, other.scheduler_nats_tls_cert, other.scheduler_nats_tls_key] == [
        tmp_path / "etc/wasmcloud/nats-runtime-tls" / name for name in ("ca.crt", "tls.crt", "tls.key")
    ]
    assert other.data_nats_url is not None
    assert other.data_nats_url.get_secret_value() == "tls://wasmcloud-nats.default.svc:4222"
    assert [other.data_nats_tls_ca, other.data_nats_tls_cert, other.data_nats_tls_key] == [
        tmp_path / "etc/wasmcloud/nats-data-tls" / name for name in ("ca.crt", "tls.crt", "tls.key")
    ]


def test_the_https_certificate_reaches_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = render({"runtime": {"http": {"tls": {"enabled": True}}}})
    (host,) = workloads(objects, "host")
    read = host_settings.read_settings(Started(host, tmp_path, monkeypatch).arguments)
    mounted = tmp_path / "etc/wasmcloud/http-tls"
    assert [read.tls_cert_path, read.tls_key_path, read.tls_ca_path] == [mounted / "tls.crt", mounted / "tls.key", None]
    names = objects.one("Secret", "wasmcloud-host-default-http-tls")["metadata"]["annotations"]["wasmcloud.dev/names"]
    assert "wasmcloud-host-default.default.svc" in names.split(",")
