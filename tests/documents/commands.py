"""The command blocks of our documents: which are run by whom, and running them.

A block of commands is fenced, in the language `sh`; the words after it say what becomes of it:

    run              run here, at the repository's root
    cluster          run by tests/e2e, on a cluster that has our images
    ... background   started; the next block is tried as soon as this says that it is ready, until it succeeds, and then
                     this ends by Ctrl-C
    not-run: REASON  can't be run by a test

A block in the language `text` right after one that is run is part of what that printed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ground.wait import eventually

ROOT = Path(__file__).parents[2]
WITHIN_S = 60
_SHELL = ("bash", "-euo", "pipefail", "-c")
# `wasmcloud up` says it of its replicas, kubectl of a port. Half an answer may have an effect that shows in the next.
_READY = re.compile(r": Running, (\d+) of \1 ready|^Forwarding from ", re.MULTILINE)
_FENCED = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a document."""

    document: str
    language: str
    how: str
    text: str


def documents() -> list[str]:
    """Every document that a user or a contributor reads, by its path from the root."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.split()


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    found = _FENCED.finditer((ROOT / document).read_text())
    return [
        Block(document, language, how.strip(), match["text"])
        for match in found
        for language, _, how in [match["info"].partition(" ")]
    ]


def lines_beside(document: str) -> list[str]:
    """The lines of a document that are in no fenced block."""
    return _FENCED.sub("", (ROOT / document).read_text()).splitlines()


def run(block: Block, environment: Mapping[str, str]) -> str:
    """Run its lines as a shell does, to the end, and return what they print."""
    done = subprocess.run(
        [*_SHELL, block.text],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, (
        f"{block.document}: exit code {done.returncode} of\n{block.text}{done.stdout}{done.stderr}"
    )
    return done.stdout


class EndedError(Exception):
    """What was to run in the background has ended: there is nothing to wait for."""


@contextmanager
def running(block: Block, environment: Mapping[str, str], log: Path) -> Iterator[Callable[[], None]]:
    """Run its lines for as long as this is entered. What is yielded fails while they are not ready, and raises
    `EndedError` once they have ended.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            [*_SHELL, block.text],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def must_run() -> None:
        if process.poll() is not None:
            raise EndedError(f"{block.document}: ended too early:\n{block.text}{log.read_text()}")

    def must_be_ready() -> None:
        must_run()
        assert _READY.search(log.read_text()), f"{block.document}: it doesn't say that it is ready:\n{block.text}"

    try:
        yield must_be_ready
        must_run()
    finally:
        # As a terminal does it: Ctrl-C goes to every process of the session.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(WITHIN_S)


def run_beside(must_be_ready: Callable[[], None], block: Block, environment: Mapping[str, str], log: Path) -> str:
    """Run its lines until they succeed, for as long as what they talk to, which writes to `log`, is ready."""

    def attempt() -> str:
        must_be_ready()
        return run(block, environment)

    try:
        return eventually(attempt, within_s=WITHIN_S)
    except AssertionError as failure:
        raise AssertionError(f"{failure}\nbeside:\n{log.read_text()}") from None


def run_document(document: str, how: str, environment: Mapping[str, str], log: Path) -> None:
    """Run the blocks that are to be run so, in order, and compare what is said to be printed."""
    printed = ""
    with ExitStack() as background:
        ready: Callable[[], None] | None = None
        for block in blocks(document):
            if block.how == f"{how} background":
                ready = background.enter_context(running(block, environment, log))
            elif block.how == how:
                printed = run_beside(ready, block, environment, log) if ready else run(block, environment)
                background.close()
                ready = None
            elif block.language == "text" and printed:
                assert block.text in printed, f"{document}: it prints\n{printed}"
            else:
                printed = ""
