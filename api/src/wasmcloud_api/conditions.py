"""Condition types and reasons: what a status says, as constants a program can match.

Every member's docstring is its line in `docs/conditions.md`, which `python -m wasmcloud_api.conditions` writes.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Final, Self

from wasmcloud_api.generated import settle, target


class Documented(StrEnum):
    """A string with one line that says what it means."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a member of its two parts."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class HostCondition(Documented):
    """Condition types of a Host."""

    REPORTING = "Reporting", "The host answers the operator."
    DRAINING = "Draining", "The host takes no new workloads and leaves once its own have moved."
    READY = "Ready", "The host may be given workloads."


class WorkloadCondition(Documented):
    """Condition types of a Workload, in the order in which they come true."""

    CONFIG = "Config", "Every ConfigMap, Secret and pull secret that the workload names was read."
    HOST_SELECTION = "HostSelection", "At least one host may run the workload."
    PLACEMENT = "Placement", "A host was chosen; `status.hostId` names it."
    SYNC = "Sync", "The host has the workload in the state the object asks for."
    READY = "Ready", "The workload runs and may be sent requests."


class ReplicaSetCondition(Documented):
    """Condition types of a WorkloadReplicaSet."""

    SCALE_UP = "ScaleUp", "No replica is missing."
    SCALE_DOWN = "ScaleDown", "No replica is left over."
    READY = "Ready", "Every replica is ready."


class DeploymentCondition(Documented):
    """Condition types of a WorkloadDeployment."""

    ARTIFACT = "Artifact", "Every artifact that the deployment names was resolved."
    SYNC = "Sync", "A replica set for the present template exists."
    DEPLOY = "Deploy", "The rollout of the present template is complete."
    SCALE = "Scale", "The replica sets have as many replicas as the deployment asks for."
    READY = "Ready", "Enough replicas are available."


class ArtifactCondition(Documented):
    """Condition types of an Artifact."""

    SYNC = "Sync", "The registry was asked within the last interval and answered."
    PUBLISHED = "Published", "`status.artifactUrl` names the image by its digest."
    READY = "Ready", "Deployments may use the artifact."


