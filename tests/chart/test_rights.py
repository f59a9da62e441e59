"""The chart's Roles against what the operator really asks for: no right is missing, none is spare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chart.rendered import JsonObject, Rendered, render
from ground.control_plane import OPERATOR, ControlPlane
from ground.nats import NatsServer
from ground.wait import eventually
from integration.system import System, deployment

WITHIN_S = 120
_OURS = "runtime.wasmcloud.dev"
_AFTER_A_CONFLICT = "read again, when a write met a newer object"
NOT_IN_A_SHORT_RUN = {
    f"get {_OURS}/workloaddeployments in watched": _AFTER_A_CONFLICT,
    f"get {_OURS}/artifacts in watched": _AFTER_A_CONFLICT,
    f"get {_OURS}/workloadreplicasets in watched": _AFTER_A_CONFLICT,
    f"get {_OURS}/workloads in watched": _AFTER_A_CONFLICT,
    f"get {_OURS}/hosts in own": _AFTER_A_CONFLICT,
    "get discovery.k8s.io/endpointslices in watched": _AFTER_A_CONFLICT,
    f"update {_OURS}/workloaddeployments/finalizers in watched": "asked by an admission plugin, not by a request",
    f"update {_OURS}/workloadreplicasets/finalizers in watched": "asked by an admission plugin, not by a request",
    f"patch {_OURS}/artifacts/status in watched": "no artifact in this run: it would want a registry",
    f"patch {_OURS}/hosts in own": "a host that comes back with other labels",
    f"delete {_OURS}/hosts in own": "five minutes after a host was lost",
    "create /events in own": "a lost host",
    "patch /events in own": "a host that is lost twice",
    "patch discovery.k8s.io/endpointslices in watched": "as timing has it: a change of an endpoint, or a new slice",
}


class Installed(System):
    """Operator and hosts as processes, with the chart's own rules for the operator's user."""

    is_cluster_wide = False

    def start(self) -> None:
        for namespace in (self.namespace, self.operator_namespace):
            self.control_plane.kubectl("create", "namespace", namespace)
        self._audited_count = len(self.control_plane.audited())
        self.control_plane.kubectl("apply", "-f", "-", stdin=self.rules().text())
        self.restart_operator("--leader-elect", *(["--watch-namespaces="] if self.is_cluster_wide else []))

    def stop(self) -> None:
        super().stop()
        self.control_plane.kubectl("delete", "-f", "-", stdin=self.rules().text())

    def rules(self) -> Rendered:
        """The chart's roles and their bindings, bound to the user that the operator's process is here."""
        watched = {"clusterWide": True} if self.is_cluster_wide else {"watchNamespaces": [self.namespace]}
        objects = render({"operator": watched}, namespace=self.operator_namespace).objects
        mine = [o for o in objects if is_rbac(o) and "helm.sh/hook" not in annotations(o)]
        user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR.name}
        return Rendered([{**o, "subjects": [user]} if "subjects" in o else o for o in mine])

    def asked(self) -> set[str]:
        """`verb group/resource in where` of all requests so far."""
        found = set()
        for request in self.control_plane.audited()[self._audited_count :]:
            ref = request.get("objectRef", {})
            is_everywhere = self.is_cluster_wide and "resource" in ref and "namespace" not in ref
            if is_everywhere or ref.get("namespace") in (self.namespace, self.operator_namespace):
                found.add(f"{request['verb']} {path(ref)} in {self.where(ref.get('namespace'))}")
        return found

    def granted(self) -> set[str]:
        """As `asked`, out of the rules."""
        return {
            f"{verb} {group}/{resource} in {self.where(role['metadata'].get('namespace'))}"
            for role in self.rules().objects
            for rule in role.get("rules", [])
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    def where(self, namespace: str | None) -> str:
        return "own" if namespace == self.operator_namespace else "watched"


class InstalledClusterWide(Installed):
    """The same with the one switch that makes a ClusterRole."""

    is_cluster_wide = True


def is_rbac(found: JsonObject) -> bool:
    return str(found["apiVersion"]).startswith("rbac.authorization.k8s.io/")


def annotations(found: JsonObject) -> JsonObject:
    noted: JsonObject = found["metadata"].get("annotations", {})
    return noted


def path(ref: JsonObject) -> str:
    subresource = f"/{ref['subresource']}" if "subresource" in ref else ""
    return f"{ref.get('apiGroup', '')}/{ref['resource']}{subresource}"


@pytest.fixture(params=[Installed, InstalledClusterWide])
def installed(
    request: pytest.FixtureRequest, judge: ControlPlane, nats_server: NatsServer, tmp_path: Path
) -> Iterator[Installed]:
    running: Installed = request.param(judge, nats_server, tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_the_rights_are_those_that_are_used(installed: Installed) -> None:
    host = installed.add_host("one", "--heartbeat-interval=1s", address="192.0.2.1")
    installed.await_hosts()
    installed.kubectl("create", "configmap", "settings", "--from-literal=GREETED=a")
    installed.kubectl("create", "secret", "generic", "secrets", "--from-literal=KEY=b")
    installed.kubectl("create", "service", "clusterip", "web", "--tcp=80:80", "--clusterip=None")
    installed.kubectl("patch", "service", "web", "--type=merge", "--patch", '{"spec":{"selector":null}}')
    environment = {"configFrom": [{"name": "settings"}], "secretFrom": [{"name": "secrets"}]}
    manifest = deployment(
        "web",
        component={"localResources": {"environment": environment}},
        spec={"kubernetes": {"service": {"name": "web"}}},
    )
    installed.apply(manifest)
    installed.await_ready("web")
    eventually(lambda: assert_endpoints(installed, 1), within_s=WITHIN_S)
    installed.kubectl("scale", "workloaddeployment", "web", "--replicas=3")
    installed.await_ready("web")
    # Two changes of the template leave an old replica set behind, and with a history of none it is deleted.
    for value in ("c", "d"):
        manifest["spec"].update(revisionHistoryLimit=0, replicas=3)
        manifest["spec"]["template"]["spec"]["components"][0]["localResources"]["environment"]["config"] = {"X": value}
        installed.apply(manifest)
        eventually(lambda value=value: assert_rolled_out(installed, value), within_s=WITHIN_S)  # type: ignore[misc]
    apply_what_fails(installed)
    # The Service stays until the slice is gone: once it goes, Kubernetes deletes its slices, too, and perhaps sooner.
    installed.kubectl("scale", "workloaddeployment", "web", "--replicas=0")
    eventually(lambda: assert_no_slices(installed), within_s=WITHIN_S)
    installed.kubectl("delete", "service", "web")
    installed.kubectl("delete", "workloaddeployment", "--all", "--timeout=60s")
    eventually(lambda: assert_none(installed), within_s=WITHIN_S)
    host.process.kill()

    missing, spare = installed.asked() - installed.granted(), installed.granted() - installed.asked()
    assert (sorted(missing), sorted(spare - NOT_IN_A_SHORT_RUN.keys())) == ([], [])
    assert installed.forbidden() == []


def apply_what_fails(installed: Installed) -> None:
    """Something to write Events about, twice, so that the first is patched."""
    installed.apply(deployment("broken", image="file://missing.wasm"))

    def is_told_twice() -> None:
        counts = [event.get("count", 1) for event in installed.items("events")]
        assert max(counts, default=0) >= 2, counts

    eventually(is_told_twice, within_s=WITHIN_S)


def assert_endpoints(installed: Installed, count: int) -> None:
    slices = installed.items("endpointslices")
    assert len([e for s in slices for e in s["endpoints"]]) == count, json.dumps(slices)


def assert_no_slices(installed: Installed) -> None:
    assert installed.items("endpointslices") == []


def assert_rolled_out(installed: Installed, value: str) -> None:
    sets = installed.items("workloadreplicasets")
    seen = [s["spec"]["template"]["spec"]["components"][0]["localResources"]["environment"].get("config") for s in sets]
    assert seen == [{"X": value}], seen
    installed.await_ready("web", within_s=1)


def assert_none(installed: Installed) -> None:
    left = installed.items("workloads,workloadreplicasets,endpointslices")
    assert not left, [(one["kind"], one["metadata"]["name"]) for one in left]
