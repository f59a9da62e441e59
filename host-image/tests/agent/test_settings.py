"""Every flag can be given as a flag and as a variable; what can't be used is one sentence that names its source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from wasmcloud_host import settings as settings_module
from wasmcloud_host.settings import Settings, SettingsError, read_settings


def test_a_host_starts_without_any_flag() -> None:
    settings = read_settings([])
    assert settings.host_group == "default"
    assert settings.allowed_hosts == ()
    assert settings.deny_special_ranges
    assert settings.allow_file_images == ()
    assert settings.http_addr == "127.0.0.1:8000"


def test_flags_may_be_repeated_or_hold_commas() -> None:
    settings = read_settings(["--allowed-hosts", "a.example", "--allowed-hosts", "*.b.example,c.example:443"])
    assert settings.allowed_hosts == ("a.example", "*.b.example", "c.example:443")


def test_labels_are_pairs() -> None:
    settings = read_settings(
        ["--host-label", "gpu=true", "--host-label", "example.com/zone=", "--host-label", "a_b=C.d"]
    )
    assert settings.host_label == {"gpu": "true", "example.com/zone": "", "a_b": "C.d"}


def test_variables_hold_the_same_as_flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WASMCLOUD_HOST_ALLOWED_HOSTS", "a.example, b.example")
    monkeypatch.setenv("WASMCLOUD_HOST_HOST_LABEL", "gpu=true,zone=a")
    monkeypatch.setenv("WASMCLOUD_HOST_ALLOW_FILE_IMAGES", str(tmp_path))
    monkeypatch.setenv("WASMCLOUD_HOST_DENY_SPECIAL_RANGES", "false")
    monkeypatch.setenv("WASMCLOUD_HOST_HEARTBEAT_INTERVAL", "2m")
    settings = read_settings([])
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert settings.host_label == {"gpu": "true", "zone": "a"}
    assert settings.allow_file_images == (tmp_path.resolve(),)
    assert not settings.deny_special_ranges
    assert settings.heartbeat_interval == 120


def test_a_flag_wins_over_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASMCLOUD_HOST_HOST_GROUP", "from-variable")
    assert read_settings(["--host-group", "from-flag"]).host_group == "from-flag"


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("1.5", 1.5), ("45s", 45), ("500ms", 0.5), ("2m", 120)])
def test_durations(text: str, seconds: float) -> None:
    assert read_settings(["--request-timeout", text]).request_timeout == seconds


@pytest.mark.parametrize(
    ("text", "in_bytes"), [("2147483648", 2**31), ("2Gi", 2**31), ("2GiB", 2**31), ("2GB", 2 * 10**9)]
)
def test_sizes(text: str, in_bytes: int) -> None:
    assert read_settings(["--oci-cache-size", text]).oci_cache_size == in_bytes


def test_a_port_alone_is_that_of_ipv4_where_the_machine_has_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(["--http-addr", ":8000"]).http_addr == "[::]:8000"
    monkeypatch.setattr(settings_module, "has_dualstack_ipv6", lambda: False)
    assert read_settings(["--http-addr", ":8000"]).http_addr == "0.0.0.0:8000"


def test_a_password_in_the_nats_url_does_not_print() -> None:
    settings = read_settings(["--scheduler-nats-url", "nats://someone:hush@127.0.0.1:4222"])
    assert "hush" not in repr(settings)
    assert "hush" not in str(settings)
    with pytest.raises(SettingsError) as refused:
        read_settings(["--scheduler-nats-url", "nats://someone:hush/sh@127.0.0.1:4222"])
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--nonsense"], "unknown: --nonsense"),
        (["extra"], "unknown: extra"),
        (["--http-addr"], "--http-addr"),
        (["--http-addr", "8000"], "address:port"),
        (["--http-addr", "127.0.0.1:70000"], "address:port"),
        (["--web-addr", "::"], "address:port"),
        (["--oci-cache-size", "2 Gigs"], "--oci-cache-size: could not interpret byte unit: Gigs"),
        (["--oci-cache-size", "0"], "--oci-cache-size: must be greater than 0"),
        (["--request-timeout", "soon"], '"soon" is no duration'),
        (["--request-timeout", "0"], "--request-timeout"),
        (["--drain-timeout", "-1"], "--drain-timeout"),
        (["--host-id", "a.b"], "'a.b' is not 1 to 64 letters"),
        (["--host-id", ""], "--host-id"),
        (["--pod-uid", "a>"], "--pod-uid"),
        (["--friendly-name", "Foo"], "'Foo' is not a Kubernetes object name"),
        (["--friendly-name", "-a"], "--friendly-name"),
        (["--host-label", "gpu"], "'gpu' is not of the form key=value"),
        (["--host-label", "zone=a=b"], "'a=b' can't be the value of a label"),
        (["--host-label", "=x"], "'' can't be the key of a label"),
        (["--host-label", "/a=x"], "'/a' can't be the key of a label"),
        (["--host-label", "Bad_/a=x"], "'Bad_'"),
        (["--host-group", "a b"], "'a b' can't be the value of a label"),
        (["--environment", "Team A"], '"Team A" is no name of a namespace'),
        (["--scheduler-nats-url", "http://127.0.0.1"], "nats://host:4222"),
        (["--scheduler-nats-url", "nats://127.0.0.1:99999"], "--scheduler-nats-url"),
        (["--scheduler-nats-tls-ca", "/nowhere/ca"], "/nowhere/ca is no file that can be read"),
        (["--scheduler-nats-tls-key", __file__], "is of use with --scheduler-nats-tls-cert only"),
        (["--scheduler-nats-creds", "/nowhere/creds"], "--scheduler-nats-creds: /nowhere/creds can't be read"),
        (["--scheduler-nats-creds", __file__], f"{__file__} is no NATS credentials file"),
        (["--oci-ca-path", "/nowhere/ca"], "/nowhere/ca"),
        (["--http-client-ca-path", "/nowhere/ca"], "/nowhere/ca"),
        (
            ["--tls-cert-path", "/nowhere/crt", "--tls-key-path", __file__],
            "/nowhere/crt is no file that can be read",
        ),
        (["--tls-cert-path", __file__, "--tls-key-path", "/nowhere/key"], "/nowhere/key"),
        (["--tls-ca-path", "/nowhere/ca"], "/nowhere/ca"),
        (["--tls-cert-path", __file__], "--tls-cert-path and --tls-key-path go together"),
        (["--tls-key-path", __file__], "--tls-cert-path and --tls-key-path go together"),
        (["--tls-ca-path", __file__], "--tls-ca-path needs --tls-cert-path and --tls-key-path"),
        (["--allow-file-images", "/nowhere"], "/nowhere is not a directory"),
        (["--max-workloads", "0"], "--max-workloads: must be greater"),
        (["--max-connections", "many"], "--max-connections"),
        (["--log-format", "xml"], "--log-format"),
        (["--host-group", ""], "--host-group"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(flags: list[str], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(flags)
    sentence = str(refused.value)
    assert says in sentence
    assert "\n" not in sentence


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASMCLOUD_HOST_REQUEST_TIMEOUT", "soon")
    with pytest.raises(SettingsError, match=r'^WASMCLOUD_HOST_REQUEST_TIMEOUT: "soon"'):
        read_settings([])


def test_a_beginners_error_is_no_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "wasmcloud_host", "--nonsense"], capture_output=True, text=True, check=False, timeout=30
    )
    assert ended.returncode == 2
    assert ended.stderr == "wasmcloud-host: unknown: --nonsense; see --help\n"


def test_help_names_every_flag_and_what_it_is_for() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "wasmcloud_host", "--help"], capture_output=True, text=True, check=True, timeout=30
    )
    for name, field in Settings.model_fields.items():
        assert "--" + name.replace("_", "-") in ended.stdout
        assert field.description, name
