"""What a beginner gets wrong, in a pseudo-terminal: one clear sentence and an exit code, no traceback."""

from __future__ import annotations

import socket
import subprocess

import pytest

from .conftest import COMMAND, GUESTS, PATIENCE_S, Desk, Terminal, deployment


def sentence_of(terminal: Terminal, code: int) -> str:
    """The one sentence that the command ended with."""
    assert terminal.end() == code, terminal.shown()
    lines = [line for line in terminal.shown().splitlines() if line]
    assert len(lines) == 1, f"more than one line:\n{terminal.shown()}"
    assert lines[0].startswith("wasmcloud: ")
    return lines[0].removeprefix("wasmcloud: ")


def test_no_such_file(desk: Desk) -> None:
    assert sentence_of(desk.up("-f", "nope.yaml"), 2) == "There is no file nope.yaml."
    assert desk.left_behind() == []


def test_not_yaml(desk: Desk) -> None:
    desk.write("hello.yaml", "kind: [WorkloadDeployment\nmetadata:\n")
    said = sentence_of(desk.up("-f", "hello.yaml"), 2)
    assert said.startswith("hello.yaml, line 2: not YAML: ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty.yaml holds no object."),
        ("- one\n", "empty.yaml isn't a manifest: it holds a list where an object with apiVersion and kind belongs."),
        (
            "hello\n",
            "empty.yaml isn't a manifest: it holds the text 'hello' where an object with apiVersion and kind belongs.",
        ),
        ("kind: Workload\nkind: Workload\n", 'empty.yaml, line 2: not YAML: the key "kind" is there twice.'),
    ],
)
def test_not_a_manifest(desk: Desk, text: str, sentence: str) -> None:
    desk.write("empty.yaml", text)
    assert sentence_of(desk.up("-f", "empty.yaml"), 2) == sentence


def test_binary_is_not_a_manifest(desk: Desk) -> None:
    (desk.folder / "photo.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    assert sentence_of(desk.up("-f", "photo.yaml"), 2) == "photo.yaml isn't YAML: it isn't even text."


def test_component_in_the_place_of_the_manifest(desk: Desk) -> None:
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    said = sentence_of(desk.up("-f", "hello.wasm"), 2)
    assert (
        said == "hello.wasm is WebAssembly; -f takes a manifest, which names the component as image: file://hello.wasm."
    )


def test_folder_without_manifests(desk: Desk) -> None:
    said = sentence_of(desk.up("-f", "."), 2)
    assert said == "The folder . holds no manifest: no file in it ends in .yaml, .yml, .json."


def test_unknown_field(desk: Desk) -> None:
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["components"][0]["imge"] = "x"
    desk.write("hello.yaml", manifest)
    said = sentence_of(desk.up("-f", "hello.yaml"), 2)
    assert said == 'hello.yaml: spec.template.spec.components[0].imge: unknown field; did you mean "image"?'


def test_unknown_kind(desk: Desk) -> None:
    desk.write("hello.yaml", deployment() | {"kind": "WorkloadDeploymnet"})
    said = sentence_of(desk.up("-f", "hello.yaml"), 2)
    assert (
        said
        == 'hello.yaml: `wasmcloud up` doesn\'t run the kind "WorkloadDeploymnet"; did you mean "WorkloadDeployment"?'
    )


def test_kind_of_kubernetes(desk: Desk) -> None:
    desk.write("all.yaml", deployment(), {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hello"}})
    said = sentence_of(desk.up("-f", "all.yaml"), 2)
    assert said.startswith(
        'all.yaml, document 2: `wasmcloud up` doesn\'t run the kind "Service"; it runs WorkloadDeployment,'
    )


def test_the_same_object_twice(desk: Desk) -> None:
    desk.write("all.yaml", deployment(), deployment())
    said = sentence_of(desk.up("-f", "all.yaml"), 2)
    assert (
        said == "all.yaml, document 2: WorkloadDeployment default/hello is there twice, first in all.yaml, document 1."
    )


def test_nothing_to_run(desk: Desk) -> None:
    desk.write("only.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}})
    assert sentence_of(desk.up("-f", "only.yaml"), 2).startswith("Nothing to run: ")


def test_number_in_a_config_map(desk: Desk) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"port": 80}}
    desk.write("all.yaml", deployment(), config)
    said = sentence_of(desk.up("-f", "all.yaml"), 2)
    assert said == "all.yaml, document 2: data.port is not text; put the value in quotes."


def test_secret_that_is_not_base64(desk: Desk) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"password": "hunter2!"}}
    desk.write("all.yaml", deployment(), secret)
    said = sentence_of(desk.up("-f", "all.yaml"), 2)
    assert (
        said == "all.yaml, document 2: data.password must be base64 of UTF-8 text; plain text belongs under stringData."
    )


