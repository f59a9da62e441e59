"""What to open: a URL where the name leads to this machine by itself, else a curl command that says the name."""

from __future__ import annotations

from typing import Any

import pytest
from wasmcloud.addresses import host_addresses
from wasmcloud.links import links_of
from wasmcloud_api.names import HostId

ADDRESSES = {
    HostId("host-1"): host_addresses("127.0.0.1:8000", 1)[0],
    HostId("host-2"): host_addresses("0.0.0.0:8001", 1)[0],
}


def served(
    config: dict[str, str], host_id: str = "host-1", interfaces: tuple[str, ...] = ("incoming-handler",)
) -> dict[str, Any]:
    http = {"namespace": "wasi", "package": "http", "interfaces": list(interfaces), "config": config}
    other = {"namespace": "wasi", "package": "config", "interfaces": ["store"], "config": {"host": "no.localhost"}}
    return {"spec": {"hostInterfaces": [other, http]}, "status": {"hostId": host_id}}


@pytest.mark.parametrize(
    ("workload", "links"),
    [
        (served({"host": "hello.localhost"}), ("http://hello.localhost:8000/",)),
        (served({"host": "localhost"}, interfaces=("handler",)), ("http://localhost:8000/",)),
        (served({"host": "a.localhost", "path-prefix": "/api/"}), ("http://a.localhost:8000/api",)),
        (served({"host": "a.example"}), ("curl -H 'Host: a.example' http://127.0.0.1:8000/",)),
        (served({"host": "a.example"}, "host-2"), ("curl -H 'Host: a.example' http://127.0.0.1:8001/",)),
        (served({"host": "*.localhost"}), ("curl -H 'Host: any.localhost' http://127.0.0.1:8000/",)),
        (
            served({"host": "a.localhost", "host-aliases": "b.localhost, c.example,"}),
            (
                "http://a.localhost:8000/",
                "http://b.localhost:8000/",
                "curl -H 'Host: c.example' http://127.0.0.1:8000/",
            ),
        ),
        (served({}), ()),
        (served({"host": "hello.localhost"}, interfaces=("outgoing-handler",)), ()),
        (served({"host": "hello.localhost"}, "host-of-another-run"), ()),
    ],
)
def test_links(workload: dict[str, Any], links: tuple[str, ...]) -> None:
    assert links_of([workload], ADDRESSES) == links


def test_replicas_on_one_host_share_a_link() -> None:
    one = served({"host": "hello.localhost"})
    two = served({"host": "hello.localhost"}, "host-2")
    assert links_of([one, one, two], ADDRESSES) == ("http://hello.localhost:8000/", "http://hello.localhost:8001/")
