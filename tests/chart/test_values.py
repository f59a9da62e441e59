"""Every value of the chart does what its comment says; what isn't a value is refused."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from chart.nats_cases import NATS
from chart.policy_cases import POLICIES
from chart.rendered import merged, nested, render
from chart.runtime_cases import RUNTIME
from chart.value_cases import GLOBAL, OPERATOR, Case
from ground.helm import CHART, HelmError, helm

WITHOUT_CRDS = {"crds": {"enabled": False}}  # half the time of a call of helm
CASES = [*GLOBAL, *POLICIES, *OPERATOR, *NATS, *RUNTIME]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_a_value_shows_its_effect(case: Case) -> None:
    given = merged(WITHOUT_CRDS, case.given)
    values = merged(given, nested(case.path, case.value))

    assert case.see(render(values)) == case.expected
    # Without it something else is seen, or there is nothing to look at: the value makes the difference.
    try:
        without = case.see(render(given))
    except (AssertionError, KeyError, IndexError, TypeError, HelmError):
        return
    assert without != case.expected


def test_every_value_has_a_case() -> None:
    documented = set(documented_paths())
    assert {case.path for case in CASES} == documented


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(CHART / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_lint_is_strict_and_quiet() -> None:
    helm("lint", "--strict", str(CHART))


def documented_paths() -> Iterator[str]:
    spec = importlib.util.spec_from_file_location("generate", CHART / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    for value in module.documented_values((CHART / "values.yaml").read_text()):
        yield value.path


def maps_of(values: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(values, dict):
        yield path
        for key, value in values.items():
            yield from maps_of(value, (*path, key))


# Maps whose keys are the user's or Kubernetes' own.
FREE = {
    "podLabels", "podAnnotations", "annotations", "labels", "nodeSelector", "affinity", "hostLabels", "behavior",
    "podSecurityContext", "securityContext", "requests", "limits",
}  # fmt: skip


def test_a_typo_is_an_error_in_every_map() -> None:
    """The schema is asked, once for each map of values.yaml, by one helm call a map that holds a misspelt name."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    closed = [path for path in maps_of(yaml.safe_load((CHART / "values.yaml").read_text())) if not FREE & set(path)]
    for path in closed:
        assert resolve(schema, path)["additionalProperties"] is False, path
    assert len(closed) > 40


