"""From `-f` to objects: several files and documents, folders, standard input, local components."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud.complaints import BadInput
from wasmcloud.components import Components
from wasmcloud.documents import STDIN, read_documents
from wasmcloud.manifests import Identity, read_manifests

from .conftest import deployment

COMPONENT = b"\0asm\x0d\0\x01\0"


@pytest.fixture
def components(tmp_path: Path) -> Components:
    return Components(tmp_path / "staged")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (made / "hello.wasm").write_bytes(COMPONENT)
    return made


def image_of(body: Any) -> str:
    return str(body["spec"]["template"]["spec"]["components"][0]["image"])


def test_documents_of_files_and_folders_come_together(folder: Path, components: Components) -> None:
    (folder / "manifests").mkdir()
    (folder / "manifests" / "b.yml").write_text(yaml.safe_dump(deployment("b", image="ghcr.io/acme/b:1")))
    (folder / "manifests" / "a.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}')
    (folder / "manifests" / "notes.txt").write_text("not read")
    one, two = yaml.safe_dump(deployment("one")), yaml.safe_dump(deployment("two"))
    (folder / "all.yaml").write_text(f"---\n{one}---\n# nothing here\n---\n{two}")
    read = read_manifests([folder / "all.yaml", folder / "manifests"], components)
    assert sorted(str(identity) for identity in read.objects) == [
        "ConfigMap default/a",
        "WorkloadDeployment default/b",
        "WorkloadDeployment default/one",
        "WorkloadDeployment default/two",
    ]
    files = [
        folder / "all.yaml",
        folder / "manifests" / "a.json",
        folder / "manifests" / "b.yml",
        folder / "hello.wasm",
    ]
    assert list(read.files) == [file.resolve() for file in files]


def test_namespace_is_default_unless_given(folder: Path, components: Components) -> None:
    there = deployment() | {"metadata": {"name": "hello", "namespace": "shop"}}
    (folder / "all.yaml").write_text(yaml.safe_dump_all([deployment(), there]))
    read = read_manifests([folder / "all.yaml"], components)
    assert set(read.objects) == {Identity("WorkloadDeployment", n, "hello") for n in ("default", "shop")}
    assert all(body["metadata"]["namespace"] == identity.namespace for identity, body in read.objects.items())


def test_a_local_image_is_a_copy_named_by_its_content(folder: Path, components: Components) -> None:
    (folder / "hello.yaml").write_text(yaml.safe_dump(deployment()))

    def image() -> str:
        (body,) = read_manifests([folder / "hello.yaml"], components).objects.values()
        return image_of(body)

    first = image()
    assert Path(first.removeprefix("file://")).read_bytes() == COMPONENT
    assert image() == first
    (folder / "hello.wasm").write_bytes(COMPONENT + b"more")
    assert image() != first
    assert components.as_written(f"failed to pull {first}") == f"failed to pull {folder / 'hello.wasm'}"


def test_an_image_in_a_registry_stays(folder: Path, components: Components) -> None:
    (folder / "hello.yaml").write_text(yaml.safe_dump(deployment(image="ghcr.io/acme/hello:1")))
    (body,) = read_manifests([folder / "hello.yaml"], components).objects.values()
    assert image_of(body) == "ghcr.io/acme/hello:1"


def test_images_are_relative_to_their_manifest_and_may_be_absolute(folder: Path, components: Components) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "a.yaml").write_text(yaml.safe_dump(deployment("a", image="file://../hello.wasm")))
    (folder / "deep" / "b.yaml").write_text(yaml.safe_dump(deployment("b", image=f"file://{folder}/hello.wasm")))
    read = read_manifests([folder / "deep"], components)
    assert len({image_of(body) for body in read.objects.values()}) == 1


def test_one_component_of_several_workloads_is_copied_once(folder: Path, components: Components) -> None:
    (folder / "a.yaml").write_text(
        "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Workload\nmetadata: {name: a}\n"
        "spec: {components: [{name: x, image: file://hello.wasm}]}\n"
        "---\napiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: WorkloadReplicaSet\nmetadata: {name: b}\n"
        "spec: {template: {spec: {components: [{name: x, image: file://hello.wasm}], hostSelector: {}}}}\n"
    )
    read = read_manifests([folder / "a.yaml"], components)
    assert len(read.images) == 1
    assert read.files == tuple(path.resolve() for path in (folder / "a.yaml", folder / "hello.wasm"))


def test_copies_that_nothing_names_are_deleted(folder: Path, components: Components) -> None:
    old = components.staged(folder / "hello.wasm")
    (folder / "hello.wasm").write_bytes(COMPONENT + b"more")
    new = components.staged(folder / "hello.wasm")
    components.forget_all_but({new})
    assert not Path(old.removeprefix("file://")).exists()
    assert Path(new.removeprefix("file://")).exists()


def test_standard_input(folder: Path, components: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(yaml.safe_dump(deployment()).encode())))
    monkeypatch.chdir(folder)
    read = read_manifests([STDIN], components)
    assert list(read.objects) == [Identity("WorkloadDeployment", "default", "hello")]
    assert read.files == ((folder / "hello.wasm").resolve(),)


def test_a_date_is_text_as_in_kubernetes(folder: Path) -> None:
    (folder / "a.yaml").write_text("when: 2026-11-21\n")
    assert read_documents(folder / "a.yaml")[0].body == {"when": "2026-11-21"}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"kind": "ConfigMap", "dat": {}}, 'dat: unknown field; did you mean "data"?'),
        ({"kind": "ConfigMap", "apiVersion": "v2"}, "apiVersion of a ConfigMap must be v1."),
        ({"kind": "ConfigMap", "metadata": {}}, "metadata.name is missing."),
        ({"kind": "ConfigMap", "metadata": None}, "metadata.name is missing."),
        ({"kind": "ConfigMap", "metadata": {"name": "A_b"}}, "metadata.name must be lower-case letters"),
        (
            {"kind": "ConfigMap", "metadata": {"name": "a", "nmespace": "b"}},
            'metadata.nmespace: unknown field; did you mean "namespace"?',
        ),
        ({"kind": "ConfigMap", "binaryData": {"a": "eA=="}}, "binaryData can't be given to a workload"),
        ({"kind": "ConfigMap", "data": ["a"]}, "data must be a map from names to text."),
        ({"kind": "ConfigMap", "data": {"a b": "c"}}, "data: the name 'a b' may hold"),
        ({"kind": "ConfigMap", "stringData": {}}, "stringData: unknown field"),
        ({"kind": "Secret", "stringData": {"on": True}}, "stringData.on is not text; put the value in quotes."),
        ({"kind": "Secret", "data": {"a": "hunter2!"}}, "data.a must be base64 of UTF-8 text"),
        ({"kind": "Secret", "data": {"a": "naïve"}}, "data.a must be base64 of UTF-8 text"),
        ({"kind": "Secret", "data": {"a": "/w=="}}, "data.a must be base64 of UTF-8 text"),
    ],
)
def test_configuration_is_judged(folder: Path, components: Components, config: dict[str, Any], sentence: str) -> None:
    document = {"apiVersion": "v1", "metadata": {"name": "a"}} | config
    (folder / "a.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(BadInput) as refused:
        read_manifests([folder / "a.yaml"], components)
    assert refused.value.sentences[0].startswith(f"{folder / 'a.yaml'}: {sentence}")
    assert "hunter2" not in str(refused.value)


@given(
    st.one_of(
        st.text(),
        st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)).map(
            yaml.safe_dump
        ),
    )
)
def test_any_text_is_documents_or_bad_input(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, errors="replace")
    try:
        documents = read_documents(path)
    except BadInput:
        return
    assert all(isinstance(document.body, dict) for document in documents)
