"""Processes of ours: read line by line, and ended for certain."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from wasmcloud.children import Child, start_child

IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


async def python(program: str, tmp_path: Path) -> Child:
    return await start_child("child", [sys.executable, "-c", program], log=tmp_path / "child.log", is_read=True)


async def all_lines(child: Child) -> list[bytes]:
    lines = [line async for line in child.lines()]
    await child.process.wait()
    return lines


async def first_line(child: Child) -> bytes:
    async with aclosing(child.lines()) as lines:
        return await anext(lines)


async def test_each_line_is_told_and_logged(tmp_path: Path) -> None:
    child = await python("import sys; print('one', flush=True); print('two', file=sys.stderr)", tmp_path)
    assert await all_lines(child) == [b"one\n", b"two\n"]
    assert child.log.read_bytes() == b"one\ntwo\n"


async def test_a_line_without_end_is_left_out_and_the_next_is_not(tmp_path: Path) -> None:
    child = await python("print('x' * (3 << 20)); print('after')", tmp_path)
    lines = await all_lines(child)
    assert lines[-1] == b"after\n"
    assert all(len(line) <= 2 << 20 for line in lines)


async def test_a_log_does_not_grow_without_end(tmp_path: Path) -> None:
    child = await python("for _ in range(70 << 10): print('x' * 1023)", tmp_path)
    assert len(await all_lines(child)) == 70 << 10
    assert child.log.stat().st_size == 64 << 20


@pytest.mark.parametrize(
    ("program", "end"),
    [
        ("print('port in use'); print(); raise SystemExit(3)", "child ended (exit code 3): port in use"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "child ended (SIGKILL)."),
    ],
)
async def test_its_end_is_told(tmp_path: Path, program: str, end: str) -> None:
    child = await python(program, tmp_path)
    await all_lines(child)
    assert child.end() == end


async def test_what_does_not_stop_is_killed(tmp_path: Path) -> None:
    child = await python(IGNORES_SIGTERM, tmp_path)
    assert await first_line(child) == b"deaf\n"
    await child.stop(within_s=0.1)
    assert child.end().startswith("child ended (SIGKILL)")


async def test_a_stop_that_is_cancelled_kills(tmp_path: Path) -> None:
    child = await python(IGNORES_SIGTERM, tmp_path)
    assert await first_line(child) == b"deaf\n"
    stopping = asyncio.create_task(child.stop(within_s=600))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert child.process.returncode == -9
