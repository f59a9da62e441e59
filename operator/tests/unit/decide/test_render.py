"""Objects and messages made from others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import deployment, replica_set, workload
from wasmcloud_api.crds import WorkloadTemplate
from wasmcloud_api.names import WORKLOAD_FINALIZER, HostId
from wasmcloud_api.wire import ImagePullPolicy, encode
from wasmcloud_operator.decide.references import Credentials
from wasmcloud_operator.decide.render import (
    Resolved,
    effective_template,
    new_replica_set,
    new_workload,
    replica_set_name,
    start_request,
)
from wasmcloud_operator.model.keys import Kind
from wasmcloud_operator.model.template import NAME_LENGTH, child_name, template_digest
from wasmcloud_operator.model.views import parse


def template(**spec: Any) -> WorkloadTemplate:
    return WorkloadTemplate.model_validate({"spec": {"components": [{"name": "app", "image": "a:1"}], **spec}})


def test_templates_that_mean_the_same_have_one_digest() -> None:
    spelled_out = WorkloadTemplate.model_validate(
        {
            "annotations": {},
            "labels": None,
            "spec": {
                "hostInterfaces": [],
                "environment": "",
                "components": [{"image": "a:1", "poolSize": 0, "name": "app", "localResources": {"allowedHosts": []}}],
            },
        }
    )
    assert template_digest(spelled_out) == template_digest(template())
    assert template_digest(template(environment="x")) != template_digest(template())


def test_names_follow_from_template_configuration_and_attempt() -> None:
    names = {
        replica_set_name("web", template(), None, 0),
        replica_set_name("web", template(), "abc", 0),
        replica_set_name("web", template(), None, 1),
        replica_set_name("web", template(environment="x"), None, 0),
    }
    assert len(names) == 4
    assert all(name.startswith("web-") for name in names)


@given(owner=st.text("abc-", min_size=1, max_size=300), suffix=st.text("0123456789abcdef", min_size=1, max_size=10))
def test_a_child_s_name_is_never_too_long(owner: str, suffix: str) -> None:
    name = child_name(owner, suffix)
    assert len(name) <= NAME_LENGTH
    assert name.endswith(f"-{suffix}")


def test_long_owners_that_differ_at_the_end_have_different_children() -> None:
    assert child_name("a" * 260 + "x", "1") != child_name("a" * 260 + "y", "1")


def test_a_replica_set_belongs_to_its_deployment_and_parses_to_the_same_template() -> None:
    view = deployment(kubernetes={"service": {"name": "web-svc"}})
    wanted = effective_template(view, {})
    body = new_replica_set(view, wanted, name="web-1", replicas=2, revision=3, config="abc")
    parsed = parse(Kind.REPLICA_SET, body)
    assert parsed.template_digest == template_digest(wanted)  # type: ignore[union-attr]
    assert parsed.spec.template.spec.kubernetes.service.name == "web-svc"  # type: ignore[union-attr]
    assert (parsed.meta.owner.uid, parsed.revision, parsed.config_digest) == ("uid-web", 3, "abc")  # type: ignore[union-attr]


def test_artifacts_become_images() -> None:
    view = deployment(
        template={
            "spec": {"components": [{"name": "a", "image": "artifact://app"}], "service": {"image": "artifact://app"}}
        }
    )
    spec = effective_template(view, {"app": "r/app@sha256:1"}).spec
    assert (spec.components[0].image, spec.service and spec.service.image) == ("r/app@sha256:1", "r/app@sha256:1")


def test_a_workload_is_placed_and_protected_from_its_creation() -> None:
    body = new_workload(replica_set("set"), "set-1", HostId("h1"))
    view = parse(Kind.WORKLOAD, body)
    assert view.host_id == "h1"  # type: ignore[union-attr]
    assert view.meta.finalizers == (WORKLOAD_FINALIZER,)
    assert view.group == replica_set("set").meta.uid  # type: ignore[union-attr]
    assert parse(Kind.WORKLOAD, new_workload(replica_set("set"), "set-1", None)).host_id is None  # type: ignore[union-attr]


def test_layers_of_settings_the_last_one_wins() -> None:
    layer = {
        "config": {"A": "inline", "B": "inline", "C": "inline"},
        "configFrom": [{"name": "one"}, {"name": "two"}],
        "secretFrom": [{"name": "s"}],
    }
    view = workload(components=[{"name": "a", "image": "i:1", "localResources": {"environment": layer}}])
    resolved = Resolved(
        config_maps={"one": {"B": "one", "C": "one"}, "two": {"C": "two"}}, secrets={"s": {"D": "secret"}}
    )
    environment = start_request(view, resolved).workload.wit_world.components[0].local_resources.environment
    assert environment == {"A": "inline", "B": "inline", "C": "two", "D": "secret"} | {"B": "one"}


@pytest.mark.parametrize("interface", ["incoming-handler", "handler"])
def test_a_workload_with_a_service_answers_to_its_names(interface: str) -> None:
    view = workload(
        kubernetes={"service": {"name": "web"}},
        hostInterfaces=[
            {
                "namespace": "wasi",
                "package": "http",
                "interfaces": [interface],
                "config": {"host-aliases": "a.example"},
            },
            {"namespace": "wasi", "package": "keyvalue", "interfaces": ["store"]},
        ],
    )
    http, keyvalue = start_request(view, Resolved()).workload.wit_world.host_interfaces
    assert http.config["host-aliases"] == "a.example,web.shop,web.shop.svc,web.shop.svc.cluster.local"
    assert keyvalue.config == {}


def test_the_request_carries_everything_of_the_spec_and_no_mark_of_ours() -> None:
    view = workload(
        meta={"annotations": {"wasmcloud.dev/placed-on": "h1", "mine": "yes"}},
        components=[
            {
                "name": "a",
                "image": "artifact://app",
                "imagePullPolicy": "Never",
                "imagePullSecret": {"name": "login"},
                "poolSize": 2,
                "maxInvocations": 3,
                "maxConcurrency": 4,
                "localResources": {
                    "memoryLimitMb": 64,
                    "cpuLimit": 50,
                    "config": {"k": "v"},
                    "allowedHosts": ["a.example"],
                    "allowedIpNameLookups": ["*"],
                    "allowedHostLoopbackPorts": ["80"],
                    "volumeMounts": [{"name": "d", "mountPath": "/d", "readOnly": True}],
                },
            }
        ],
        service={"image": "s:1", "maxRestarts": 5},
        volumes=[{"name": "d", "ephemeral": {}}, {"name": "p", "hostPath": {"path": "/srv"}}],
    )
    resolved = Resolved(
        artifacts={"app": "r/app@sha256:1"}, logins={("login", "r/app@sha256:1"): Credentials("me", "s3cr3t")}
    )
    request = start_request(view, resolved)
    sent = request.workload
    component = sent.wit_world.components[0]
    assert request.workload_id == "uid-w1"
    assert (sent.namespace, sent.name, sent.annotations) == ("shop", "w1", {"mine": "yes"})
    assert (component.image, component.image_pull_policy) == ("r/app@sha256:1", ImagePullPolicy.NEVER)
    assert (component.pool_size, component.max_invocations, component.max_concurrency) == (2, 3, 4)
    resources = component.local_resources
    assert (resources.memory_limit_mb, resources.cpu_limit, resources.config) == (64, 50, {"k": "v"})
    assert (resources.allowed_hosts, resources.allowed_ip_name_lookups) == (("a.example",), ("*",))
    assert (resources.allowed_host_loopback_ports, resources.volume_mounts[0].mount_path) == (("80",), "/d")
    assert sent.service is not None
    assert (sent.service.image, sent.service.max_restarts) == ("s:1", 5)
    assert (sent.volumes[0].empty_dir is not None, sent.volumes[1].host_path) != (False, None)
    assert "s3cr3t" not in repr(request)
    assert b'"password":"s3cr3t"' in encode(request)