def resolve(schema: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    node = schema
    for key in path:
        node = node["properties"][key]
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return node


def test_names_of_wasmcloud_v2_mean_the_same() -> None:
    names = {"allowHostLoopback": True, "denySpecialRanges": False, "denyPrivateRanges": True}
    theirs = {"gateway": {"enabled": False}, "runtime": {"hostGroups": [{"name": "a", "networking": names}]}}
    here = {"runtime": {"hostGroups": [{"name": "a", **names}]}}
    hosts = [render(values).one("Deployment", "wasmcloud-host-a") for values in (theirs, here)]
    assert (
        hosts[0]
        == hosts[1]
        != render({"runtime": {"hostGroups": [{"name": "a"}]}}).one("Deployment", "wasmcloud-host-a")
    )


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"gateway": {"enabled": True}}, "value must be false"),
        ({"oprator": {}}, "additional properties 'oprator' not allowed"),
        ({"runtime": {"hostGroups": [{"name": "a", "replica": 1}]}}, "additional properties 'replica' not allowed"),
        ({"runtime": {"hostGroups": [{"replicas": 1}]}}, "missing property 'name'"),
        ({"runtime": {"hostGroups": [{"name": "Not-A-Name"}]}}, "does not match pattern"),
        ({"runtime": {"hostGroups": [{"name": "sixteen-is-a-lot"}]}}, "does not match pattern"),
        ({"runtime": {"kind": "StatefulSet"}}, "value must be one of 'Deployment', 'DaemonSet'"),
        ({"runtime": {"extraArgs": ["drain-timeout=3"]}}, "does not match pattern"),
        ({"nats": {"replicas": 2}}, "value must be one of 1, 3"),
        ({"global": {"nats": {"schedulerUrl": "http://a"}}}, "does not match pattern"),
        ({"operator": {"watchNamespaces": ["Team"]}}, "does not match pattern"),
        ({"operator": {"image": {"pullPolicy": "Always"}}}, "additional properties 'pullPolicy' not allowed"),
        ({"nats": {"enabled": False}}, "name your NATS in global.nats.schedulerUrl"),
        (
            {"nats": {"enabled": False}, "global": {"nats": {"schedulerUrl": "nats://a:4222"}}},
            "nobody would trust certificates made here",
        ),
        (
            {"runtime": {"hostGroups": [{"name": "a"}, {"name": "a"}]}},
            'two groups are called "a" in namespace "default"',
        ),
        ({"runtime": {"terminationGracePeriodSeconds": 39}}, "drainDelaySeconds and drainTimeoutSeconds need 40"),
        (
            {
                "global": {"certificates": {"certManager": {"enabled": True}}},
                "runtime": {"hostGroups": [{"name": "a", "namespace": "team-a"}]},
            },
            "cert-manager needs global.certificates.issuerRef of kind ClusterIssuer",
        ),
        (
            {"global": {"tls": {"enabled": False}}, "runtime": {"http": {"tls": {"enabled": True}}}},
            "name one in http.tls.certificate.secretName",
        ),
        ({"global": {"certificates": {"validityDays": 90}}}, "renewed each time; lower renewBeforeDays"),
        ({"runtime": {"ingress": {"enabled": True}}}, "name in ingress.hosts what is routed to it"),
        ({"global": {"certificates": {"dataCertSecretName": ""}}}, "NATS knows hosts by a certificate only"),
        ({"global": {"nats": {"dataUrl": "http://a"}}}, "does not match pattern"),
        ({"nats": {"maxBuckets": 0}}, "minimum: got 0, want 1"),
        ({"nameOverride": "My_App"}, "does not match pattern"),
        ({"fullnameOverride": "1app"}, "does not match pattern"),
        ({"global": {"nameOverride": "my.app", "fullnameOverride": "My_App"}}, "at '/global/nameOverride'"),
        ({"global": {"fullnameOverride": "-app"}}, "at '/global/fullnameOverride'"),
        ({"operator": {"clusterWide": True, "watchNamespaces": ["team-a"]}}, "set one of the two"),
        ({"runtime": {"kind": "DaemonSet", "autoscaling": {"enabled": True}}}, "set autoscaling.enabled to false"),
        ({"runtime": {"autoscaling": {"enabled": True, "minReplicas": 11}}}, "which is 10: raise maxReplicas"),
        ({"runtime": {"http": {"port": 8081}}}, "where a host has its health and metrics: take another"),
        ({"runtime": {"httpRoute": {"enabled": True}}}, "name the Gateway in httpRoute.parentRefs"),
        (
            {"runtime": {"http": {"enabled": False}, "ingress": {"enabled": True, "hosts": ["a.example.com"]}}},
            "there is no Service to route to",
        ),
        (
            {"runtime": {"http": {"enabled": False}, "httpRoute": {"enabled": True, "parentRefs": [{"name": "a"}]}}},
            "there is no Service to route to",
        ),
        (
            {"serviceMonitor": {"enabled": True}, "runtime": {"hostGroups": [{"name": "a-metrics"}, {"name": "a"}]}},
            "give one another name",
        ),
    ],
)
def test_values_that_cannot_be_are_refused_in_words(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(HelmError) as refused:
        render(values)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "values",
    [
        {"runtime": {"http": {"enabled": False, "port": 8081}}},
        {"runtime": {"hostGroups": [{"name": "a-metrics"}, {"name": "a"}]}},
        {
            "serviceMonitor": {"enabled": True},
            "runtime": {"hostGroups": [{"name": "a-metrics", "namespace": "team-a"}, {"name": "a"}]},
        },
        {"runtime": {"kind": "DaemonSet", "autoscaling": {"minReplicas": 11}}},
    ],
)
def test_what_collides_with_nothing_is_taken(values: dict[str, Any]) -> None:
    assert render(merged(WITHOUT_CRDS, values)).objects


@pytest.mark.parametrize("release", ["my.app", "1app"])
def test_a_release_whose_name_no_service_may_have_needs_another_for_objects(release: str) -> None:
    with pytest.raises(HelmError, match="choose another name for the release, or one for objects in fullnameOverride"):
        render(WITHOUT_CRDS, release=release)
    named = render(merged(WITHOUT_CRDS, {"fullnameOverride": "my-app"}), release=release)
    assert named.names("StatefulSet") == ["default/my-app-nats"]
