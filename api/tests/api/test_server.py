"""The generated CRDs on a real API server: it must refuse what our models refuse, and say so."""

from __future__ import annotations

import json

import pytest
from ground.control_plane import ControlPlane
from wasmcloud_api import egress, manifest

from .manifest_cases import BAD, Bad
from .manifests import FULL, REMOVED, SMALL, Document, Path, changed, dotted
from .schema_server import NAMESPACE, RefusedError, SchemaServer
from .test_egress import CASES


@pytest.mark.parametrize("document", [*FULL.values(), *SMALL.values()], ids=[*FULL, *SMALL])
def test_the_server_accepts_it_and_fills_in_the_same_defaults(schema_server: SchemaServer, document: Document) -> None:
    ours = manifest.parse(document)
    stored = type(ours).model_validate(schema_server.create(document))
    assert getattr(stored, "spec", None) == getattr(ours, "spec", None)


NULLS = [
    ("Workload", ("spec", "hostSelector")),
    ("Workload", ("spec", "service")),
    ("Workload", ("spec", "volumes")),
    ("Workload", ("spec", "components", 0, "poolSize")),
    ("WorkloadDeployment", ("spec", "replicas")),
    ("WorkloadDeployment", ("spec", "rollingUpdate", "maxSurge")),
    ("WorkloadDeployment", ("spec", "template", "labels")),
]


@pytest.mark.parametrize(("kind", "path"), NULLS, ids=[dotted(path) for _, path in NULLS])
def test_null_means_absent_to_both(schema_server: SchemaServer, kind: str, path: Path) -> None:
    document = changed(FULL[kind], path, None)
    stored = type(manifest.parse(document)).model_validate(schema_server.create(document))
    assert stored.document()["spec"] == manifest.parse(document).document()["spec"]
    assert manifest.parse(document).document() == manifest.parse(changed(FULL[kind], path, REMOVED)).document()


@pytest.mark.parametrize("kind", FULL)
def test_the_server_keeps_a_whole_status(schema_server: SchemaServer, kind: str) -> None:
    assert schema_server.replace_status(FULL[kind], FULL[kind])["status"] == FULL[kind]["status"]


@pytest.mark.parametrize("case", BAD, ids=str)
def test_the_server_refuses_it_at_that_field(schema_server: SchemaServer, case: Bad) -> None:
    about_status = case.path[0] == "status"
    with pytest.raises(RefusedError) as refused:
        schema_server.judge(case.document(), status_of=FULL[case.kind] if about_status else None)
    text = str(refused.value)
    assert case.problem.servers in text
    assert dotted(case.reported_at or case.path) in text


LISTS = {
    "allowed_hosts": "allowedHosts",
    "ip_name_lookups": "allowedIpNameLookups",
    "loopback_ports": "allowedHostLoopbackPorts",
}


@pytest.mark.parametrize(("table", "field"), LISTS.items())
def test_the_server_knows_the_egress_grammar(schema_server: SchemaServer, table: str, field: str) -> None:
    path = ("spec", "components", 0, "localResources", field)
    accepted = [*CASES[table]["accepted"], *_refused_by_the_engine_alone(table)]
    schema_server.create(changed(FULL["Workload"], path, accepted))
    for case in CASES[table]["refused"]:
        if case["pattern_refuses"]:
            with pytest.raises(RefusedError, match="should match"):
                schema_server.create(changed(FULL["Workload"], path, [case["entry"]]))


def _refused_by_the_engine_alone(table: str) -> list[str]:
    return [case["entry"] for case in CASES[table]["refused"] if not case["pattern_refuses"]]


def test_an_entry_may_be_as_long_as_a_dns_name_allows(schema_server: SchemaServer) -> None:
    longest = "https://" + ".".join(["x" * 63] * 3 + ["y" * 61]) + ":65535/"
    assert len(longest) <= egress.HOST_ENTRY_LENGTH
    path = ("spec", "components", 0, "localResources", "allowedHosts")
    schema_server.create(changed(FULL["Workload"], path, [longest]))


@pytest.mark.parametrize("kind", ["WorkloadDeployment", "WorkloadReplicaSet"])
def test_kubectl_scales(schema_server: SchemaServer, control_plane: ControlPlane, kind: str) -> None:
    name = f"scales-{kind.lower()}"
    schema_server.create({**SMALL[kind], "metadata": {"name": name}}, dry_run=False)
    control_plane.kubectl("scale", kind, name, "--replicas=7", "--namespace", NAMESPACE)
    scaled = json.loads(control_plane.kubectl("get", kind, name, "--namespace", NAMESPACE, "--output=json"))
    assert scaled["spec"]["replicas"] == 7


COLUMNS = {
    "hosts": "NAME HOSTID HOSTGROUP ENVIRONMENT WORKLOADS READY AGE",
    "host": "NAME HOSTID HOSTGROUP ENVIRONMENT WORKLOADS READY AGE",
    "ww": "NAME HOSTID ENVIRONMENT READY REASON AGE",
    "wrs": "NAME REPLICAS READY AGE",
    "wd": "NAME REPLICAS READY UP-TO-DATE AVAILABLE REASON AGE",
    "artifacts": "NAME IMAGE DIGEST READY AGE",
}


@pytest.mark.parametrize(("name", "columns"), COLUMNS.items())
def test_kubectl_prints_the_columns(
    schema_server: SchemaServer, control_plane: ControlPlane, name: str, columns: str
) -> None:
    full_name = {"ww": "Workload", "wrs": "WorkloadReplicaSet", "wd": "WorkloadDeployment", "artifacts": "Artifact"}
    kind = full_name.get(name, "Host")
    schema_server.create({**FULL[kind], "metadata": {"name": f"printed-as-{name}"}}, dry_run=False)
    printed = control_plane.kubectl("get", name, "--namespace", NAMESPACE)
    assert printed.splitlines()[0].split() == columns.split()


def test_kubectl_explains_a_field(schema_server: SchemaServer, control_plane: ControlPlane) -> None:
    field = "workload.spec.components.localResources.memoryLimitMb"
    assert "in MiB" in control_plane.kubectl("explain", field)
