"""The values of docs/tenants.md that keep hosts out of tenants' reach."""

from __future__ import annotations

import pytest
import yaml
from chart.rendered import Rendered, container, render
from chart.value_cases import flag
from documents.commands import blocks
from specimens import host
from wasmcloud_api.crds import WorkloadSpec
from wasmcloud_operator.decide.demand import demand_of
from wasmcloud_operator.decide.schedule import Candidate, Rules, Scene, place

TENANTS = ("team-a", "team-b")


@pytest.fixture(scope="module")
def apart() -> Rendered:
    (example,) = [block.text for block in blocks("docs/tenants.md") if block.text.startswith("# hosts-apart.yaml")]
    return render(yaml.safe_load(example), namespace="platform")


def test_nothing_that_makes_a_host_is_where_workloads_are(apart: Rendered) -> None:
    operator = apart.one("Deployment", "wasmcloud-operator", "platform")
    assert flag(operator, "watch-namespaces") == [",".join(TENANTS)]
    in_tenants = {one["kind"] for one in apart.objects if one["metadata"].get("namespace") in TENANTS}
    assert in_tenants == {"Role", "RoleBinding"}
    # Nor is what is there given to workloads: the operator hands them Secrets of the namespaces where it may read any.
    readable = {
        one["metadata"]["namespace"]
        for one in apart.objects
        if one["kind"] == "Role" and any("secrets" in rule["resources"] for rule in one["rules"])
    }
    assert readable == set(TENANTS)
    for tenant in TENANTS:
        hosts = apart.one("Deployment", "wasmcloud-host-hosts", f"{tenant}-hosts")
        volumes = hosts["spec"]["template"]["spec"]["volumes"]
        secrets = [volume["secret"]["secretName"] for volume in volumes if "secret" in volume]
        assert sorted(secrets) == [f"wasmcloud-data-tls-{tenant}", "wasmcloud-runtime-tls"]
        for secret in secrets:
            assert apart.one("Secret", secret, f"{tenant}-hosts")


@pytest.mark.parametrize("named", [False, True])
def test_a_tenants_workloads_run_on_the_hosts_of_its_name_alone(apart: Rendered, named: bool) -> None:
    operator = apart.one("Deployment", "wasmcloud-operator", "platform")
    rules = Rules(allow_shared_hosts="--no-allow-shared-hosts" not in container(operator)["args"])
    deployments = [apart.one("Deployment", "wasmcloud-host-hosts", f"{tenant}-hosts") for tenant in TENANTS]
    (first, second) = (flag(deployment, "environment")[0] for deployment in deployments)
    scene = Scene([Candidate(host(f"of-{each}", environment=each)) for each in (first, second)], rules=rules)
    for tenant in TENANTS:
        spec = WorkloadSpec.model_validate({"environment": tenant} if named else {})
        assert place(demand_of(tenant, spec, ()), scene) == f"of-{tenant}"
