"""Images out of a real registry with a login: policies, one pull for many, rights, and a registry that is down."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ground.oci_registry import PASSWORD, USERNAME, OciRegistry
from pydantic import SecretStr
from wasmcloud_api.wire import ImagePullPolicy
from wasmcloud_engine import Engine
from wasmcloud_host.artifacts import Artifacts, Image, PullError, effective_policy
from wasmcloud_host.settings import Settings
from wasmcloud_host.spec import engine_settings_of

from .conftest import StartHost
from .driver import GUESTS, Operator, component, get, start_request

ALWAYS, IF_NOT_PRESENT, NEVER = ImagePullPolicy.ALWAYS, ImagePullPolicy.IF_NOT_PRESENT, ImagePullPolicy.NEVER

GUEST = (GUESTS / "http-p2.wasm").read_bytes()
OTHER_GUEST = (GUESTS / "http-p3.wasm").read_bytes()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OciRegistry]:
    directory = tmp_path / "registry"
    directory.mkdir()
    with OciRegistry(directory) as running:
        yield running


@asynccontextmanager
async def fetching(
    cache: Path, registry: OciRegistry, *, is_insecure: bool = True
) -> AsyncIterator[tuple[Artifacts, Engine]]:
    settings = Settings(
        http_addr="127.0.0.1:0",
        oci_cache_dir=cache,
        allow_insecure_registry=(registry.host,) if is_insecure else (),
        registry_pull_timeout=20,
    )
    engine = Engine(engine_settings_of(settings))
    yield Artifacts(engine, cache, ()), engine
    await engine.shutdown(0)


def image(registry: OciRegistry, reference: str = "acme/hello:1", password: str = PASSWORD) -> Image:
    return Image(f"{registry.host}/{reference}", USERNAME, SecretStr(password))


def pulls(engine: Engine) -> int:
    return int(json.loads(engine.status())["pulls"]["done_total"])


async def test_pulled_once_and_kept(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry) as (artifacts, engine):
        first = await artifacts.fetch(image(registry), IF_NOT_PRESENT)
        assert first.path.read_bytes() == GUEST
        assert first.digest == digest_of(GUEST)
        assert await artifacts.fetch(image(registry), IF_NOT_PRESENT) == first
        assert await artifacts.fetch(image(registry), NEVER) == first
        assert pulls(engine) == 1


async def test_however_many_ask_the_registry_is_asked_once(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry) as (artifacts, engine):
        asking = [asyncio.create_task(artifacts.fetch(image(registry), ALWAYS)) for _ in range(20)]
        asking[0].cancel()
        got = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(got[0], asyncio.CancelledError)
        assert {each.digest for each in got[1:] if not isinstance(each, BaseException)} == {digest_of(GUEST)}
        assert pulls(engine) == 1


async def test_one_who_gives_up_takes_it_from_nobody(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry) as (artifacts, engine):
        first, other = (asyncio.create_task(artifacts._pull_once(image(registry), None)) for _ in range(2))
        await asyncio.sleep(0)  # one turn of the event loop: both wait for the same pull now
        first.cancel()
        assert (await other).digest == digest_of(GUEST)
        assert pulls(engine) == 1


async def test_a_registry_that_is_down_matters_only_to_always(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path / "cache", registry) as (artifacts, _):
        await artifacts.fetch(image(registry), IF_NOT_PRESENT)
    registry.stop()
    async with fetching(tmp_path / "cache", registry) as (artifacts, _):  # a host that was started again
        assert (await artifacts.fetch(image(registry), IF_NOT_PRESENT)).digest == digest_of(GUEST)
        assert (await artifacts.fetch(image(registry), NEVER)).digest == digest_of(GUEST)
        with pytest.raises(PullError, match=registry.host):
            await artifacts.fetch(image(registry), ALWAYS)


async def test_always_sees_a_tag_that_moved(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry) as (artifacts, _):
        assert (await artifacts.fetch(image(registry), ALWAYS)).digest == digest_of(GUEST)
        assert (await artifacts.fetch(image(registry), ALWAYS)).digest == digest_of(GUEST)
        registry.push("acme/hello", "1", OTHER_GUEST)
        assert (await artifacts.fetch(image(registry), IF_NOT_PRESENT)).digest == digest_of(GUEST)
        assert (await artifacts.fetch(image(registry), ALWAYS)).digest == digest_of(OTHER_GUEST)


async def test_pinned_by_digest(tmp_path: Path, registry: OciRegistry) -> None:
    manifest = registry.push("acme/hello", "1", GUEST)
    registry.push("acme/hello", "1", OTHER_GUEST)
    async with fetching(tmp_path, registry) as (artifacts, _):
        pinned = image(registry, f"acme/hello@{manifest}")
        assert (await artifacts.fetch(pinned, ALWAYS)).digest == digest_of(GUEST)
        with pytest.raises(PullError):
            await artifacts.fetch(image(registry, f"acme/hello@sha256:{'0' * 64}"), ALWAYS)


@pytest.mark.parametrize("policy", [ALWAYS, IF_NOT_PRESENT])
async def test_a_layer_that_left_the_cache_is_pulled_again(
    tmp_path: Path, registry: OciRegistry, policy: ImagePullPolicy
) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry) as (artifacts, _):
        first = await artifacts.fetch(image(registry), policy)
        first.path.unlink()
        with pytest.raises(PullError, match="its pull policy is Never"):
            await artifacts.fetch(image(registry), NEVER)
        assert (await artifacts.fetch(image(registry), policy)).path.read_bytes() == GUEST


async def test_a_spoilt_cache_entry_is_no_entry(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry) as (artifacts, _):
        await artifacts.fetch(image(registry), IF_NOT_PRESENT)
        (entry,) = (tmp_path / "images").iterdir()
        entry.write_text("{")
        assert (await artifacts.fetch(image(registry), IF_NOT_PRESENT)).digest == digest_of(GUEST)


async def test_what_was_pulled_with_a_password_is_not_there_without(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry) as (artifacts, _):
        await artifacts.fetch(image(registry), IF_NOT_PRESENT)
        for stranger in (Image(image(registry).name), image(registry, password="wrong")):
            with pytest.raises(PullError, match="refuses access"):
                await artifacts.fetch(stranger, IF_NOT_PRESENT)
            with pytest.raises(PullError, match="Never"):
                await artifacts.fetch(stranger, NEVER)
    kept = [path.read_bytes() for path in (tmp_path / "images").iterdir()]
    assert kept
    assert not any(PASSWORD.encode() in each for each in kept)
    assert PASSWORD not in repr(image(registry))


@pytest.mark.parametrize(
    ("reference", "says"),
    [("acme/hello:2", "acme/hello:2|not found|no such"), ("Not A Reference!", "Not A Reference!")],
)
async def test_what_is_not_there_is_named(tmp_path: Path, registry: OciRegistry, reference: str, says: str) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry) as (artifacts, _):
        with pytest.raises(PullError, match=says):
            await artifacts.fetch(image(registry, reference), ALWAYS)


async def test_something_else_than_wasm(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/page", "1", b"<html>", layer="text/html")
    async with fetching(tmp_path, registry) as (artifacts, _):
        with pytest.raises(PullError, match="text/html"):
            await artifacts.fetch(image(registry, "acme/page:1"), ALWAYS)


async def test_plain_http_only_where_it_was_allowed(tmp_path: Path, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST)
    async with fetching(tmp_path, registry, is_insecure=False) as (artifacts, _):
        with pytest.raises(PullError):
            await artifacts.fetch(image(registry), ALWAYS)


async def test_a_workload_from_a_registry(start_host: StartHost, operator: Operator, registry: OciRegistry) -> None:
    registry.push("acme/hello", "1", GUEST, layer="application/vnd.module.wasm.content.layer.v1+wasm")
    host = await start_host(allow_insecure_registry=registry.host)
    secret = {"username": USERNAME, "password": PASSWORD}
    name = f"{registry.host}/acme/hello:1"
    request = start_request("one", component(name, imagePullSecret=secret, imagePullPolicy="IMAGE_PULL_POLICY_ALWAYS"))
    assert (await operator.start(host.id, request))[0] == "RUNNING"
    assert (await asyncio.to_thread(get, host.http_port))[0] == 200
    state, message = await operator.start(host.id, start_request("two", component(name, "web"), host="two.localhost"))
    assert state == "ERROR"
    assert message.startswith("failed to pull image for component 'web': ")
    assert PASSWORD not in host.process.log.read_text()


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("registry:5000/acme/hello", ALWAYS),
        ("registry/acme/hello:latest", ALWAYS),
        ("registry:5000/acme/hello:1", IF_NOT_PRESENT),
        (f"registry/acme/hello@sha256:{'0' * 64}", IF_NOT_PRESENT),
        (f"registry/acme/hello:latest@sha256:{'0' * 64}", IF_NOT_PRESENT),
    ],
)
def test_kubernetes_default_policy(name: str, policy: ImagePullPolicy) -> None:
    assert effective_policy(name, ImagePullPolicy.UNSPECIFIED) is policy
    assert effective_policy(name, NEVER) is NEVER
