"""Flags and variables: each is read, each mistake is one sentence that names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from wasmcloud_operator.settings import Settings, SettingsError, read_settings

NAMESPACE = ("--operator-namespace", "ops")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*(f"WASMCLOUD_OPERATOR_{field.upper()}" for field in Settings.model_fields), "OPERATOR_NAMESPACE"]:
        monkeypatch.delenv(name, raising=False)


def test_defaults() -> None:
    settings = read_settings(NAMESPACE)
    assert settings.operator_namespace == "ops"
    assert settings.watch_namespaces == ()
    assert settings.allow_shared_hosts
    assert (settings.probe_interval, settings.silent_host_timeout) == (0.5, 10.0)
    assert (settings.cpu_backpressure_threshold, settings.memory_backpressure_threshold) == (80, 80)
    assert (settings.metrics_addr, settings.health_addr, settings.log_format) == (None, None, "text")


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        (("--watch-namespaces", "a,b"), "watch_namespaces", ("a", "b")),
        (("--watch-namespaces", ""), "watch_namespaces", ()),
        (("--no-allow-shared-hosts",), "allow_shared_hosts", False),
        (("--nats-tls-first",), "nats_tls_first", True),
        (
            ("--allow-insecure-registry", "127.0.0.1:5000", "--allow-insecure-registry=Reg.local"),
            "allow_insecure_registry",
            ("127.0.0.1:5000", "reg.local"),
        ),
        (("--probe-interval", "250ms"), "probe_interval", 0.25),
        (("--probe-interval", "2"), "probe_interval", 2.0),
        (("--silent-host-timeout", "1m"), "silent_host_timeout", 60.0),
        (("--cpu-backpressure-threshold", "55"), "cpu_backpressure_threshold", 55),
        (("--memory-backpressure-threshold", "56"), "memory_backpressure_threshold", 56),
        (("--metrics-addr", ":8080"), "metrics_addr", ":8080"),
        (("--health-addr", "[::]:8081"), "health_addr", "[::]:8081"),
        (("--log-format", "json"), "log_format", "json"),
        (("--leader-elect",), "leader_elect", True),
        (("--pod-name", "operator-0"), "pod_name", "operator-0"),
    ],
)
def test_flags(flags: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(read_settings((*NAMESPACE, *flags)), field) == value


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ((), "--operator-namespace (or the variable OPERATOR_NAMESPACE): must be given"),
        ((*NAMESPACE, "--nope"), "unknown: --nope; see --help"),
        ((*NAMESPACE, "--leader-selects"), "unknown: --leader-selects; see --help"),
        (("--operator-namespace", "Ops"), '--operator-namespace: "Ops" is no name of a namespace'),
        ((*NAMESPACE, "--watch-namespaces", "a,b/c"), '--watch-namespaces: "b/c" is no name of a namespace'),
        (
            (*NAMESPACE, "--allow-insecure-registry", "http://r"),
            '--allow-insecure-registry: "http://r" is no registry such as registry.example or 127.0.0.1:5000',
        ),
        ((*NAMESPACE, "--nats-url", "http://h:1"), "--nats-url: must be of the form nats://host:4222"),
        ((*NAMESPACE, "--nats-url", "nats://"), "--nats-url: must be of the form nats://host:4222"),
        ((*NAMESPACE, "--nats-url", "nats://h:70000"), "--nats-url: must be of the form nats://host:4222"),
        ((*NAMESPACE, "--nats-url", "nats://["), "--nats-url: must be of the form nats://host:4222"),
        ((*NAMESPACE, "--nats-url", "nats://h:x"), "--nats-url: must be of the form nats://host:4222"),
        ((*NAMESPACE, "--nats-ca", "/no/such/file"), "--nats-ca: /no/such/file is no file that can be read"),
        ((*NAMESPACE, "--nats-creds", "/no/such/file"), "--nats-creds: /no/such/file can't be read: No such file"),
        ((*NAMESPACE, "--nats-creds", __file__), f"--nats-creds: {__file__} is no NATS credentials file"),
        ((*NAMESPACE, "--kubeconfig", "/no/such/file"), "--kubeconfig: /no/such/file is no file that can be read"),
        ((*NAMESPACE, "--probe-interval", "soon"), '--probe-interval: "soon" is no duration'),
        ((*NAMESPACE, "--probe-interval", "0"), "--probe-interval: must be greater than 0"),
        ((*NAMESPACE, "--silent-host-timeout", "2000m"), "--silent-host-timeout: must be less than or equal to 3600"),
        ((*NAMESPACE, "--cpu-backpressure-threshold", "101"), "--cpu-backpressure-threshold: must be less than"),
        ((*NAMESPACE, "--memory-backpressure-threshold", "0"), "--memory-backpressure-threshold: must be greater"),
        ((*NAMESPACE, "--metrics-addr", "8080"), '--metrics-addr: "8080" is not of the form address:port'),
        ((*NAMESPACE, "--health-addr", "h:70000"), '--health-addr: "h:70000" is not of the form address:port'),
        ((*NAMESPACE, "--health-addr", "::1:80"), '--health-addr: "::1:80" is not of the form address:port'),
        ((*NAMESPACE, "--log-format", "xml"), "--log-format: must be 'text' or 'json'"),
        ((*NAMESPACE, "--log-format"), "--log-format: expected one argument"),
    ],
)
def test_mistakes(flags: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(flags)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_variables_are_read_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_NAMESPACE", "by-variable")
    monkeypatch.setenv("WASMCLOUD_OPERATOR_WATCH_NAMESPACES", "a, b")
    monkeypatch.setenv("WASMCLOUD_OPERATOR_PROBE_INTERVAL", "1")
    settings = read_settings(("--probe-interval", "2"))
    assert settings.operator_namespace == "by-variable"
    assert settings.watch_namespaces == ("a", "b")
    assert settings.probe_interval == 2.0


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASMCLOUD_OPERATOR_PROBE_INTERVAL", "soon")
    with pytest.raises(SettingsError, match=r"^WASMCLOUD_OPERATOR_PROBE_INTERVAL: "):
        read_settings(NAMESPACE)


def test_files_that_are_there(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_text("x")
    flags = ("--nats-ca", "--nats-client-cert", "--nats-client-key", "--kubeconfig", "--oci-ca-path")
    settings = read_settings((*NAMESPACE, *(part for flag in flags for part in (flag, str(file)))))
    assert {settings.nats_ca, settings.nats_client_cert, settings.nats_client_key, settings.kubeconfig} == {file}
    assert settings.oci_ca_path == file


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("x")
    with pytest.raises(SettingsError, match="of use together only"):
        read_settings((*NAMESPACE, "--nats-client-cert", str(file)))


def test_a_password_is_not_shown() -> None:
    settings = read_settings((*NAMESPACE, "--nats-url", "nats://operator:hunter2@h:4222"))
    assert "hunter2" not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        read_settings((*NAMESPACE, "--nats-url", "ftp://operator:hunter2@h:4222"))
    assert "hunter2" not in str(caught.value)
