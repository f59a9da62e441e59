"""NetworkPolicies: every pod has one, and it lets the pod reach what it needs."""

from __future__ import annotations

import pytest
from chart.matrix import MATRIX
from chart.rendered import JsonObject, Rendered, merged, render

HOOKS = [("wasmcloud-cleanup", "Job"), ("wasmcloud-test", "Pod")]


def pod_labels(found: JsonObject) -> dict[str, str] | None:
    """The labels of the pod that an object is or makes; None for one that makes none."""
    if found["kind"] == "Pod":
        labels: dict[str, str] = found["metadata"]["labels"]
        return labels
    template = found.get("spec", {}).get("template")
    return template["metadata"]["labels"] if template else None


def policies_of(objects: Rendered, found: JsonObject) -> list[JsonObject]:
    """The NetworkPolicies that select an object's pod and are there as long as it is."""
    namespace, labels = found["metadata"]["namespace"], pod_labels(found) or {}
    return [
        o
        for o in objects.objects
        if o["kind"] == "NetworkPolicy"
        and o["metadata"]["namespace"] == namespace
        and o["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        and hook(o).get("helm.sh/hook") == hook(found).get("helm.sh/hook")
    ]


def hook(found: JsonObject) -> dict[str, str]:
    annotations: dict[str, str] = found["metadata"].get("annotations", {})
    return {key: value for key, value in annotations.items() if key.startswith("helm.sh/")}


def ports(rule: JsonObject) -> set[tuple[str, int]]:
    return {(port["protocol"], port["port"]) for port in rule["ports"]}


@pytest.mark.parametrize("name", MATRIX)
def test_every_pod_has_a_policy_for_both_directions(name: str) -> None:
    objects = render(merged(MATRIX[name], {"networkPolicy": {"enabled": True}}))
    pods = [found for found in objects.objects if pod_labels(found) is not None]
    assert pods
    for found in pods:
        where = f"{found['kind']} {found['metadata']['name']}"
        (policy,) = policies_of(objects, found) or [None]
        assert policy is not None, f"{where} has no NetworkPolicy"
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"], where


@pytest.mark.parametrize(("name", "kind"), HOOKS)
def test_a_hooks_policy_is_made_before_its_pod_and_goes_with_it(name: str, kind: str) -> None:
    """Protects: Helm has deleted the release's own policies when it runs what comes after `helm uninstall`."""
    objects = render()
    policy, found = hook(objects.one("NetworkPolicy", name)), hook(objects.one(kind, name))
    assert int(policy.pop("helm.sh/hook-weight")) < int(found.pop("helm.sh/hook-weight"))
    assert policy == found


@pytest.mark.parametrize(("name", "kind"), HOOKS)
def test_a_hook_reaches_names_and_the_kubernetes_api_and_is_reached_by_nobody(name: str, kind: str) -> None:
    values = {"dnsPorts": [5353], "operator": {"apiPorts": [8443]}}
    spec = render({"networkPolicy": values}).one("NetworkPolicy", name)["spec"]
    names, api = spec["egress"][:2]
    assert (set(names), ports(names)) == ({"ports"}, {("UDP", 5353), ("TCP", 5353)})
    assert (set(api), ports(api)) == ({"ports"}, {("TCP", 8443)})
    assert "ingress" not in spec


def test_helm_test_reaches_the_hosts_that_it_asks() -> None:
    groups = [{"name": "tested", "namespace": "team-a", "http": {"port": 8000}}, {"name": "other"}]
    objects = render({"runtime": {"hostGroups": groups}})
    *_, hosts = objects.one("NetworkPolicy", "wasmcloud-test", "team-a")["spec"]["egress"]
    asked = objects.one("Deployment", "wasmcloud-host-tested", "team-a")
    (peer,) = hosts["to"]
    assert peer == {"podSelector": {"matchLabels": asked["spec"]["selector"]["matchLabels"]}}
    assert ports(hosts) == {("TCP", 8000)}


def test_hosts_reach_pods_also_where_a_block_of_addresses_has_none_in_it() -> None:
    """Cilium's has not; without this no registry or database inside the cluster is reached."""
    *_, anywhere = render().one("NetworkPolicy", "wasmcloud-host-default")["spec"]["egress"]
    assert {"namespaceSelector": {}} in anywhere["to"]
    (v4,) = [peer["ipBlock"] for peer in anywhere["to"] if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"]
    assert "169.254.0.0/16" in v4["except"]
    assert "ports" not in anywhere
