"""The images as docker runs them: no root, nothing to write to, an end on SIGTERM."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ground.wait import eventually

SETTINGS = {"operator": ["--env", "OPERATOR_NAMESPACE=default"], "host": []}
HOST_FLAGS = ["--oci-cache-dir=/tmp/cache", "--web-addr=127.0.0.1:8081"]
LOCKED_DOWN = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network=none"]


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(params=["operator", "host"])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def image(name: str, images: list[str]) -> str:
    return next(one for one in images if one.rpartition(":")[0].endswith(f"-{name}"))


@contextmanager
def started(image: str, *arguments: str) -> Iterator[str]:
    """A container that runs, locked down as in the chart; its id."""
    done = docker("run", "--detach", *LOCKED_DOWN, image, *arguments)
    assert done.returncode == 0, done.stderr
    container = done.stdout.strip()
    try:
        yield container
    finally:
        docker("rm", "--force", container)


def logs(container: str) -> str:
    done = docker("logs", container)
    return done.stdout + done.stderr


def test_it_runs_as_nobody_special(image: str) -> None:
    assert docker("image", "inspect", "--format", "{{.Config.User}}", image).stdout.strip() == "65532:65532"
    done = docker("run", "--rm", *LOCKED_DOWN, "--entrypoint", "id", image, "-u")
    assert done.stdout.strip() == "65532"


def test_it_says_what_it_is(image: str, name: str) -> None:
    shown = docker("image", "inspect", "--format", '{{index .Config.Labels "org.opencontainers.image.title"}}', image)
    assert shown.stdout.strip() == f"wasmcloud-{name}"


def test_a_mistake_is_one_sentence(image: str, name: str) -> None:
    done = docker("run", "--rm", *LOCKED_DOWN, *SETTINGS[name], image, "--no-such-flag")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"wasmcloud-{name}: unknown: --no-such-flag; see --help\n"


def test_the_operator_without_settings_says_what_is_missing(images: list[str]) -> None:
    done = docker("run", "--rm", *LOCKED_DOWN, images[0])
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "OPERATOR_NAMESPACE" in done.stderr


def test_the_host_ends_on_sigterm_and_writes_nothing_but_its_cache(images: list[str]) -> None:
    """As the first process a program has no default action for SIGTERM: it is ignored where nobody handles it."""
    with started(images[1], *HOST_FLAGS) as container:

        def is_waiting() -> None:
            assert "nats_connect_failed" in logs(container), logs(container)

        eventually(is_waiting, within_s=60)
        assert docker("stop", "--time", "60", container).returncode == 0
        state = docker("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", container).stdout.split()
        assert state == ["0", "false"], logs(container)


def test_the_examples_are_in_the_hosts_image(images: list[str]) -> None:
    done = docker("run", "--rm", *LOCKED_DOWN, "--entrypoint", "ls", images[1], "/usr/share/wasmcloud/examples")
    assert done.stdout.split() == ["counter.wasm", "hello-p3.wasm", "hello.wasm"]


def test_the_operator_has_only_what_it_imports_of_the_kubernetes_client(images: list[str]) -> None:
    """And the classes that it has can be imported: dropping has not cut into what is used."""
    imports = "import wasmcloud_operator.__main__, wasmcloud_operator.app, kubernetes.aio.client.models as m, pathlib"
    count = "print(len(list(pathlib.Path(m.__file__).parent.glob('*.py'))))"
    done = docker("run", "--rm", *LOCKED_DOWN, "--entrypoint", "python3", images[0], "-c", f"{imports}; {count}")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20
    unused = "from kubernetes.aio.client import V1Pod"
    done = docker("run", "--rm", *LOCKED_DOWN, "--entrypoint", "python3", images[0], "-c", unused)
    assert "ModuleNotFoundError" in done.stderr
