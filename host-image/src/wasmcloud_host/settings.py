"""What the host is told: flags, then `WASMCLOUD_HOST_*` variables. The only reader of either.

Fields carry the flags' names (`--request-timeout` is `request_timeout`), so their durations lack the usual `_s`:
all are seconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from socket import has_dualstack_ipv6
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, CliApp, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as ArgumentsError
from wasmcloud_api.flags import CredentialsFile, Duration, NatsUrls, ReadableFile, between_commas, namespace_name
from wasmcloud_api.logs import LogFormat

VARIABLE_PREFIX: Final = "WASMCLOUD_HOST_"


class SettingsError(Exception):
    """A flag or variable that cannot be used, in one sentence."""


def _label_value(value: str) -> str:
    if not re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?", value):
        msg = f"{value!r} can't be the value of a label: up to 63 letters, digits, -, _ and . inside"
        raise ValueError(msg)
    return value


def _label_key(value: str) -> str:
    prefix, slash, name = value.rpartition("/")
    if not name or (slash and not prefix):
        msg = f"{value!r} can't be the key of a label: [prefix/]name"
        raise ValueError(msg)
    if prefix:
        _object_name(prefix)
    return _label_value(name) and value


def _pairs(value: object) -> object:
    parts = between_commas(value)
    if not isinstance(parts, list):
        return parts
    if bad := [part for part in parts if "=" not in part]:
        msg = f"{bad[0]!r} is not of the form key=value"
        raise ValueError(msg)
    return dict(part.split("=", 1) for part in parts)


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) <= 65535):
        msg = f"{value!r} is not of the form address:port, such as 127.0.0.1:8000 or :8000"
        raise ValueError(msg)
    return f"{host or _all_interfaces()}:{port}"


def _all_interfaces() -> str:
    """IPv4 and IPv6, as a socket of IPv6 takes both; where the machine has IPv4 alone, that."""
    return "[::]" if has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - who leaves the address out means this


def _quantity(value: object) -> object:
    """Kubernetes writes 2Gi for what is 2GiB elsewhere."""
    return f"{value}B" if isinstance(value, str) and value.endswith("i") else value


def _token(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        msg = f"{value!r} is not 1 to 64 letters, digits, - and _ (it becomes a part of NATS subjects)"
        raise ValueError(msg)
    return value


def _object_name(value: str) -> str:
    label = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    if len(value) > 253 or not re.fullmatch(rf"{label}(\.{label})*", value):
        msg = f"{value!r} is not a Kubernetes object name: lower-case letters, digits, - and . inside"
        raise ValueError(msg)
    return value


def _environment(value: str) -> str:
    return value and namespace_name(value)


def _directory(path: Path) -> Path:
    if not path.is_dir():
        msg = f"{path} is not a directory"
        raise ValueError(msg)
    return path.resolve()


Address = Annotated[str, AfterValidator(_address)]
LabelKey = Annotated[str, AfterValidator(_label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Token = Annotated[str, AfterValidator(_token)]
Seconds = Annotated[Duration, Field(gt=0, le=86400)]
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(between_commas)]


class Settings(BaseSettings):
    """Runs WebAssembly workloads that a wasmCloud operator places here."""

    model_config = SettingsConfigDict(
        env_prefix=VARIABLE_PREFIX,
        frozen=True,
        use_attribute_docstrings=True,
        cli_prog_name="wasmcloud-host",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_show_env_vars=True,
        cli_exit_on_error=False,
    )

    host_group: Annotated[LabelValue, Field(min_length=1)] = "default"
    """The group this host belongs to: its label `hostgroup`."""

    host_id: Token | None = None
    """The host's id on NATS. Default: the pod's uid, else an id that is kept in the cache directory."""

    pod_uid: Token | None = None
    """In a pod: its metadata.uid, by the downward API."""

    friendly_name: Annotated[str, AfterValidator(_object_name)] | None = None
    """The name of the Host object, lower case as Kubernetes wants it. Default: from the machine's name."""

    host_name: str | None = Field(None, min_length=1)
    """The address at which others reach this host. Default: the machine's name."""

    host_label: Annotated[dict[LabelKey, LabelValue], NoDecode, BeforeValidator(_pairs)] = Field(default_factory=dict)
    """A label `key=value` of the Host object, to be matched by hostSelector; may be repeated."""

    environment: Annotated[str, AfterValidator(_environment)] = ""
    """The tenant whose workloads this host serves. Default: none, then it serves workloads that name none."""

    scheduler_nats_url: NatsUrls = SecretStr("nats://127.0.0.1:4222")
    """NATS server of the operator; several are separated by commas. Default: nats://127.0.0.1:4222."""

    scheduler_nats_creds: CredentialsFile | None = None
    """NATS credentials file (a user's JWT and seed), read anew for each connection."""

    scheduler_nats_tls_ca: ReadableFile | None = None
    """PEM file of the CAs that may have signed the NATS server's certificate."""

    scheduler_nats_tls_cert: ReadableFile | None = None
    """PEM file of this host's certificate for NATS."""

    scheduler_nats_tls_key: ReadableFile | None = None
    """PEM file of that certificate's key. Default: the key is in the certificate's file."""

    scheduler_nats_tls_first: bool = False
    """Start TLS before the NATS server says anything."""

    data_nats_url: NatsUrls | None = None
    """NATS server of the workloads' data, with JetStream; several are separated by commas. Default: none."""

    data_nats_creds: CredentialsFile | None = None
    """NATS credentials file for it, read anew for each connection."""

    data_nats_tls_ca: ReadableFile | None = None
    """PEM file of the CAs that may have signed its certificate."""

    data_nats_tls_cert: ReadableFile | None = None
    """PEM file of this host's certificate for it."""

    data_nats_tls_key: ReadableFile | None = None
    """PEM file of that certificate's key. Default: the key is in the certificate's file."""

    data_nats_tls_first: bool = False
    """Start TLS before that server says anything."""

    heartbeat_interval: Seconds = 15.0
    """Seconds between heartbeats."""

    http_addr: Address = "127.0.0.1:8000"
    """Address of the one HTTP listener for all workloads: `:8000` is that port of all interfaces; port 0 takes a free
    one. On loopback nobody but this machine reaches it, and no Service leads to it."""

    tls_cert_path: ReadableFile | None = None
    """PEM file of the listener's certificate: the listener speaks HTTPS then. A renewed file is read within seconds."""

    tls_key_path: ReadableFile | None = None
    """PEM file of that certificate's key."""

    tls_ca_path: ReadableFile | None = None
    """PEM file of the CAs that sign clients' certificates: clients must have one then."""

    http_client_ca_path: ReadableFile | None = None
    """PEM file of further CAs for the workloads' outgoing HTTPS."""

    oci_cache_dir: Path = Field(default_factory=lambda: cache_home() / "wasmcloud" / "host")
    """Directory for pulled and compiled components."""

    oci_cache_size: Annotated[ByteSize, BeforeValidator(_quantity), Field(gt=0)] = ByteSize(10 * 2**30)
    """Room for them there, in bytes or as in 2Gi: the oldest are deleted before it is full."""

    oci_ca_path: ReadableFile | None = None
    """PEM file of further CAs for registries."""

    allow_insecure_registry: Texts = ()
    """A registry `host[:port]` that is spoken to in plain HTTP; may be repeated."""

    registry_pull_timeout: Seconds = 30.0
    """Seconds after which a pull fails."""

    allow_file_images: Annotated[
        tuple[Annotated[Path, AfterValidator(_directory)], ...], NoDecode, BeforeValidator(between_commas)
    ] = ()
    """A directory whose files may be named as images, `file://name.wasm`; may be repeated. Default: none."""

    allowed_hosts: Texts = ()
    """Where workloads that bring no allowedHosts may send requests to; may be repeated. Default: nowhere."""

    deny_special_ranges: bool = True
    """Workloads never reach link-local and other special addresses, whatever their rules say. 127.0.0.1 and ::1 are
    each workload's own in any case."""

    allow_host_loopback: bool = False
    """Workloads may reach the ports of this machine's loopback that their allowedHostLoopbackPorts name, at
    host.wasmcloud.internal."""

    wasi_webgpu: bool = False
    """Offer this machine's GPU to workloads that ask for wasi:webgpu in their hostInterfaces."""

    deny_private_ranges: bool = False
    """Workloads never reach private addresses (RFC 1918, 100.64/10, ULA), whatever their rules say."""

    max_workloads: int | None = Field(None, ge=1)
    """Workloads that this host takes at most."""

    max_connections: int = Field(10_000, ge=1)
    """Client connections open at once."""

    request_timeout: Seconds = 60.0
    """Seconds after which a request ends with 504."""

    drain_timeout: Annotated[Duration, Field(ge=0, le=86400)] = 30.0
    """Seconds that a host which was told to end waits for its workloads to be moved."""

    web_addr: Address | None = None
    """Address of /healthz, /readyz and /metrics. Default: not served."""

    log_format: LogFormat = "text"
    """Log lines for people (text) or for machines (json)."""

    @model_validator(mode="after")
    def _flags_go_together(self) -> Self:
        if self.scheduler_nats_tls_key is not None and self.scheduler_nats_tls_cert is None:
            raise ValueError("--scheduler-nats-tls-key is of use with --scheduler-nats-tls-cert only")
        if self.data_nats_tls_key is not None and self.data_nats_tls_cert is None:
            raise ValueError("--data-nats-tls-key is of use with --data-nats-tls-cert only")
        if self.data_nats_url is None and (flag := self._flag_of_data_nats()):
            raise ValueError(f"{flag} is of use with --data-nats-url only")
        if (self.tls_cert_path is None) != (self.tls_key_path is None):
            raise ValueError("--tls-cert-path and --tls-key-path go together")
        if self.tls_ca_path is not None and self.tls_cert_path is None:
            raise ValueError("--tls-ca-path needs --tls-cert-path and --tls-key-path")
        return self

    def _flag_of_data_nats(self) -> str | None:
        """Return the first of the flags for the workloads' NATS that was given."""
        given = {
            "creds": self.data_nats_creds,
            "tls-ca": self.data_nats_tls_ca,
            "tls-cert": self.data_nats_tls_cert,
            "tls-first": self.data_nats_tls_first or None,
        }
        return next((f"--data-nats-{name}" for name, value in given.items() if value is not None), None)


