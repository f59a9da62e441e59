"""Processes that never outlive `wasmcloud up`, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LONGEST_LINE_BYTES = 1 << 20
_LONGEST_LOG_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Child:
    """A process we started. ``log`` has what it wrote."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    async def stop(self, within_s: float) -> None:
        """Ask it to end (SIGTERM), and end it when it hasn't within the time, or when we are cancelled meanwhile."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                await self.process.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
            await self.process.wait()

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield what it writes until it ends, and copy it to the log, up to 64 MiB. Lines beyond 1 MiB are left out."""
        if self.process.stdout is None:
            return
        room_bytes = _LONGEST_LOG_BYTES
        with self.log.open("ab", buffering=0) as log:
            while True:
                try:
                    line = await self.process.stdout.readline()
                except ValueError:  # longer than the limit; readline has dropped it
                    continue
                if not line:
                    return
                room_bytes -= len(line)
                if room_bytes >= 0:
                    log.write(line)
                yield line

    def end(self) -> str:
        """Say how it ended: a signal or an exit code, and the last line that it wrote."""
        code = self.process.returncode
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        lines = self.log.read_text(errors="replace").split("\n")
        words = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{self.name} ended ({how}){f': {words}' if words else '.'}"

    def _signal(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


async def start_child(
    name: str,
    arguments: Sequence[str],
    *,
    log: Path,
    is_read: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start a process in a session of its own, so that Ctrl-C reaches us alone and we end it in order.

    With ``is_read`` somebody must read ``lines``; else all it writes goes to the log.
    """
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if is_read else output,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            limit=_LONGEST_LINE_BYTES,
            start_new_session=True,
            preexec_fn=_ends_with_parent(),
        )
    return Child(name, process, log)


def _ends_with_parent() -> Callable[[], None] | None:
    """Make the kernel kill the child when we die without having stopped it. Only Linux can."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # we died between fork and prctl
            os._exit(1)

    return before_exec
