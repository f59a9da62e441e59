from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from wasmcloud_host.artifacts import PullError, file_artifact


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    directory = tmp_path / "allowed"
    (directory / "sub").mkdir(parents=True)
    (directory / "hello.wasm").write_bytes(b"hello")
    (directory / "sub" / "deep.wasm").write_bytes(b"deep")
    (tmp_path / "secret").write_text("secret")
    return directory.resolve()


@pytest.mark.parametrize("name", ["file://hello.wasm", "file://./hello.wasm", "file://sub/../hello.wasm"])
def test_relative_to_the_directory(allowed: Path, name: str) -> None:
    artifact = file_artifact(name, [allowed])
    assert artifact.path == allowed / "hello.wasm"
    assert artifact.digest == f"sha256:{hashlib.sha256(b'hello').hexdigest()}"


def test_absolute_inside_the_directory(allowed: Path) -> None:
    assert file_artifact(f"file://{allowed}/sub/deep.wasm", [allowed]).path == allowed / "sub" / "deep.wasm"


def test_the_first_directory_that_has_it(allowed: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert file_artifact("file://hello.wasm", [empty.resolve(), allowed]).path == allowed / "hello.wasm"


@pytest.mark.parametrize(
    "name", ["file://../secret", "file:///etc/hostname", "file:///nowhere/at/all", "file://out.wasm"]
)
def test_nothing_outside_even_when_it_is_not_there(allowed: Path, name: str) -> None:
    (allowed / "out.wasm").symlink_to("../secret")
    with pytest.raises(PullError, match="leads out of the directories of --allow-file-images"):
        file_artifact(name, [allowed])


@pytest.mark.parametrize("name", ["file://missing.wasm", "file://", "file://sub", "file://sub/"])
def test_no_such_file(allowed: Path, name: str) -> None:
    with pytest.raises(PullError, match="no such file in"):
        file_artifact(name, [allowed])


def test_a_link_inside_is_followed(allowed: Path) -> None:
    (allowed / "link.wasm").symlink_to("sub/deep.wasm")
    assert file_artifact("file://link.wasm", [allowed]).path == allowed / "sub" / "deep.wasm"


def test_without_the_flag_no_file_is_an_image() -> None:
    with pytest.raises(PullError, match="without --allow-file-images"):
        file_artifact("file://hello.wasm", [])
