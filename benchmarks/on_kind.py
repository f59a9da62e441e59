"""What an installation on a cluster costs: the first answer, a deployment's first answer, memory at rest, image sizes.

    make images && .venv/bin/python benchmarks/on_kind.py

On a kind cluster of its own. Beside the first answer stands what the same pod sees without us: how long the cluster's
network takes to follow an EndpointSlice that it writes itself, and a bare POST to the same API server. All of this once
with kube-proxy as it comes, and once with its `minSyncPeriod` turned down.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from ground.helm import CHART  # noqa: E402  # after the path is set
from ground.kind_cluster import KindCluster, fetch  # noqa: E402
from ground.wait import eventually  # noqa: E402

RUNS = 20
MIN_SYNC_PERIOD = "100ms"  # 0s would be taken for "not set", which is a second
HELLO = ROOT / "examples" / "hello" / "workload.yaml"
RIGHTS = "services,endpointslices.discovery.k8s.io,workloaddeployments.runtime.wasmcloud.dev,configmaps"
RSS = (
    "import glob; [print(open(f'{p}/comm').read().strip(), l.split()[1]) for p in glob.glob('/proc/[0-9]*')"
    " for l in open(f'{p}/status') if l.startswith('VmRSS')]"
)


def images() -> dict[str, str]:
    version = re.search(r"^appVersion: (\S+)$", (CHART / "Chart.yaml").read_text(), re.MULTILINE)
    nats = re.search(r"repository: nats\n.*\n +tag: (\S+)", (CHART / "values.yaml").read_text())
    assert version is not None
    assert nats is not None
    own = {name: f"ghcr.io/wasmcloud/wasmcloud-{name}:{version[1]}" for name in ("operator", "host")}
    return {**own, "nats": f"nats:{nats[1]}"}


def megabytes(image: str) -> int:
    shown = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Size}}", image], capture_output=True, text=True, check=True
    )
    return int(shown.stdout) // 1_000_000


def install_to_answer(cluster: KindCluster) -> float:
    """Seconds from `helm install` to hello's first answer; the images are in the nodes."""
    started_s = time.monotonic()
    cluster.helm("install", "wasmcloud", str(CHART))
    cluster.kubectl("apply", "-f", str(HELLO))
    cluster.kubectl("wait", "--for=condition=Ready", "workloaddeployment/hello", "--timeout=180s", timeout_s=200)
    with cluster.forwarded("service/wasmcloud-host-default", 80) as url:
        eventually(lambda: fetch(url, "hello.localhost"), within_s=60)
    return time.monotonic() - started_s


def let_measure(cluster: KindCluster) -> None:
    """Pods of the default account may apply and take away, and find the script to do so."""
    cluster.kubectl("create", "role", "measure", "--verb=create,delete,get,list", f"--resource={RIGHTS}")
    cluster.kubectl("create", "rolebinding", "measure", "--role=measure", "--serviceaccount=default:default")
    cluster.kubectl("create", "configmap", "measure", f"--from-file={Path(__file__).parent / 'apply_in_cluster.py'}")


def turn_down(cluster: KindCluster) -> None:
    """kube-proxy writes its rules again `MIN_SYNC_PERIOD` after it last did, where its default is a second."""
    settings = cluster.get("configmap/kube-proxy", "--namespace=kube-system")
    config: dict[str, Any] = yaml.safe_load(settings["data"]["config.conf"])
    config["iptables"]["minSyncPeriod"] = MIN_SYNC_PERIOD
    settings["data"]["config.conf"] = yaml.safe_dump(config)
    cluster.kubectl("replace", "-f", "-", stdin=json.dumps(settings))
    cluster.kubectl("rollout", "restart", "daemonset/kube-proxy", "--namespace=kube-system")
    cluster.kubectl("rollout", "status", "daemonset/kube-proxy", "--namespace=kube-system", "--timeout=110s")


def apply_to_answer(cluster: KindCluster, image: str) -> dict[str, list[float]]:
    """Milliseconds, measured by a pod that applies a deployment and asks for it."""
    container = {
        "name": "measure",
        "image": image,
        "command": ["python3", "/measure/apply_in_cluster.py", str(RUNS)],
        "volumeMounts": [{"name": "script", "mountPath": "/measure"}],
    }
    volumes = [{"name": "script", "configMap": {"name": "measure"}}]
    spec = {"restartPolicy": "Never", "containers": [container], "volumes": volumes}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "measure"}, "spec": spec}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/measure", "--timeout=600s", timeout_s=630)
    measured: dict[str, list[float]] = json.loads(cluster.kubectl("logs", "measure"))
    cluster.kubectl("delete", "pod/measure")
    return measured


def summary(values_ms: list[float]) -> str:
    ordered = sorted(values_ms)
    return f"p50 {statistics.median(ordered):.0f}, best {ordered[0]:.0f}, worst {ordered[-1]:.0f}"


def memory_mb(cluster: KindCluster) -> dict[str, float]:
    """Resident memory of each program, in MB."""
    pods = {"operator": "deployment/wasmcloud-operator", "host": "deployment/wasmcloud-host-default"}
    programs = {"operator": "wasmcloud-opera", "host": "wasmcloud-host", "NATS": "nats-server"}
    found = {}
    for name, program in programs.items():
        # NATS' image has nothing but NATS in it; the container beside it sees its processes.
        target = [pods[name]] if name in pods else ["pod/wasmcloud-nats-0", "--container", "reload"]
        shown = cluster.kubectl("exec", *target, "--", "python3", "-c", RSS)
        found[name] = next(int(line.split()[1]) for line in shown.splitlines() if line.startswith(program)) / 1000
    return found


def main() -> None:
    names = images()
    with (
        tempfile.TemporaryDirectory() as directory,
        KindCluster("wasmcloud-figures", Path(directory)) as cluster,
    ):
        cluster.load(list(names.values()))
        install_s = install_to_answer(cluster)
        memory = memory_mb(cluster)
        let_measure(cluster)
        as_it_comes = apply_to_answer(cluster, names["operator"])
        turn_down(cluster)
        turned_down = apply_to_answer(cluster, names["operator"])
    print(f"| milliseconds | kube-proxy as it comes | `minSyncPeriod: {MIN_SYNC_PERIOD}` |\n|---|---|---|")
    for name, values in as_it_comes.items():
        print(f"| {name} | {summary(values)} | {summary(turned_down[name])} |")
    print("\n| | |\n|---|---|")
    print(f"| `helm install` -> hello answers | {install_s:.1f} s |")
    print(f"| resident memory at rest | {', '.join(f'{name} {mb:.0f} MB' for name, mb in memory.items())} |")
    print(f"| images, base included | {', '.join(f'{name} {megabytes(image)} MB' for name, image in names.items())} |")


if __name__ == "__main__":
    main()