class Reason(Documented):
    """Reasons of conditions. A reason keeps its spelling for good; messages may change."""

    AVAILABLE = "Available", "The condition holds."
    RECONCILE = "Reconcile", "Work is under way; nothing is wrong so far."
    UNKNOWN_STATE = "UnknownState", "The host did not answer when it was asked for the workload's state."

    NO_HOSTS = "NoHosts", "No host has joined the operator."
    NO_MATCHING_HOST = "NoMatchingHost", "Hosts have joined, but none fits; the message counts why."
    ENVIRONMENT_DENIED = (
        "EnvironmentDenied",
        "The workload asks for an environment that is not its own namespace, and hosts aren't shared.",
    )
    INSUFFICIENT_CAPACITY = "InsufficientCapacity", "Every host that fits is full."
    HOST_PIN_UNAVAILABLE = "HostPinUnavailable", "The host that `spec.hostId` names is gone, not ready or not allowed."
    HOST_DRAINING = "HostDraining", "The host finishes what it serves and takes nothing new."
    HOST_LOST = "HostLost", "The host stopped answering."

    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound", "A ConfigMap that the workload names does not exist."
    SECRET_NOT_FOUND = "SecretNotFound", "A Secret that the workload names does not exist."
    PULL_SECRET_INVALID = "PullSecretInvalid", "A pull secret is not of type kubernetes.io/dockerconfigjson."
    CONFIG_UNREADABLE = (
        "ConfigUnreadable",
        "A ConfigMap or Secret can't be read; the message says why, and names a right that is missing.",
    )

    IMAGE_PULL_FAILED = "ImagePullFailed", "The image can't be pulled; the message has the registry's answer."
    IMAGE_NOT_COMPONENT = "ImageNotComponent", "The image holds no WebAssembly component."
    IMAGE_NOT_FOUND = "ImageNotFound", "Of an Artifact: the registry has no such image or tag."
    REGISTRY_ACCESS_DENIED = (
        "RegistryAccessDenied",
        "Of an Artifact: the registry wants a login, or refuses the pull secret's.",
    )
    REGISTRY_UNAVAILABLE = (
        "RegistryUnavailable",
        "Of an Artifact: the registry can't be asked; the message has the cause.",
    )
    INTERFACE_UNAVAILABLE = (
        "InterfaceUnavailable",
        "The component imports an interface that no host offers, or `hostInterfaces` doesn't ask for.",
    )
    INVALID_EGRESS_RULE = "InvalidEgressRule", "An entry of an egress list is malformed; the message names each."
    INVALID_SPEC = "InvalidSpec", "The object breaks a rule of the API; the message has the field and the rule."

    STARTING = "Starting", "The host pulls, compiles and starts the workload."
    START_FAILED = "StartFailed", "The host could not start the workload; the message has its causes."
    START_TIMED_OUT = "StartTimedOut", "The host did not finish the start in time; it is asked before the next try."
    CRASHED = "Crashed", "The workload ended with an error on its host, or its host knows it no more."
    CRASH_LOOP_BACK_OFF = "CrashLoopBackOff", "The workload crashes again and again; each start waits longer."
    COMPLETED = "Completed", "The workload's service ended well and is not started again."
    STOPPING = "Stopping", "The workload is being stopped."

    SERVICE_NOT_FOUND = "ServiceNotFound", "The Service that the workload names does not exist; it runs anyway."
    SERVICE_HAS_SELECTOR = "ServiceHasSelector", "The Service has a selector: Kubernetes keeps its endpoints, not we."
    SERVICE_IS_EXTERNAL = "ServiceIsExternal", "The Service is of type ExternalName, which has no endpoints."
    SERVICE_PORT_NOT_FOUND = "ServicePortNotFound", "The Service has no port named `http`, so it leads nowhere."
    HOST_NOT_ROUTABLE = "HostNotRoutable", "The host gives no IP that others reach it by, so no Service leads to it."

    ARTIFACT_NOT_FOUND = "ArtifactNotFound", "An Artifact that the deployment names does not exist."
    ARTIFACT_NOT_READY = "ArtifactNotReady", "An Artifact that the deployment names has no digest yet."
    ROLLOUT_IN_PROGRESS = "RolloutInProgress", "Replicas of the new template are replacing the old ones."
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded", "The rollout made no progress within its deadline."
    PAUSED = "Paused", "`spec.paused` holds the rollout."
    SCALING_UP = "ScalingUp", "Replicas are being added."
    SCALING_DOWN = "ScalingDown", "Replicas are being removed."
    REPLICAS_UNAVAILABLE = "ReplicasUnavailable", "Some replicas are not ready; the message has their reasons."


CONDITION_TYPES: Final[dict[str, type[Documented]]] = {
    "Host": HostCondition,
    "Workload": WorkloadCondition,
    "WorkloadReplicaSet": ReplicaSetCondition,
    "WorkloadDeployment": DeploymentCondition,
    "Artifact": ArtifactCondition,
}


def markdown() -> str:
    """Return the text of docs/conditions.md."""
    lines = [
        "# Conditions",
        "",
        "Generated from `api/src/wasmcloud_api/conditions.py`; to change it:",
        "`python -m wasmcloud_api.conditions docs/conditions.md`.",
        "",
        "Each object's `status.conditions` says what holds (`True`), what doesn't (`False`) and what the operator",
        "can't tell (`Unknown`). Match on `reason` in programs; `message` is for people and may change.",
    ]
    for kind, types in CONDITION_TYPES.items():
        lines += ["", f"## {kind}", "", "| type | True means |", "|---|---|"]
        lines += [f"| {member} | {member.meaning} |" for member in types]
    lines += ["", "## Reasons", "", "| reason | meaning |", "|---|---|"]
    lines += [f"| {member} | {member.meaning} |" for member in Reason]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the table to the path given; with `--check` only compare. Returns the exit code."""
    given = target(arguments, "python -m wasmcloud_api.conditions [--check] docs/conditions.md")
    if given is None:
        return 2
    path, check = given
    return settle({path: markdown()}, f"python -m wasmcloud_api.conditions {path}", check=check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
