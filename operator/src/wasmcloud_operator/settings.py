"""What the operator is told: flags, then ``WASMCLOUD_OPERATOR_*`` variables. The only reader of either.

Fields carry the flags' names (``--probe-interval`` is ``probe_interval``), so their durations lack the usual ``_s``:
all are seconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, CliApp, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as ArgumentsError
from wasmcloud_api.flags import CredentialsFile, Duration, NatsUrls, ReadableFile, between_commas, namespace_name
from wasmcloud_api.logs import LogFormat

_PREFIX: Final = "WASMCLOUD_OPERATOR_"
_NAMESPACE_VARIABLE: Final = "OPERATOR_NAMESPACE"


class SettingsError(Exception):
    """A flag or variable that can't be used, in one sentence."""


def _registry(value: str) -> str:
    if not re.fullmatch(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?", value):
        raise ValueError(f'"{value}" is no registry such as registry.example or 127.0.0.1:5000')
    return value.lower()


def _address(value: str) -> str:
    match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^:\s]*):(\d{1,5})", value)
    if match is None or int(match[1]) > 65535:
        raise ValueError(f'"{value}" is not of the form address:port, such as 127.0.0.1:8080 or :8080')
    return value


Seconds = Annotated[Duration, Field(gt=0, le=3600)]
Delay = Annotated[Duration, Field(ge=0, le=3600)]
Percent = Annotated[int, Field(ge=1, le=100)]
NamespaceName = Annotated[str, AfterValidator(namespace_name)]
Namespaces = Annotated[tuple[NamespaceName, ...], NoDecode, BeforeValidator(between_commas)]
Registries = Annotated[tuple[Annotated[str, AfterValidator(_registry)], ...], NoDecode, BeforeValidator(between_commas)]
Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseSettings):
    """Places WebAssembly workloads on hosts and keeps them there."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        frozen=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
        cli_prog_name="wasmcloud-operator",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_show_env_vars=True,
        cli_exit_on_error=False,
    )

    operator_namespace: NamespaceName = Field(validation_alias=AliasChoices("operator_namespace", _NAMESPACE_VARIABLE))
    """Namespace of the operator, where all Host objects are."""

    watch_namespaces: Namespaces = ()
    """Namespaces whose workloads are run, separated by commas. Default: all, which needs a ClusterRole."""

    kubeconfig: ReadableFile | None = None
    """Kubeconfig file. Default: the pod's service account, else KUBECONFIG or ~/.kube/config."""

    nats_url: NatsUrls = SecretStr("nats://127.0.0.1:4222")
    """NATS server; several are separated by commas. Default: nats://127.0.0.1:4222."""

    nats_creds: CredentialsFile | None = None
    """NATS credentials file (a user's JWT and seed), read anew for each connection."""

    nats_ca: ReadableFile | None = None
    """PEM file of the CAs that may have signed the NATS server's certificate."""

    nats_client_cert: ReadableFile | None = None
    """PEM file of the operator's certificate for NATS."""

    nats_client_key: ReadableFile | None = None
    """PEM file of that certificate's key."""

    nats_tls_first: bool = False
    """Start TLS before the NATS server says anything."""

    allow_insecure_registry: Registries = ()
    """A registry `host[:port]` that is asked in plain HTTP; may be repeated."""

    oci_ca_path: ReadableFile | None = None
    """PEM file of further CAs for registries."""

    allow_shared_hosts: bool = True
    """Workloads without an environment run on any host. When false: on hosts of their own namespace only."""

    probe_interval: Seconds = 0.5
    """Seconds between two questions to a host whether it is there."""

    silent_host_timeout: Seconds = 10.0
    """Seconds after which a host that is connected but doesn't answer is lost."""

    route_delay: Delay = 4.0
    """Seconds between taking a host off a Service and stopping the workload there, for kube-proxy to follow: it takes
    what changed within a second together, and on a busy node it takes its time."""

    cpu_backpressure_threshold: Percent = 80
    """Processor use in percent above which a host takes no new workload while another fits."""

    memory_backpressure_threshold: Percent = 80
    """Memory use in percent above which a host takes no new workload while another fits."""

    leader_elect: bool = False
    """Act only while holding the Lease wasmcloud-operator in the operator's namespace: for more than one operator."""

    pod_name: str = Field("", validation_alias=AliasChoices("pod_name", "POD_NAME"))
    """Name under which the Lease is held. Default: the host's name and a random part."""

    metrics_addr: Address | None = None
    """Address of /metrics. Default: not served."""

    health_addr: Address | None = None
    """Address of /healthz and /readyz. Default: not served."""

    log_format: LogFormat = "text"
    """Log lines for people (text) or for machines (json)."""

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> Self:
        if (self.nats_client_cert is None) != (self.nats_client_key is None):
            raise ValueError("--nats-client-cert and --nats-client-key are of use together only")
        return self


def read_settings(arguments: Sequence[str]) -> Settings:
    """Return the settings out of flags and environment. ``--help`` prints and exits.

    Raises SettingsError with one sentence that names the flag or the variable.
    """
    try:
        return CliApp.run(Settings, cli_args=list(arguments))
    except ArgumentsError as error:
        raise SettingsError(_plain(str(error).removeprefix("error parsing CLI: "))) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f"{_origin(str(first['loc'][0]), arguments)}: " if first["loc"] else ""
        raise SettingsError(where + _reason(first["type"], first["msg"])) from None


def _reason(what: str, message: str) -> str:
    return (
        "must be given" if what == "missing" else message.removeprefix("Value error, ").replace("Input should", "must")
    )


def _origin(name: str, arguments: Sequence[str]) -> str:
    """Return the flag of a field, or the variable where that is what was given."""
    name = "operator_namespace" if name == _NAMESPACE_VARIABLE else name
    flag, variable = f"--{name.replace('_', '-')}", f"{_PREFIX}{name.upper()}"
    if any(argument.partition("=")[0] == flag for argument in arguments):
        return flag
    if name == "operator_namespace":
        return f"{flag} (or the variable {_NAMESPACE_VARIABLE})"
    return variable if variable in os.environ else flag


def _plain(text: str) -> str:
    match = re.fullmatch(r"unrecognized arguments: (.*)", text)
    return f"unknown: {match[1]}; see --help" if match else text.removeprefix("argument ")
