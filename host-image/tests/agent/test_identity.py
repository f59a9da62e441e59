from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_host.identity import Seat, identity_of, object_name, take_seat
from wasmcloud_host.settings import Settings

RFC_1123 = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def test_a_host_started_again_is_the_same_host(tmp_path: Path) -> None:
    first = take_seat(tmp_path)
    first.lock.close()
    again = take_seat(tmp_path)
    again.lock.close()
    assert (again.number, again.id) == (first.number, first.id)


def test_two_hosts_on_one_cache_directory_are_two_hosts(tmp_path: Path) -> None:
    one, other = take_seat(tmp_path), take_seat(tmp_path)
    names = [identity_of(Settings(), "laptop", seat).name for seat in (one, other)]
    one.lock.close()
    other.lock.close()
    assert one.id != other.id
    assert names == ["laptop", "laptop-1"]


def test_a_spoilt_id_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "host-id-0").write_text("a.b.>")
    seat = take_seat(tmp_path)
    seat.lock.close()
    assert re.fullmatch(r"[0-9a-f-]{36}", seat.id)
    assert (tmp_path / "host-id-0").read_text() == seat.id


def test_a_directory_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        take_seat(tmp_path / "file" / "cache")


def test_flag_before_pod_before_seat(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        seat = Seat(0, "seat-id", lock)
        assert identity_of(Settings(host_id="given", pod_uid="pod"), "laptop", seat).id == "given"
        assert identity_of(Settings(pod_uid="pod"), "laptop", seat).id == "pod"
        assert identity_of(Settings(), "laptop", seat).id == "seat-id"


def test_a_pods_name_is_its_hosts_name() -> None:
    assert identity_of(Settings(pod_uid="uid"), "wasmcloud-host-6d9f-x7", None).name == "wasmcloud-host-6d9f-x7"


def test_a_given_name_wins() -> None:
    assert identity_of(Settings(host_id="a", friendly_name="edge.one"), "laptop", None).name == "edge.one"


def test_hosts_with_ids_of_their_own_have_names_of_their_own() -> None:
    names = {identity_of(Settings(host_id=host_id), "Laptop_2.local", None).name for host_id in ("a", "B_c")}
    assert names == {"laptop-2.local-a", "laptop-2.local-b-c"}


@given(st.text(max_size=300))
def test_any_machine_name_becomes_an_object_name(hostname: str) -> None:
    name = object_name(hostname)
    assert len(name) <= 63
    assert RFC_1123.fullmatch(name)
