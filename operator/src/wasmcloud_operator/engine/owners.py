"""Who belongs to whom, across kinds."""

from __future__ import annotations

from wasmcloud_api.crds import TopologySpreadConstraint

from wasmcloud_operator.engine.store import Store
from wasmcloud_operator.model.keys import Key, Kind
from wasmcloud_operator.model.views import BrokenView, DeploymentView, ReplicaSetView, WorkloadView


def deployment_of(store: Store, replica_set: ReplicaSetView | BrokenView) -> DeploymentView | None:
    """Return the deployment that controls a replica set."""
    owner = replica_set.meta.owner
    if owner is None or owner.kind != Kind.DEPLOYMENT:
        return None
    found = store.deployment(Key(replica_set.meta.key.namespace, owner.name))
    return found if isinstance(found, DeploymentView) and found.meta.uid == owner.uid else None


def replica_set_of(store: Store, workload: WorkloadView | BrokenView) -> ReplicaSetView | None:
    """Return the replica set that controls a Workload."""
    owner = workload.meta.owner
    if owner is None or owner.kind != Kind.REPLICA_SET:
        return None
    found = store.replica_set(Key(workload.meta.key.namespace, owner.name))
    return found if isinstance(found, ReplicaSetView) and found.meta.uid == owner.uid else None


def spread_of(store: Store, workload: WorkloadView) -> tuple[TopologySpreadConstraint, ...]:
    """Return the spread constraints that a Workload's deployment has."""
    replica_set = replica_set_of(store, workload)
    deployment = deployment_of(store, replica_set) if replica_set is not None else None
    return deployment.spec.topology_spread_constraints if deployment is not None else ()
