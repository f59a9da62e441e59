"""How occurrences become Events, against a server that is a list of calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from ground.wait import eventually_async
from wasmcloud_operator.adapters.kubernetes_events import EventSink
from wasmcloud_operator.engine.ports import JsonObject, NotFound, Occurrence, Unavailable
from wasmcloud_operator.model.keys import Key, Kind, Ref

WORKLOAD = Ref(Kind.WORKLOAD, Key("ns", "hello"))


def occurrence(reason: str = "Failed", message: str = "m", uid: str = "u1") -> Occurrence:
    return Occurrence(WORKLOAD, uid, reason, message, is_warning=True)


class Server:
    def __init__(self) -> None:
        self.created: list[JsonObject] = []
        self.patched: list[tuple[Key, JsonObject]] = []
        self.is_down = False
        self.has_forgotten = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.was_asked = asyncio.Event()

    async def create(self, namespace: str, body: JsonObject) -> None:
        self.was_asked.set()
        await self.answers.wait()
        if self.is_down:
            raise Unavailable("down")
        assert namespace == body["metadata"]["namespace"]
        self.created.append(body)

    async def patch(self, key: Key, patch: JsonObject) -> None:
        await self.answers.wait()
        if self.is_down:
            raise Unavailable("down")
        if self.has_forgotten:
            raise NotFound("forgotten")
        self.patched.append((key, patch))

    async def assert_calls(self, created: int, patched: int) -> None:
        assert (len(self.created), len(self.patched)) == (created, patched)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def sink(server: Server) -> AsyncIterator[EventSink]:
    sink = EventSink(server.create, server.patch)
    running = asyncio.create_task(sink.run())
    yield sink
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_the_second_raises_the_count_of_the_first(sink: EventSink, server: Server) -> None:
    sink.add(occurrence(message="first"))
    await eventually_async(lambda: server.assert_calls(1, 0), within_s=5)
    sink.add(occurrence(message="second"))
    await eventually_async(lambda: server.assert_calls(1, 1), within_s=5)
    created, (key, patch) = server.created[0], server.patched[0]
    assert created["count"] == 1
    assert created["message"] == "first"
    assert key == Key("ns", created["metadata"]["name"])
    assert (patch["count"], patch["message"]) == (2, "second")


async def test_what_comes_while_the_server_is_slow_is_one_write(sink: EventSink, server: Server) -> None:
    server.answers.clear()
    sink.add(occurrence(message="0"))
    await server.was_asked.wait()
    for number in range(1, 100):
        sink.add(occurrence(message=str(number)))
    server.answers.set()
    await eventually_async(lambda: server.assert_calls(1, 1), within_s=5)
    assert server.patched[0][1]["count"] == 100
    assert server.patched[0][1]["message"] == "99"


async def test_other_reasons_and_objects_are_other_events(sink: EventSink, server: Server) -> None:
    for one in (occurrence(), occurrence(reason="Started"), occurrence(uid="u2")):
        sink.add(one)
    await eventually_async(lambda: server.assert_calls(3, 0), within_s=5)
    assert len({body["metadata"]["name"] for body in server.created}) == 3


async def test_an_event_that_the_server_has_forgotten_is_made_anew(sink: EventSink, server: Server) -> None:
    sink.add(occurrence())
    await eventually_async(lambda: server.assert_calls(1, 0), within_s=5)
    server.has_forgotten = True
    sink.add(occurrence())
    await eventually_async(lambda: server.assert_calls(2, 0), within_s=5)
    assert server.created[1]["count"] == 1


async def refuse_one(sink: EventSink, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """An event comes while the server is down. Returns when that is logged, and the server up again."""
    server.is_down = True
    sink.add(occurrence())

    async def assert_logged() -> None:
        assert "event_not_written" in caplog.text

    await eventually_async(assert_logged, within_s=5)
    server.is_down = False


async def test_a_refused_event_is_logged_and_the_next_is_written(
    sink: EventSink, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await refuse_one(sink, server, caplog)
    sink.add(occurrence())
    await eventually_async(lambda: server.assert_calls(1, 0), within_s=5)


async def test_an_event_whose_count_could_not_be_raised_is_still_the_one(
    sink: EventSink, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    sink.add(occurrence())
    await eventually_async(lambda: server.assert_calls(1, 0), within_s=5)
    await refuse_one(sink, server, caplog)
    sink.add(occurrence())
    await eventually_async(lambda: server.assert_calls(1, 1), within_s=5)


async def test_a_flood_is_bounded(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    sink = EventSink(server.create, server.patch)
    for number in range(2_500):
        sink.add(occurrence(uid=str(number)))
    assert sum(record.message == "event_dropped" for record in caplog.records) == 500


async def test_a_long_message_is_cut_to_the_servers_limit(sink: EventSink, server: Server) -> None:
    sink.add(occurrence(message="x" * 5_000))
    await eventually_async(lambda: server.assert_calls(1, 0), within_s=5)
    assert len(server.created[0]["message"]) == 1_024
