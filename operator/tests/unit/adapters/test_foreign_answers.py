"""Answers with a good status that no API server gave: a proxy's page, a login form, half a document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from wasmcloud_operator.adapters.kubernetes_api import KubernetesApi, connect
from wasmcloud_operator.engine.ports import Unavailable
from wasmcloud_operator.model.keys import Key, Kind, Ref

REF = Ref(Kind.WORKLOAD, Key("shop", "hello"))
CALLS: dict[str, Callable[[KubernetesApi], Awaitable[object]]] = {
    "get": lambda api: api.get(REF),
    "list": lambda api: api.list(Kind.WORKLOAD, "shop"),
    "create": lambda api: api.create(Kind.WORKLOAD, {"metadata": {"namespace": "shop", "name": "hello"}}),
    "config map": lambda api: api.config_map(REF.key),
}


@pytest.fixture(params=[b"", b"<html>Please log in</html>", b'{"kind": "Work', b"[]", b'"ok"'])
async def api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    """A client of a server that says 200 and this to everything."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=request.param)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster = {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "only",
        "contexts": [{"name": "only", "context": {"cluster": "only", "user": "only"}}],
        "clusters": [{"name": "only", "cluster": cluster}],
        "users": [{"name": "only", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    api = KubernetesApi(await connect(tmp_path / "kubeconfig"))
    yield api
    await api.close()
    await runner.cleanup()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_what_is_no_json_object_is_no_answer(
    api: KubernetesApi, call: Callable[[KubernetesApi], Awaitable[object]]
) -> None:
    with pytest.raises(Unavailable, match="answered 200 without a JSON object"):
        await call(api)
