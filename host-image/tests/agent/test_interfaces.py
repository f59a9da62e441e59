from __future__ import annotations

import pytest
from wasmcloud_api.wire import WitInterface
from wasmcloud_host.interfaces import Route, imports_of, is_compatible, missing_interfaces, route_of
from wasmcloud_host.settings import Settings


def declared(text: str, *, config: dict[str, str] | None = None) -> WitInterface:
    """`wasi:http/incoming-handler,types@0.2.2` as an entry of hostInterfaces."""
    path, _, version = text.partition("@")
    package, _, interfaces = path.partition("/")
    namespace, _, name = package.partition(":")
    return WitInterface(
        namespace=namespace,
        package=name,
        version=version,
        interfaces=tuple(interfaces.split(",")) if interfaces else (),
        config=config or {},
    )


@pytest.mark.parametrize(
    "text",
    [
        "wasi:http/incoming-handler",
        "wasi:http/incoming-handler,outgoing-handler,types@0.2.2",
        "wasi:http/incoming-handler@0.2.99",
        "wasi:http/handler@0.3.0",
        "wasi:cli/environment,stdout@0.2.0",
        "wasi:sockets/tcp@0.2.3",
        "wasi:config/store@0.2.0-rc.1",
        "wasi:http",
    ],
)
def test_wasi_is_here(text: str) -> None:
    assert missing_interfaces([declared(text)]) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("acme:custom/thing@1.0.0", ["acme:custom/thing@1.0.0"]),
        (
            "wasi:blobstore/container,types@0.2.0-draft",
            ["wasi:blobstore/container@0.2.0-draft", "wasi:blobstore/types@0.2.0-draft"],
        ),
        ("wasi:http/incoming-handler,telepathy", ["wasi:http/telepathy"]),
        ("wasi:http/types@0.9.9", ["wasi:http/types@0.9.9"]),
        ("wasi:http/incoming-handler@0.3.0", ["wasi:http/incoming-handler@0.3.0"]),
        ("wasi:config/store@0.2.0", ["wasi:config/store@0.2.0"]),
        ("acme:custom", ["acme:custom"]),
    ],
)
def test_what_is_not_here_is_named(text: str, missing: list[str]) -> None:
    assert missing_interfaces([declared("wasi:http/types"), declared(text)]) == missing


def test_the_gpu_is_here_on_hosts_that_were_told_to_offer_it() -> None:
    gpu = declared("wasi:webgpu/webgpu@0.3.0-rc.2")
    assert missing_interfaces([gpu], imports_of(Settings(wasi_webgpu=True))) == []
    assert missing_interfaces([gpu], imports_of(Settings())) == ["wasi:webgpu/webgpu@0.3.0-rc.2"]


@pytest.mark.parametrize(
    ("wanted", "offered", "fits"),
    [
        ("0.2.0", "0.2.12", True),
        ("0.2.13", "0.2.12", True),
        ("0.2.0", "0.3.0", False),
        ("1.4.0", "1.2.0", True),
        ("2.0.0", "1.2.0", False),
        ("0.2.0-rc.1", "0.2.0-rc.1", True),
        ("0.2.0-rc.1", "0.2.0", False),
        ("nonsense", "0.2.0", False),
    ],
)
def test_semantic_versions(wanted: str, offered: str, *, fits: bool) -> None:
    assert is_compatible(wanted, offered) is fits


def test_names_come_from_the_http_entry() -> None:
    config = {
        "host": "hello.localhost",
        "host-aliases": "hello.ns, hello.ns.svc,,hello.localhost",
        "path-prefix": "/v1",
    }
    entry = declared("wasi:http/incoming-handler@0.2.2", config=config)
    assert route_of([entry]) == Route(("hello.localhost", "hello.ns", "hello.ns.svc"), "/v1")


def test_both_wasi_versions_route() -> None:
    entries = [
        declared("wasi:http/incoming-handler@0.2.2", config={"host": "old.localhost"}),
        declared("wasi:http/handler@0.3.0", config={"host": "new.localhost"}),
    ]
    assert route_of(entries).hosts == ("old.localhost", "new.localhost")


def test_only_handlers_route() -> None:
    entries = [
        declared("wasi:http/outgoing-handler", config={"host": "a.localhost"}),
        declared("acme:http/handler", config={"host": "b.localhost"}),
        declared("wasi:cli/stdout", config={"host": "c.localhost"}),
    ]
    assert route_of(entries) == Route()


def test_two_path_prefixes_are_refused() -> None:
    entries = [
        declared("wasi:http/incoming-handler@0.2.2", config={"path-prefix": "/a"}),
        declared("wasi:http/handler@0.3.0", config={"path-prefix": "/b"}),
    ]
    with pytest.raises(ValueError, match="/a and /b"):
        route_of(entries)