def cache_home() -> Path:
    """Where this user's caches are, by the XDG base directory rules."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def read_settings(arguments: Sequence[str]) -> Settings:
    """Return the settings out of flags and environment.

    Raises SettingsError with one sentence that names the flag. `--help` prints and exits.
    """
    try:
        return CliApp.run(Settings, cli_args=list(arguments))
    except ArgumentsError as error:
        raise SettingsError(_sentence_of(str(error).removeprefix("error parsing CLI: "))) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f"{_origin_of(str(first['loc'][0]), arguments)}: " if first["loc"] else ""
        reason = first["msg"].removeprefix("Value error, ").replace("Input should", "must")
        raise SettingsError(where + reason) from error


def _origin_of(name: str, arguments: Sequence[str]) -> str:
    """Return the flag of a field, or its variable where that is what was given."""
    flag, variable = "--" + name.replace("_", "-"), f"{VARIABLE_PREFIX}{name.upper()}"
    is_flag_given = any(argument.partition("=")[0] == flag for argument in arguments)
    return variable if variable in os.environ and not is_flag_given else flag


def _sentence_of(text: str) -> str:
    if match := re.fullmatch(r"unrecognized arguments: (.*)", text):
        return f"unknown: {match[1]}; see --help"
    return text.removeprefix("argument ")
