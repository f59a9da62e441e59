"""A person's terminal, and folders of manifests to use in it."""

from __future__ import annotations

import http.client
import os
import signal
import sysconfig
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pyte
import pytest
import yaml
from ground.oci_registry import OciRegistry
from ground.process import free_ports

REPOSITORY = Path(__file__).parents[3]
GUESTS = REPOSITORY / "tests" / "guests"
COUNTER = REPOSITORY / "examples" / "counter"
HELLO = REPOSITORY / "examples" / "hello"
COMMAND = Path(sysconfig.get_path("scripts")) / "wasmcloud"
PATIENCE_S = 60.0


class Terminal:
    """A program in a pseudo-terminal, and what a person would see of it."""

    def __init__(
        self, arguments: list[str], *, folder: Path, environment: Mapping[str, str], size: tuple[int, int]
    ) -> None:
        rows, columns = size
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            str(COMMAND),
            arguments,
            cwd=str(folder),
            env=dict(environment),
            dimensions=size,
            timeout=PATIENCE_S,
            preexec_fn=_heed_hangups,
        )

    def shown(self) -> str:
        """The screen as it is now, without what scrolled away."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def wait_for(self, *texts: str, without: str | None = None, within_s: float = PATIENCE_S) -> str:
        """Watch until the screen shows all the texts (and lacks ``without``), and return it."""

        def is_there(screen: str) -> bool:
            return all(text in screen for text in texts) and (without is None or without not in screen)

        deadline = time.monotonic() + within_s
        while not is_there(self.shown()):
            is_open = self._read()
            if (not is_open and not is_there(self.shown())) or time.monotonic() > deadline:
                why = "the program ended" if not is_open else f"not within {within_s:g} s"
                raise AssertionError(f"waiting for {texts}: {why}; the screen:\n{self.shown()}")
        return self.shown()

    def end(self, within_s: float = PATIENCE_S) -> int:
        """Read until the program has ended, and return its exit code (128 + the signal that killed it)."""
        deadline = time.monotonic() + within_s
        while self._read():
            assert time.monotonic() < deadline, f"still running after {within_s:g} s; the screen:\n{self.shown()}"
        self.child.wait()
        return 128 + self.child.signalstatus if self.child.signalstatus else int(self.child.exitstatus or 0)

    def press_ctrl_c(self) -> None:
        self.child.sendintr()

    def processes(self) -> list[psutil.Process]:
        """Everything that the command has started and that runs."""
        found: list[psutil.Process] = psutil.Process(self.child.pid).children(recursive=True)
        return found

    def _read(self) -> bool:
        """Take what there is to read; False when nothing will come any more."""
        try:
            self._stream.feed(self.child.read_nonblocking(65536, timeout=0.1))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True


def _heed_hangups() -> None:
    """A shell at a terminal does, also when the suite itself runs under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass
class Desk:
    """A folder to work in, with temporary and cache folders of its own."""

    folder: Path
    temporary: Path
    cache: Path
    port: int
    terminals: list[Terminal] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "TERM": "xterm-256color", "TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.cache)}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def type(self, *arguments: str, size: tuple[int, int] = (40, 240)) -> Terminal:
        """Start `wasmcloud ARGUMENTS` as a person would."""
        terminal = Terminal(list(arguments), folder=self.folder, environment=self.environment, size=size)
        self.terminals.append(terminal)
        return terminal

    def up(self, *arguments: str) -> Terminal:
        """Start `wasmcloud up ARGUMENTS` on this desk's own port."""
        return self.type("up", "--http", self.address, *arguments)

    def write(self, name: str, *documents: object) -> Path:
        """A manifest of these documents; a text is written as it is."""
        texts = [one if isinstance(one, str) else yaml.safe_dump(one, sort_keys=False) for one in documents]
        path = self.folder / name
        path.write_text("---\n".join(texts))
        return path

    def copy(self, source: Path, name: str | None = None) -> Path:
        path = self.folder / (name or source.name)
        path.write_bytes(source.read_bytes())
        return path

    def left_behind(self) -> list[str]:
        return sorted(path.name for path in self.temporary.iterdir())


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of compiled components for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def oci_registry(tmp_path: Path) -> Iterator[OciRegistry]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with OciRegistry(folder) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, compiled: Path) -> Iterator[Desk]:
    folder, temporary = tmp_path / "work", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    made = Desk(folder, temporary, compiled, free_ports(2)[0])
    yield made
    for terminal in made.terminals:
        if terminal.child.isalive():
            terminal.child.kill(signal.SIGKILL)
            terminal.child.wait()
        terminal.child.close()


def deployment(
    name: str = "hello", image: str = "file://hello.wasm", host: str | None = None, replicas: int = 1
) -> dict[str, Any]:
    http = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"]}
    return {
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "template": {
                "spec": {
                    "hostInterfaces": [{**http, "config": {"host": host or f"{name}.localhost"}}],
                    "components": [{"name": name, "image": image}],
                }
            },
        },
    }


def get(port: int, host: str = "hello.localhost", path: str = "/") -> tuple[int, str]:
    """Status and body of a request; status 0 when nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionError:
        return 0, ""
    finally:
        connection.close()
