"""The folder of a run: private, gone afterwards, and cleared by the next run when this one was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from wasmcloud.complaints import Broken, CannotRun
from wasmcloud.run_folder import run_folder
from wasmcloud.up import _no_traceback


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_only_we_may_look_and_nothing_stays(temporary: Path) -> None:
    with run_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "nats-server.log").write_text("ready")
    assert list(temporary.iterdir()) == []


def run_that_raises(error: Exception) -> None:
    with run_folder() as folder:
        (folder / "nats.conf").write_text("a secret")
        (folder / "nats-server.log").write_text("ready")
        raise error


def test_nothing_stays_of_a_run_that_could_not_start(temporary: Path) -> None:
    with pytest.raises(CannotRun):
        run_that_raises(CannotRun("no"))
    assert list(temporary.iterdir()) == []


def test_logs_of_a_broken_run_stay_and_nothing_else(temporary: Path) -> None:
    with pytest.raises(Broken) as broken:
        run_that_raises(Broken("no"))
    assert broken.value.logs is not None
    assert [path.name for path in broken.value.logs.iterdir()] == ["nats-server.log"]
    assert list(temporary.iterdir()) == [broken.value.logs]


def test_a_killed_run_is_cleared_by_the_next_and_a_running_one_is_not(temporary: Path) -> None:
    program = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from wasmcloud.run_folder import run_folder\n"
        "with run_folder() as folder: print(folder, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(temporary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
        with run_folder():
            assert folder.exists()
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert folder.exists()
    with run_folder():
        assert not folder.exists()


def test_a_temporary_folder_that_is_none_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(CannotRun, match="No temporary folder can be made"), run_folder():
        pass


def test_a_mistake_of_ours_is_a_sentence_and_its_traceback_a_log(temporary: Path) -> None:
    def run_with_a_mistake() -> None:
        with run_folder() as folder, _no_traceback(folder):
            raise ExceptionGroup("of tasks", [TypeError("none of it")])

    with pytest.raises(Broken, match="This is a mistake of wasmcloud itself") as broken:
        run_with_a_mistake()
    assert broken.value.logs is not None
    assert "TypeError: none of it" in (broken.value.logs / "wasmcloud.log").read_text()
