"""Literal payloads: what is canonical, what means the same, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import SecretStr
from wasmcloud_api import wire

HEARTBEAT = wire.HostHeartbeat(
    id="4f0c",
    hostname="10.1.2.3",
    friendly_name="brave-otter-1",
    version="2.0.0",
    labels={"hostgroup": "default"},
    started_at=datetime(2026, 11, 21, 2, 7, 36, 876990, UTC),
    os_arch="x86_64",
    os_name="linux",
    os_kernel="6.1.0",
    system_cpu_usage=12.5,
    system_memory_total=2**64 - 1,
    system_memory_free=9007199254740993,
    component_count=3,
    workload_count=2,
    imports=(wire.WitInterface(namespace="wasi", package="http", version="0.2.2", interfaces=("outgoing-handler",)),),
    exports=(wire.WitInterface(namespace="wasi", package="keyvalue", interfaces=("store",), name="cache"),),
    http_port=8080,
    environment="team-a",
)
START = wire.WorkloadStartRequest(
    workload_id="0b1f",
    workload=wire.Workload(
        namespace="team-a",
        name="web-0",
        annotations={"owner": "team-a"},
        service=wire.Service(
            image="registry.example.com/service:1", max_restarts=2**63, image_pull_policy=wire.ImagePullPolicy.NEVER
        ),
        wit_world=wire.WitWorld(
            components=(
                wire.Component(
                    image="registry.example.com/web:1",
                    name="web",
                    local_resources=wire.LocalResources(
                        memory_limit_mb=64,
                        cpu_limit=50,
                        config={"greeting": "hello"},
                        environment={"LEVEL": "info"},
                        volume_mounts=(wire.VolumeMount(name="data", mount_path="/data", read_only=True),),
                        allowed_hosts=("*",),
                        allowed_ip_name_lookups=("*.example.com",),
                        allowed_host_loopback_ports=("5432/tcp",),
                    ),
                    pool_size=1,
                    max_invocations=100,
                    max_concurrency=-1,
                    image_pull_secret=wire.ImagePullSecret(username="robot", password=SecretStr("hunter2")),
                    image_pull_policy=wire.ImagePullPolicy.IF_NOT_PRESENT,
                ),
            ),
            host_interfaces=(
                wire.WitInterface(
                    namespace="wasi", package="http", interfaces=("incoming-handler",), config={"host": "web.example"}
                ),
            ),
        ),
        volumes=(
            wire.Volume(name="data"),
            wire.Volume(name="logs", host_path=wire.HostPath(local_path="/var/log")),
        ),
    ),
)
# Printed by protobuf's own JSON printer, which knows the fields and their types, but not this code.
CANONICAL: list[tuple[wire.Message, str]] = [
    (
        HEARTBEAT,
        """{
          "id": "4f0c",
          "hostname": "10.1.2.3",
          "friendlyName": "brave-otter-1",
          "version": "2.0.0",
          "labels": {
            "hostgroup": "default"
          },
          "startedAt": "2026-11-21T02:07:36.876990Z",
          "osArch": "x86_64",
          "osName": "linux",
          "osKernel": "6.1.0",
          "systemCpuUsage": 12.5,
          "systemMemoryTotal": "18446744073709551615",
          "systemMemoryFree": "9007199254740993",
          "componentCount": "3",
          "workloadCount": "2",
          "imports": [
            {
              "namespace": "wasi",
              "package": "http",
              "version": "0.2.2",
              "interfaces": [
                "outgoing-handler"
              ]
            }
          ],
          "exports": [
            {
              "namespace": "wasi",
              "package": "keyvalue",
              "interfaces": [
                "store"
              ],
              "name": "cache"
            }
          ],
          "httpPort": 8080,
          "environment": "team-a"
        }""",
    ),
    (
        START,
        """{
          "workload": {
            "namespace": "team-a",
            "name": "web-0",
            "annotations": {
              "owner": "team-a"
            },
            "service": {
              "image": "registry.example.com/service:1",
              "maxRestarts": "9223372036854775808",
              "imagePullPolicy": "IMAGE_PULL_POLICY_NEVER"
            },
            "witWorld": {
              "components": [
                {
                  "image": "registry.example.com/web:1",
                  "localResources": {
                    "memoryLimitMb": 64,
                    "cpuLimit": 50,
                    "config": {
                      "greeting": "hello"
                    },
                    "environment": {
                      "LEVEL": "info"
                    },
                    "volumeMounts": [
                      {
                        "name": "data",
                        "mountPath": "/data",
                        "readOnly": true
                      }
                    ],
                    "allowedHosts": [
                      "*"
                    ],
                    "allowedIpNameLookups": [
                      "*.example.com"
                    ],
                    "allowedHostLoopbackPorts": [
                      "5432/tcp"
                    ]
                  },
                  "poolSize": 1,
                  "maxInvocations": 100,
                  "imagePullSecret": {
                    "username": "robot",
                    "password": "hunter2"
                  },
                  "name": "web",
                  "imagePullPolicy": "IMAGE_PULL_POLICY_IF_NOT_PRESENT",
                  "maxConcurrency": -1
                }
              ],
              "hostInterfaces": [
                {
                  "namespace": "wasi",
                  "package": "http",
                  "interfaces": [
                    "incoming-handler"
                  ],
                  "config": {
                    "host": "web.example"
                  }
                }
              ]
            },
            "volumes": [
              {
                "name": "data",
                "emptyDir": {}
              },
              {
                "name": "logs",
                "hostPath": {
                  "localPath": "/var/log"
                }
              }
            ]
          },
          "workloadId": "0b1f"
        }""",
    ),
    (wire.WorkloadStopRequest(workload_id="0b1f"), '{"workloadId":"0b1f"}'),
    (wire.WorkloadStatusRequest(workload_id="0b1f"), '{"workloadId":"0b1f"}'),
    (
        wire.WorkloadStartResponse(
            workload_status=wire.WorkloadStatus(
                workload_id="0b1f",
                workload_state=wire.WorkloadState.RUNNING,
                message="Workload started successfully",
            )
        ),
        (
            '{"workloadStatus":{"workloadId":"0b1f","workloadState":"WORKLOAD_STATE_RUNNING",'
            '"message":"Workload started successfully"}}'
        ),
    ),
    (wire.WorkloadStopResponse(), "{}"),
]


SMALL_HEARTBEAT = '{"id":"h","friendlyName":"h"}'


def heartbeat(field: str) -> str:
    """Return the smallest heartbeat with one more field."""
    return SMALL_HEARTBEAT.removesuffix("}") + f",{field}}}"


EQUAL_IN_MEANING: list[tuple[type[wire.Message], str, str]] = [
    (wire.HostHeartbeat, '{"id":"h","friendly_name":"h"}', SMALL_HEARTBEAT),
    (
        wire.HostHeartbeat,
        heartbeat('"systemMemoryTotal":12'),
        heartbeat('"systemMemoryTotal":"12"'),
    ),
    (wire.HostHeartbeat, heartbeat('"workloadCount":1e2'), heartbeat('"workloadCount":"100"')),
    (
        wire.HostHeartbeat,
        heartbeat('"workloadCount":"1e2"'),
        heartbeat('"workloadCount":"100"'),
    ),
    (wire.HostHeartbeat, heartbeat('"httpPort":"80"'), heartbeat('"httpPort":80')),
    (wire.HostHeartbeat, heartbeat('"httpPort":80.0'), heartbeat('"httpPort":80')),
    (
        wire.HostHeartbeat,
        heartbeat('"systemCpuUsage":"1.5"'),
        heartbeat('"systemCpuUsage":1.5'),
    ),
    (
        wire.HostHeartbeat,
        heartbeat('"labels":null,"version":null,"imports":null'),
        SMALL_HEARTBEAT,
    ),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":0,"componentCount":"0"'), SMALL_HEARTBEAT),
    (
        wire.HostHeartbeat,
        heartbeat('"startedAt":"2026-11-21T02:07:36.876990211+00:00"'),
        heartbeat('"startedAt":"2026-11-21T02:07:36.876990Z"'),
    ),
    (
        wire.HostHeartbeat,
        heartbeat('"startedAt":"2026-11-21T03:07:36+01:00"'),
        heartbeat('"startedAt":"2026-11-21T02:07:36Z"'),
    ),
    (
        wire.HostHeartbeat,
        heartbeat('"systemCpuUsage":3.4028235e38'),
        heartbeat('"systemCpuUsage":3.4028234663852886e38'),
    ),
    (
        wire.WorkloadStatusResponse,
        '{"workload_status":{"workload_state":4}}',
        '{"workloadStatus":{"workloadState":"WORKLOAD_STATE_STOPPING"}}',
    ),
    (wire.WorkloadStatusResponse, '{"workloadStatus":{"workloadState":0}}', "{}"),
    (
        wire.WorkloadStartRequest,
        '{"workloadId":"u","workload":{"volumes":[{"name":"v"},{"name":"w","hostPath":null}]}}',
        '{"workloadId":"u","workload":{"volumes":[{"name":"v","emptyDir":{}},{"name":"w","emptyDir":{}}]}}',
    ),
    (
        wire.WorkloadStartRequest,
        '{"workload_id":"u","workload":{"wit_world":{"components":[{"image_pull_policy":3,"local_resources":null}]}}}',
        '{"workloadId":"u","workload":{"witWorld":{"components":[{"imagePullPolicy":"IMAGE_PULL_POLICY_NEVER"}]}}}',
    ),
    (
        wire.WorkloadListResponse,
        '{"workloadStatus":[{"workloadId":"a","workloadState":2}]}',
        '{"workloadStatus":[{"workloadId":"a","workloadState":"WORKLOAD_STATE_RUNNING"}]}',
    ),
]


U64 = "must be an integer from 0 to 18446744073709551615"
TIME = "startedAt: must be a time in RFC 3339 with a time zone, such as 2026-01-31T12:00:00Z"
FLOAT = "systemCpuUsage: must be a finite number that a 32-bit float can hold"
STATE = "workloadStatus.workloadState: must be the name or number of a WorkloadState"
REFUSED: list[tuple[type[wire.Message], str, str]] = [
    (wire.HostHeartbeat, "", "not JSON: "),
    (wire.HostHeartbeat, "hello", "not JSON: "),
    (wire.HostHeartbeat, "[]", "must be a JSON object"),
    (wire.HostHeartbeat, "null", "must be a JSON object"),
    (wire.HostHeartbeat, '"x"', "must be a JSON object"),
    (wire.HostHeartbeat, "{", "not JSON: "),
    (wire.HostHeartbeat, '{"a":' * 5000, "not JSON: "),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":NaN'), "not JSON: "),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":Infinity'), "not JSON: "),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":' + "9" * 5000), "not JSON: "),
    (wire.HostHeartbeat, "{}", "id: field required; friendlyName: field required"),
    (wire.HostHeartbeat, '{"id":"","friendlyName":"h"}', "id: string should match pattern"),
    (wire.HostHeartbeat, '{"id":"a.b","friendlyName":"h"}', "id: string should match pattern"),
    (wire.HostHeartbeat, '{"id":"*","friendlyName":"h"}', "id: string should match pattern"),
    (wire.HostHeartbeat, '{"id":"h","friendlyName":"Not A Name"}', "friendlyName: string should match pattern"),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":-1'), f"systemMemoryTotal: {U64}"),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":"18446744073709551616"'), f"systemMemoryTotal: {U64}"),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":1.5'), f"systemMemoryTotal: {U64}"),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":"1e999"'), f"systemMemoryTotal: {U64}"),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":"1e-999"'), f"systemMemoryTotal: {U64}"),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":true'), f"systemMemoryTotal: {U64}"),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":""'), f"systemMemoryTotal: {U64}"),
    (wire.HostHeartbeat, heartbeat('"systemMemoryTotal":" 1"'), f"systemMemoryTotal: {U64}"),
    (wire.HostHeartbeat, heartbeat('"httpPort":4294967296'), "httpPort: must be an integer from 0 to 4294967295"),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":1e39'), FLOAT),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":1e999'), FLOAT),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":"1e999"'), FLOAT),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":"NaN"'), FLOAT),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":"Infinity"'), FLOAT),
    (wire.HostHeartbeat, heartbeat('"systemCpuUsage":true'), FLOAT),
    (wire.HostHeartbeat, heartbeat('"startedAt":1763690856'), TIME),
    (wire.HostHeartbeat, heartbeat('"startedAt":"2026-11-21"'), TIME),
    (wire.HostHeartbeat, heartbeat('"startedAt":"2026-11-21T02:07:36"'), TIME),
    (wire.HostHeartbeat, heartbeat('"startedAt":"2026-13-21T02:07:36Z"'), "startedAt: "),
    (
        wire.HostHeartbeat,
        heartbeat('"startedAt":"0001-01-01T00:00:00+01:00"'),
        "startedAt: must be a time from the year",
    ),
    (wire.HostHeartbeat, heartbeat('"labels":{"a":1}'), "labels.a: "),
    (wire.HostHeartbeat, heartbeat('"labels":{"a":null}'), "labels.a: "),
    (wire.HostHeartbeat, heartbeat('"labels":[]'), "labels: "),
    (wire.HostHeartbeat, heartbeat('"imports":{}'), "imports: "),
    (wire.HostHeartbeat, heartbeat('"imports":[null]'), "imports[0]: "),
    (wire.HostHeartbeat, heartbeat('"version":2'), "version: "),
    (wire.WorkloadStatusResponse, '{"workloadStatus":{"workloadState":7}}', STATE),
    (wire.WorkloadStatusResponse, '{"workloadStatus":{"workloadState":-1}}', STATE),
    (wire.WorkloadStatusResponse, '{"workloadStatus":{"workloadState":1.0}}', STATE),
    (wire.WorkloadStatusResponse, '{"workloadStatus":{"workloadState":true}}', STATE),
    (wire.WorkloadStatusResponse, '{"workloadStatus":{"workloadState":"RUNNING"}}', STATE),
    (wire.WorkloadStatusResponse, '{"workloadStatus":{"workloadState":[]}}', STATE),
    (wire.WorkloadStatusResponse, '{"workloadStatus":[]}', "workloadStatus: "),
    (wire.WorkloadStopRequest, "{}", "workloadId: field required"),
    (wire.WorkloadStopRequest, '{"workloadId":""}', "workloadId: string should have at least 1 character"),
    (wire.WorkloadStartRequest, '{"workloadId":"u"}', "workload: field required"),
    (
        wire.WorkloadStartRequest,
        '{"workloadId":"u","workload":{"volumes":[{"hostPath":{},"emptyDir":{}}]}}',
        "workload.volumes[0]: only one of hostPath and emptyDir may be set",
    ),
    (
        wire.WorkloadStartRequest,
        '{"workloadId":"u","workload":{"witWorld":{"components":[{},{"poolSize":2147483648}]}}}',
        "workload.witWorld.components[1].poolSize: must be an integer from -2147483648 to 2147483647",
    ),
    (
        wire.WorkloadStartRequest,
        '{"workloadId":"u","workload":{"service":{"maxRestarts":"-1"}}}',
        f"workload.service.maxRestarts: {U64}",
    ),
]
