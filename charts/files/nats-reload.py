"""Tells nats-server to read its configuration and certificates anew when the kubelet has renewed them in its volumes.

nats-server does that on SIGHUP and keeps its connections. It runs in another container of the pod, which shares its
processes; volumes that Kubernetes mounts change by a new target of their link `..data`.
"""
# ruff: noqa: INP001  # no package: mounted into a pod

import os
import signal
import sys
import time
from pathlib import Path

PID_FILE = Path("/run/nats/nats.pid")
EVERY_S = 5


def content(volumes: list[Path]) -> list[Path]:
    """Return where the volumes' contents are: other directories after each change."""
    return [(volume / "..data").readlink() for volume in volumes]


def main(volumes: list[Path]) -> None:
    """Signal nats-server after each change, until SIGTERM."""
    # As the container's first process Python would otherwise not hear of the pod's end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    seen = content(volumes)
    while True:
        time.sleep(EVERY_S)
        if (now := content(volumes)) == seen:
            continue
        try:
            os.kill(int(PID_FILE.read_text()), signal.SIGHUP)
        except (OSError, ValueError) as error:
            print(f"nats-server was not told, trying again: {error}", flush=True)
            continue
        seen = now
        print("nats-server reads its configuration and certificates anew", flush=True)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
