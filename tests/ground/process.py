"""Programs that tests start: a log file each, stopped by pid, gone when the test run goes."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_LOWEST_PORT: Final = 10_000
_PORTS_OF_CONNECTIONS: Final = 32_768
"""Linux takes the ports of outgoing connections from here on (ip_local_port_range)."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback, in a row, that nobody listens on.

    They are below those that the system gives to outgoing connections: one of these could take a port between this
    and the start of the program that is told it.
    """
    while True:
        first = random.randrange(_LOWEST_PORT, _PORTS_OF_CONNECTIONS - count)  # nothing secret
        ports = list(range(first, first + count))
        with ExitStack() as held, suppress(OSError):
            for port in ports:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return ports


def printed(
    argv: Sequence[str],
    failure: type[Exception],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float,
) -> str:
    """What a program printed. Raises `failure`, with what it complained of, when it fails or isn't done in time."""
    name = " ".join([Path(argv[0]).name, *argv[1:]])
    try:
        done = subprocess.run(
            argv, input=stdin, env=env, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise failure(f"{name}: not done within {timeout_s} s") from None
    if done.returncode != 0:
        raise failure(f"{name}: {done.stderr.strip()}\n{done.stdout.strip()}")
    return done.stdout


class Process:
    """A program with its log; starting it again appends to the same log."""

    def __init__(self, name: str, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
        """`env` is added to the environment of the test run."""
        self.name = name
        self.log = log
        self._argv = [str(part) for part in argv]
        self._env = {**os.environ, **(env or {})}
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._running is not None, f"{self.name} is not running"
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        """Start it; a program that is running already is an error of the test."""
        assert not self.is_running, f"{self.name} runs already, pid {self.pid}"
        # A test run that is killed can't clean up: the kernel ends what it started.
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [*guard, *self._argv], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self._env
            )

    def stop(self, within_s: float = 20) -> None:
        """SIGTERM, and SIGKILL when the deadline passes. Nothing happens to a program that has ended."""
        if self._running is None:
            return
        self._running.terminate()
        try:
            self._running.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._running = None

    def wait(self, within_s: float = 20) -> int:
        """Its exit code, once it has ended by itself or by a signal that the test sent."""
        assert self._running is not None, f"{self.name} was not started"
        try:
            return self._running.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {within_s} s:\n{self.log_tail()}") from None

    def kill(self) -> None:
        """SIGKILL, as a crash or the kernel's out-of-memory killer would."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None

    def assert_running(self) -> None:
        """Fail with the end of the log when it has ended by itself."""
        if not self.is_running:
            raise RuntimeError(f"{self.name} has ended; its log's last lines:\n{self.log_tail()}")

    def log_tail(self, line_count: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-line_count:])
