"""Bad manifests, as data: both judges, the Python models and a real API server, use this one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .manifests import COMPONENT, CONDITION, COUNTS, FULL, REMOVED, Document, Path, changed, dotted


@dataclass(frozen=True)
class Problem:
    """What is wrong, in the words of `wasmcloud_api.manifest` and in those of the API server."""

    ours: str
    servers: str
    keyword: str = ""


REQUIRED = Problem("required", "Required value", "required")
UNKNOWN = Problem("unknown field", "unknown field")
PATTERN = Problem("must be", "should match", "pattern")
INT_OR_PERCENT = Problem("must be a number that is not negative, or a percentage", "should match", "pattern")
DUPLICATE = Problem("Duplicate value", "Duplicate value", "x-kubernetes-list-type")
ENUM = Problem("must be '", "Unsupported value", "enum")
NOT_STRING = Problem("must be a string", "must be of type string")
NOT_INTEGER = Problem("must be an integer", "must be of type integer")
NOT_BOOLEAN = Problem("must be a boolean", "must be of type boolean")
NOT_LIST = Problem("must be a list", "must be of type array")
NOT_MAPPING = Problem("must be a mapping", "must be of type object")


def below(bound: int) -> Problem:
    return Problem(f"must be greater than or equal to {bound}", f"greater than or equal to {bound}", "minimum")


def above(bound: int) -> Problem:
    return Problem(f"must be less than or equal to {bound}", f"less than or equal to {bound}", "maximum")


def shorter(length: int) -> Problem:
    return Problem(f"must have at least {length} character", f"at least {length} chars long", "minLength")


def longer(length: int) -> Problem:
    return Problem(f"must have at most {length} character", f"may not be more than {length} ", "maxLength")


def more(count: int) -> Problem:
    return Problem(f"must have at most {count} item", f"must have at most {count} items", "maxItems")


def fewer(count: int) -> Problem:
    return Problem(f"must have at least {count} item", f"should have at least {count} items", "minItems")


def rule(message: str) -> Problem:
    return Problem(message, message, "x-kubernetes-validations")


@dataclass(frozen=True)
class Bad:
    """A full manifest of this kind with one field changed, and what is wrong with it."""

    kind: str
    path: Path
    value: Any
    problem: Problem
    reported_at: Path | None = None
    """Where the judges see it, if not at `path`."""

    def document(self) -> Document:
        return changed(FULL[self.kind], self.path, self.value)

    def __str__(self) -> str:
        shown = "" if self.value is REMOVED else f"={str(self.value)[:30]}"
        return f"{self.kind}:{dotted(self.path)}{shown}"


_C: Path = ("spec", "components", 0)
_R: Path = (*_C, "localResources")
_S: Path = ("spec", "service")
_I: Path = ("spec", "hostInterfaces", 0)
_INTERFACE = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"]}

INT32_MAX = 2**31 - 1
NO_DUPLICATES = rule(
    "hostInterfaces must not contain duplicate entries with the same namespace, package, name, and version"
)
ONE_UNNAMED = rule(
    "at most one unnamed hostInterface is allowed per namespace:package; "
    "set a unique name to disambiguate multiple imports of the same package"
)
ONE_SOURCE = rule("exactly one of ephemeral and hostPath must be set")
SOME_ROOM = rule("maxSurge and maxUnavailable must not both be 0")


def _count_cases(kind: str, path: Path, low: int = 0, high: int = INT32_MAX) -> tuple[Bad, ...]:
    return (
        Bad(kind, path, low - 1, below(low)),
        Bad(kind, path, high + 1, above(high)),
        Bad(kind, path, "1", NOT_INTEGER),
    )


def _reference_cases(kind: str, path: Path) -> tuple[Bad, ...]:
    return (
        Bad(kind, (*path, "name"), REMOVED, REQUIRED),
        Bad(kind, (*path, "name"), "x" * 254, longer(253)),
    )


def _layer_cases(path: Path) -> tuple[Bad, ...]:
    return (
        Bad("Workload", (*path, "config", "A"), 1, NOT_STRING),
        *_reference_cases("Workload", (*path, "configFrom", 0)),
        *_reference_cases("Workload", (*path, "secretFrom", 0)),
    )


def _resource_cases(path: Path) -> tuple[Bad, ...]:
    mount = (*path, "volumeMounts", 0)
    return (
        Bad("Workload", (*mount, "name"), REMOVED, REQUIRED),
        Bad("Workload", (*mount, "name"), "", shorter(1)),
        Bad("Workload", (*mount, "mountPath"), REMOVED, REQUIRED),
        Bad("Workload", (*mount, "mountPath"), "", shorter(1)),
        Bad("Workload", (*mount, "readOnly"), "yes", NOT_BOOLEAN),
        Bad("Workload", (*path, "volumeMounts", 1), {"name": "logs", "mountPath": "/data"}, DUPLICATE),
        *_layer_cases((*path, "environment")),
        Bad("Workload", (*path, "config", "A"), True, NOT_STRING),
        Bad("Workload", (*path, "allowedHosts", 0), "https://example.com/api", PATTERN),
        Bad("Workload", (*path, "allowedHosts", 0), "x" * 301, longer(300)),
        Bad("Workload", (*path, "allowedIpNameLookups", 0), "example.com:443", PATTERN),
        Bad("Workload", (*path, "allowedIpNameLookups", 0), "x" * 301, longer(300)),
        Bad("Workload", (*path, "allowedHostLoopbackPorts", 0), "65536", PATTERN),
        Bad("Workload", (*path, "allowedHostLoopbackPorts", 0), 80, NOT_STRING),
        *_count_cases("Workload", (*path, "memoryLimitMb"), 1, 4096),
        *_count_cases("Workload", (*path, "cpuLimit"), 1, 6400),
        Bad("Workload", (*path, "alowedHosts"), [], UNKNOWN),
    )


def _image_cases(path: Path) -> tuple[Bad, ...]:
    return (
        Bad("Workload", (*path, "image"), REMOVED, REQUIRED),
        Bad("Workload", (*path, "image"), "", shorter(1)),
        Bad("Workload", (*path, "imagePullPolicy"), "Sometimes", ENUM),
        *_reference_cases("Workload", (*path, "imagePullSecret")),
        *_resource_cases((*path, "localResources")),
    )


def _label_cases(kind: str) -> tuple[Bad, ...]:
    label: Path = ("spec", "template", "labels", "app")
    return (
        Bad(kind, label, 1, NOT_STRING),
        Bad(kind, label, "two words", PATTERN),
        Bad(kind, label, "x" * 64, longer(63)),
    )


def _condition_cases(kind: str) -> tuple[Bad, ...]:
    condition: Path = ("status", "conditions", 0)
    return (
        Bad(kind, (*condition, "type"), REMOVED, REQUIRED),
        Bad(kind, (*condition, "type"), "", shorter(1)),
        Bad(kind, (*condition, "status"), REMOVED, REQUIRED),
        Bad(kind, (*condition, "status"), "Maybe", ENUM),
        Bad(kind, (*condition, "observedGeneration"), -1, below(0)),
        Bad(kind, ("status", "conditions", 1), CONDITION, DUPLICATE),
    )


def _replica_count_cases(kind: str) -> tuple[Bad, ...]:
    return tuple(Bad(kind, ("status", "replicas", name), -1, below(0)) for name in COUNTS)


WORKLOAD_CASES: tuple[Bad, ...] = (
    Bad("Workload", ("spec",), REMOVED, REQUIRED),
    Bad("Workload", ("spec",), [], NOT_MAPPING),
    Bad("Workload", ("spec", "componets"), [], UNKNOWN),
    Bad("Workload", ("spec", "hostSelector", "gpu"), True, NOT_STRING),
    Bad("Workload", ("spec", "hostId"), 1, NOT_STRING),
    Bad("Workload", ("spec", "environment"), "x" * 254, longer(253)),
    Bad("Workload", ("spec", "components"), {}, NOT_LIST),
    Bad("Workload", ("spec", "components", 1), COMPONENT, DUPLICATE),
    Bad("Workload", ("spec", "components"), [{"name": f"c{n}", "image": "i"} for n in range(257)], more(256)),
    Bad("Workload", (*_C, "name"), REMOVED, REQUIRED),
    Bad("Workload", (*_C, "name"), "", shorter(1)),
    *_count_cases("Workload", (*_C, "poolSize")),
    *_count_cases("Workload", (*_C, "maxInvocations")),
    *_count_cases("Workload", (*_C, "maxConcurrency")),
    *_image_cases(_C),
    *_image_cases(_S),
    *_count_cases("Workload", (*_S, "maxRestarts")),
    Bad("Workload", ("spec", "volumes", 0, "name"), REMOVED, REQUIRED),
    Bad("Workload", ("spec", "volumes", 0, "name"), "", shorter(1)),
    Bad("Workload", ("spec", "volumes", 2), {"name": "data", "ephemeral": {}}, DUPLICATE),
    Bad("Workload", ("spec", "volumes"), [{"name": f"v{n}", "ephemeral": {}} for n in range(257)], more(256)),
    Bad("Workload", ("spec", "volumes", 0), {"name": "data"}, ONE_SOURCE),
    Bad("Workload", ("spec", "volumes", 0, "hostPath"), {"path": "/x"}, ONE_SOURCE, ("spec", "volumes", 0)),
    Bad("Workload", ("spec", "volumes", 1, "hostPath", "path"), REMOVED, REQUIRED),
    Bad("Workload", ("spec", "volumes", 1, "hostPath", "path"), "", shorter(1)),
    Bad("Workload", (*_I, "namespace"), REMOVED, REQUIRED),
    Bad("Workload", (*_I, "namespace"), "", shorter(1)),
    Bad("Workload", (*_I, "namespace"), "x" * 129, longer(128)),
    Bad("Workload", (*_I, "package"), REMOVED, REQUIRED),
    Bad("Workload", (*_I, "package"), "", shorter(1)),
    Bad("Workload", (*_I, "package"), "x" * 129, longer(128)),
    Bad("Workload", (*_I, "interfaces"), REMOVED, REQUIRED),
    Bad("Workload", (*_I, "interfaces"), [], fewer(1)),
    Bad("Workload", (*_I, "interfaces", 0), 1, NOT_STRING),
    Bad("Workload", (*_I, "version"), "x" * 65, longer(64)),
    Bad("Workload", (*_I, "name"), "Main", PATTERN),
    Bad("Workload", (*_I, "name"), "-main", PATTERN),
    Bad("Workload", (*_I, "name"), "x" * 65, longer(64)),
    *_layer_cases(_I),
    Bad("Workload", ("spec", "hostInterfaces"), [{**_INTERFACE, "package": f"p{n}"} for n in range(65)], more(64)),
    Bad("Workload", ("spec", "hostInterfaces"), [_INTERFACE, _INTERFACE], NO_DUPLICATES),
    Bad(
        "Workload",
        ("spec", "hostInterfaces"),
        [{**_INTERFACE, "name": "a", "version": "1"}, {**_INTERFACE, "version": "1", "name": "a"}],
        NO_DUPLICATES,
    ),
    Bad("Workload", ("spec", "hostInterfaces"), [_INTERFACE, {**_INTERFACE, "version": "0.2.1"}], ONE_UNNAMED),
    Bad("Workload", ("spec", "kubernetes", "service", "name"), REMOVED, REQUIRED),
    Bad("Workload", ("spec", "kubernetes", "service", "name"), "", shorter(1)),
    Bad("Workload", ("spec", "kubernetes", "service", "name"), "x" * 64, longer(63)),
    Bad("Workload", ("status", "phase"), "Sleeping", ENUM),
    *_count_cases("Workload", ("status", "restarts")),
    *_condition_cases("Workload"),
)

_D: Path = ("spec", "topologySpreadConstraints", 0)
DEPLOYMENT_CASES: tuple[Bad, ...] = (
    *_count_cases("WorkloadDeployment", ("spec", "replicas")),
    Bad("WorkloadDeployment", ("spec",), REMOVED, REQUIRED),
    Bad("WorkloadDeployment", ("spec", "template"), REMOVED, REQUIRED),
    Bad("WorkloadDeployment", ("spec", "template", "spec"), REMOVED, REQUIRED),
    *_label_cases("WorkloadDeployment"),
    Bad("WorkloadDeployment", ("spec", "template", "spec", "components", 0, "imge"), "x", UNKNOWN),
    Bad("WorkloadDeployment", ("spec", "deployPolicy"), "BlueGreen", ENUM),
    Bad("WorkloadDeployment", ("spec", "artifacts", 0, "name"), REMOVED, REQUIRED),
    Bad("WorkloadDeployment", ("spec", "artifacts", 0, "name"), "", shorter(1)),
    Bad("WorkloadDeployment", ("spec", "artifacts", 0, "artifactFrom"), REMOVED, REQUIRED),
    *_reference_cases("WorkloadDeployment", ("spec", "artifacts", 0, "artifactFrom")),
    Bad("WorkloadDeployment", ("spec", "artifacts", 1), {"name": "web", "artifactFrom": {"name": "b"}}, DUPLICATE),
    Bad("WorkloadDeployment", ("spec", "kubernetes", "service", "name"), REMOVED, REQUIRED),
    Bad("WorkloadDeployment", ("spec", "kubernetes", "service", "name"), "", shorter(1)),
    Bad("WorkloadDeployment", ("spec", "kubernetes", "service", "name"), "x" * 64, longer(63)),
    *(
        Bad("WorkloadDeployment", ("spec", "rollingUpdate", field), value, problem)
        for field in ("maxSurge", "maxUnavailable")
        for value, problem in (
            (-1, Problem(INT_OR_PERCENT.ours, "greater than or equal to 0", "minimum")),
            (INT32_MAX + 1, Problem(INT_OR_PERCENT.ours, f"less than or equal to {INT32_MAX}", "maximum")),
            ("101%", INT_OR_PERCENT),
            ("1", INT_OR_PERCENT),
            (True, Problem(INT_OR_PERCENT.ours, "must be of type")),
        )
    ),
    Bad("WorkloadDeployment", ("spec", "rollingUpdate"), {"maxSurge": 0}, SOME_ROOM),
    Bad("WorkloadDeployment", ("spec", "rollingUpdate"), {"maxSurge": "0%", "maxUnavailable": 0}, SOME_ROOM),
    Bad("WorkloadDeployment", ("spec", "rollingUpdate"), {"maxSurge": 0, "maxUnavailable": "0%"}, SOME_ROOM),
    *_count_cases("WorkloadDeployment", ("spec", "minReadySeconds")),
    *_count_cases("WorkloadDeployment", ("spec", "progressDeadlineSeconds"), 1),
    *_count_cases("WorkloadDeployment", ("spec", "revisionHistoryLimit")),
    Bad("WorkloadDeployment", ("spec", "paused"), "yes", NOT_BOOLEAN),
    Bad("WorkloadDeployment", (*_D, "topologyKey"), REMOVED, REQUIRED),
    Bad("WorkloadDeployment", (*_D, "topologyKey"), "", shorter(1)),
    *_count_cases("WorkloadDeployment", (*_D, "maxSkew"), 1),
    Bad("WorkloadDeployment", (*_D, "whenUnsatisfiable"), "Never", ENUM),
    Bad(
        "WorkloadDeployment",
        ("spec", "topologySpreadConstraints", 2),
        {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
        DUPLICATE,
    ),
    Bad("WorkloadDeployment", ("spec", "restartOnConfigChange"), 1, NOT_BOOLEAN),
    *_reference_cases("WorkloadDeployment", ("status", "currentReplicaSet")),
    *_reference_cases("WorkloadDeployment", ("status", "previousReplicaSet")),
    *_replica_count_cases("WorkloadDeployment"),
    *_count_cases("WorkloadDeployment", ("status", "currentReplicas")),
    *_count_cases("WorkloadDeployment", ("status", "updatedReplicas")),
    Bad("WorkloadDeployment", ("status", "revision"), -1, below(0)),
    Bad("WorkloadDeployment", ("status", "observedGeneration"), -1, below(0)),
    *_condition_cases("WorkloadDeployment"),
    Bad("WorkloadDeployment", ("metadata", "name"), "Web_1", Problem("must be lower-case", "RFC 1123")),
)

OTHER_CASES: tuple[Bad, ...] = (
    *_count_cases("WorkloadReplicaSet", ("spec", "replicas")),
    Bad("WorkloadReplicaSet", ("spec",), REMOVED, REQUIRED),
    Bad("WorkloadReplicaSet", ("spec", "template"), REMOVED, REQUIRED),
    Bad("WorkloadReplicaSet", ("spec", "template", "spec"), REMOVED, REQUIRED),
    *_label_cases("WorkloadReplicaSet"),
    Bad("WorkloadReplicaSet", ("spec", "deployPolicy"), "Recreate", UNKNOWN),
    *_replica_count_cases("WorkloadReplicaSet"),
    Bad("WorkloadReplicaSet", ("status", "observedGeneration"), -1, below(0)),
    *_condition_cases("WorkloadReplicaSet"),
    Bad("Artifact", ("spec",), REMOVED, REQUIRED),
    Bad("Artifact", ("spec", "image"), REMOVED, REQUIRED),
    Bad("Artifact", ("spec", "image"), "", shorter(1)),
    *_reference_cases("Artifact", ("spec", "imagePullSecret")),
    Bad("Artifact", ("spec", "interval"), "5 minutes", PATTERN),
    Bad("Artifact", ("spec", "interval"), "", shorter(2)),
    Bad("Artifact", ("spec", "interval"), "1" * 20 + "s", longer(20)),
    *_condition_cases("Artifact"),
    Bad("Host", ("hostId",), REMOVED, REQUIRED),
    Bad("Host", ("hostId",), "", shorter(1)),
    *_count_cases("Host", ("httpPort",), 0, 65535),
    Bad("Host", ("spec",), {}, UNKNOWN),
    *(
        Bad("Host", ("status", field), REMOVED, REQUIRED)
        for field in (
            "version",
            "osName",
            "osArch",
            "osKernel",
            "systemCPUUsage",
            "systemMemoryTotal",
            "systemMemoryFree",
        )
    ),
    Bad("Host", ("status", "systemCPUUsage"), 12.5, NOT_STRING),
    *(
        Bad("Host", ("status", field), -1, below(0))
        for field in ("systemMemoryTotal", "systemMemoryFree", "componentCount", "workloadCount")
    ),
    Bad("Host", ("status", "systemMemoryTotal"), "1", NOT_INTEGER),
    *_condition_cases("Host"),
)

BAD: tuple[Bad, ...] = (*WORKLOAD_CASES, *DEPLOYMENT_CASES, *OTHER_CASES)