def test_each_wrong_field_gets_its_sentence(desk: Desk) -> None:
    desk.write("hello.yaml", deployment() | {"spek": {}, "metadata": {"name": "hello", "lables": {}}})
    terminal = desk.up("-f", "hello.yaml")
    assert terminal.end() == 2
    assert 'spek: unknown field; did you mean "spec"?' in terminal.shown()
    assert 'metadata.lables: unknown field; did you mean "labels"?' in terminal.shown()


def test_port_taken(desk: Desk) -> None:
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    desk.write("hello.yaml", deployment())
    with socket.socket() as other:
        other.bind(("127.0.0.1", desk.port + 1))
        other.listen()
        said = sentence_of(desk.up("-f", "hello.yaml", "--hosts", "2"), 1)
    assert (
        said
        == f"Port {desk.port + 1} is taken by another program on 127.0.0.1; choose another with --http 127.0.0.1:PORT."
    )
    assert desk.left_behind() == []


def test_a_host_that_ends_at_once(desk: Desk) -> None:
    """It may end while the operator still connects to NATS: that is given up too."""
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    desk.write("hello.yaml", deployment())
    ended = subprocess.run(
        [COMMAND, "up", "-f", "hello.yaml", "--http", desk.address],
        cwd=desk.folder,
        env={**desk.environment, "WASMCLOUD_HOST_MAX_WORKLOADS": "many"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 1
    assert "wasmcloud: host-1 ended (exit code 2): wasmcloud-host: WASMCLOUD_HOST_MAX_WORKLOADS: " in ended.stderr


def test_address_of_another_machine(desk: Desk) -> None:
    desk.copy(GUESTS / "http-p2.wasm", "hello.wasm")
    desk.write("hello.yaml", deployment())
    said = sentence_of(desk.type("up", "-f", "hello.yaml", "--http", "192.0.2.1:8000"), 1)
    assert said == "192.0.2.1 is no address of this machine; choose another with --http, such as 127.0.0.1:8000."


def test_http_without_a_port(desk: Desk) -> None:
    said = sentence_of(desk.type("up", "-f", "x.yaml", "--http", "localhost"), 2)
    assert said == '--http wants an IP address and a port from 1 to 65535, such as 127.0.0.1:8000, not "localhost".'


def test_no_component(desk: Desk) -> None:
    desk.write("hello.yaml", deployment())
    said = sentence_of(desk.up("-f", "hello.yaml"), 1)
    assert said == "There is no component hello.wasm: build it first, or correct the image in the manifest."


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\0asm\x01\0\0\0", "is not a component: it is a core WebAssembly module; build for"),
        (b"", "is not a WebAssembly component: the file is empty."),
        (b"<!DOCTYPE html><p>404", "is not a WebAssembly component: it is an HTML page."),
        (b"hello\n", "is not a WebAssembly component: it is text."),
        (
            b"(component)",
            "is not a WebAssembly component: it is WebAssembly text; turn it into binary with `wasm-tools parse`.",
        ),
        (b"\x7fELF\x02\x01", "is not a WebAssembly component: it does not start with the bytes of WebAssembly."),
    ],
)
def test_not_a_component(desk: Desk, content: bytes, what: str) -> None:
    (desk.folder / "hello.wasm").write_bytes(content)
    desk.write("hello.yaml", deployment())
    assert sentence_of(desk.up("-f", "hello.yaml"), 1).startswith(f"hello.wasm {what}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["up"], "Nothing to run: name a manifest, as in wasmcloud up -f workload.yaml"),
        (["up", "hello.yaml"], "Manifests are given with -f: wasmcloud up -f hello.yaml"),
        (["up", "-f", "x.yaml", "--wacth"], "No such option: --wacth (Possible options: --watch)."),
        (["up", "-f", "x.yaml", "--hosts", "0"], "Invalid value for '--hosts'"),
        (["upp"], "No such command 'upp'. Did you mean 'up'?"),
    ],
)
def test_wrong_flags(desk: Desk, arguments: list[str], sentence: str) -> None:
    assert sentence_of(desk.type(*arguments), 2).startswith(sentence)
