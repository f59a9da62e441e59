from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_host.machine import CgroupMemory, Machine, cgroup_memory, this_platform, within_cgroup

GIB = 2**30
BYTES = st.integers(min_value=0, max_value=2**50)


def test_cgroup_version_2(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 200\n")
    assert cgroup_memory(tmp_path) == CgroupMemory(GIB, 500)


def test_cgroup_version_1(tmp_path: Path) -> None:
    old = tmp_path / "memory"
    old.mkdir()
    (old / "memory.limit_in_bytes").write_text("1000")
    (old / "memory.usage_in_bytes").write_text("900")
    (old / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 300\n")
    assert cgroup_memory(tmp_path) == CgroupMemory(1000, 600)


def test_no_limit_is_no_cgroup(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("700\n")
    assert cgroup_memory(tmp_path) is None
    assert cgroup_memory(tmp_path / "nothing here") is None


def test_a_lower_limit_is_what_counts() -> None:
    assert within_cgroup(8 * GIB, 6 * GIB, CgroupMemory(2 * GIB, GIB)) == (2 * GIB, GIB)
    assert within_cgroup(8 * GIB, GIB // 2, CgroupMemory(2 * GIB, GIB)) == (2 * GIB, GIB // 2)
    assert within_cgroup(8 * GIB, 6 * GIB, CgroupMemory(2**63, GIB)) == (8 * GIB, 6 * GIB)


@given(BYTES, BYTES, BYTES, BYTES)
def test_free_is_never_negative_or_more_than_the_machine_has(total: int, free: int, limit: int, used: int) -> None:
    seen_total, seen_free = within_cgroup(total, min(free, total), CgroupMemory(limit, used))
    assert 0 <= seen_free <= seen_total <= total


def test_figures_are_read_once_a_second_however_often_they_are_asked_for() -> None:
    now = 100.0
    machine = Machine(clock=lambda: now)
    first = machine.figures()
    now = 100.9
    assert machine.figures() is first
    now = 101.0
    assert machine.figures() is not first


def test_this_machine_has_figures() -> None:
    figures, platform = Machine().figures(), this_platform()
    assert figures.memory_total_bytes > figures.memory_free_bytes > 0
    assert platform.os_arch
    assert platform.os_kernel
