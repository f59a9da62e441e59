"""Values that YAML or `--set` makes numbers, booleans or nulls of, where Kubernetes wants strings or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from chart.judge import assert_taken
from chart.matrix import EVERYTHING
from chart.rendered import JsonObject, container, merged, nested, render
from chart.value_cases import flag, pod
from ground.control_plane import ControlPlane
from ground.helm import CHART, HelmError, helm

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# What YAML reads otherwise than as a string: numbers, a boolean, nothing.
NUMBER, OTHER, BOOLEAN, NULL = "123", "456", "on", "null"
SECRETS = ("ca", "natsCert", "operatorCert", "runtimeCert", "dataCert", "natsPasswords")
AS_TEXT = {"million": (1000000, "1000000"), "part": (1.5, "1.5"), "flag": (True, "true"), "text": ("on", "on")}


def string_maps(node: JsonObject, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths of all maps of strings in the schema; those of host groups as defaults of all groups."""
    reference = node.get("$ref", "").removeprefix("#/$defs/")
    if reference == "stringMap":
        yield ".".join(path)
    elif reference:
        yield from string_maps(SCHEMA["$defs"][reference], path)
    for key, below in node.get("properties", {}).items():
        yield from string_maps(below, (*path, key))


def entries(node: object) -> Iterator[tuple[str, object]]:
    """Every key of every map in a tree, with its value."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from entries(value)
    elif isinstance(node, list):
        for value in node:
            yield from entries(value)


def test_maps_of_strings_take_what_yaml_makes_of_them(judge: ControlPlane) -> None:
    paths = [path for path in string_maps(SCHEMA) if path != "runtime.hostLabels"]
    assert len(paths) > 10
    given = {f"{path}.{kind}": (path, value, text) for path in paths for kind, (value, text) in AS_TEXT.items()}
    values = [nested(path, {name: value}) for name, (path, value, _) in given.items()]
    objects = render(merged(EVERYTHING, *values))

    seen: dict[str, set[str]] = {}
    for name, value in (entry for one in objects.objects for entry in entries(one)):
        if name in given:
            seen.setdefault(name, set()).add(repr(value))
    assert seen == {name: {repr(text)} for name, (_, _, text) in given.items()}
    assert_taken(judge, objects)


def test_labels_of_hosts_are_what_was_written() -> None:
    given = {"hostLabels": {kind: value for kind, (value, _) in AS_TEXT.items()}}
    hosts = render({"runtime": given}).one("Deployment", "wasmcloud-host-default")
    assert sorted(flag(hosts, "host-label")) == sorted(f"{kind}={text}" for kind, (_, text) in AS_TEXT.items())


def test_set_makes_strings_where_strings_belong() -> None:
    flags = [r"operator.podAnnotations.sidecar\.istio\.io/inject=false", "runtime.nodeSelector.gpu=1000000"]
    text = helm("template", "wasmcloud", str(CHART), "--set", ",".join(flags))
    assert '{"sidecar.istio.io/inject":"false"}' in text
    assert '{"gpu":"1000000"}' in text


@pytest.mark.parametrize(
    ("path", "value", "tag"),
    [
        ("operator.image.tag", 2, "2"),
        ("nats.image.tag", 2.10, "2.1"),
        ("runtime.image.tag", 0, "0"),
        ("runtime.hostGroups", [{"name": "a", "image": {"tag": 1000000}}], "1000000"),
    ],
)
def test_a_tag_that_is_a_number_is_refused(path: str, value: object, tag: str) -> None:
    """It may have lost a digit already: 2.10 is 2.1 to YAML."""
    with pytest.raises(HelmError, match=rf"the tag {tag} is a number.*in quotes, or by --set-string"):
        render(nested(path, value))


NAMES: JsonObject = {
    "fullnameOverride": "wasmcloud",
    "nameOverride": BOOLEAN,
    "global": {
        "image": {"pullSecrets": [NUMBER, {"name": OTHER}]},
        "certificates": {f"{key}SecretName": str(number) for number, key in enumerate(SECRETS, start=123)},
    },
    "operator": {"hostNamespaces": [NUMBER], "serviceAccount": {"name": NUMBER}},
    "nats": {"serviceAccount": {"name": OTHER}, "persistence": {"storageClass": NUMBER}},
    "runtime": {
        "hostGroups": [{"name": BOOLEAN, "namespace": OTHER}, {"name": NULL}],
        "serviceAccount": {"name": BOOLEAN},
        "http": {"tls": {"certificate": {"secretName": NUMBER}}},
        "ingress": {"className": NUMBER},
        "ociCache": {"storageClass": NUMBER},
    },
}
WITH: dict[str, JsonObject] = {
    "certificates of its own": {"runtime": {"http": {"tls": {"certificate": {"secretName": ""}}}}},
    "certificates of an issuer": {
        "global": {"certificates": {"certManager": {"enabled": True}, "issuerRef": {"name": "i"}}}
    },
    "cert-manager's own issuer": {
        "global": {"certificates": {"certManager": {"enabled": True}}},
        "runtime": {"hostGroups": [{"name": NULL}]},
    },
    "passwords that are there": {"global": {"tls": {"enabled": False}}},
    "passwords": {"global": {"tls": {"enabled": False}, "certificates": {"natsPasswordsSecretName": ""}}},
    "cluster-wide": {"operator": {"clusterWide": True}},
}


@pytest.mark.parametrize("how", WITH)
def test_names_that_yaml_takes_for_something_else_stay_names(how: str, judge: ControlPlane) -> None:
    for namespace in (NUMBER, OTHER):
        if not judge.kubectl("get", "namespace", namespace, "--ignore-not-found", "--output", "name"):
            judge.kubectl("create", "namespace", namespace)
    objects = render(merged(EVERYTHING, NAMES, WITH[how]), release=NUMBER, namespace=NUMBER)
    assert f"{NUMBER}/wasmcloud-host-{NULL}" in objects.names("Deployment")
    assert_taken(judge, objects)


def test_a_priority_class_may_be_called_as_a_number() -> None:
    """Apart from the others: an API server takes no pod of a class that isn't there."""
    classes = {name: {"priorityClassName": NUMBER} for name in ("operator", "nats", "runtime")}
    workloads = [one for one in render(classes).objects if "template" in one.get("spec", {})]
    assert {pod(one)["priorityClassName"] for one in workloads} == {NUMBER}


def test_a_null_in_a_group_takes_a_default_away() -> None:
    """As it does in the values above groups, where Helm sees to it."""
    group = {
        "name": "a",
        "resources": {"limits": {"memory": None}},
        "podSecurityContext": {"runAsUser": None},
        "securityContext": {"capabilities": None},
    }
    hosts = render({"runtime": {"hostGroups": [group]}}).one("Deployment", "wasmcloud-host-a")
    assert container(hosts)["resources"] == {"requests": {"cpu": "250m", "memory": "128Mi"}, "limits": {}}
    assert "runAsUser" not in pod(hosts)["securityContext"]
    assert pod(hosts)["securityContext"]["runAsGroup"] == 65532
    assert "capabilities" not in container(hosts)["securityContext"]
