"""What a user of the platform does from outside: HTTP requests, and listening on NATS."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import nats


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str


def fetch(port: int, host: str, path: str = "/", timeout_s: float = 10) -> Answer:
    """GET with this Host header. Raises OSError or HTTPException when nobody answers at the port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    finally:
        connection.close()


def answering(
    port: int, host: str, status: int = 200, body: str | None = None, path: str = "/"
) -> Callable[[], Answer]:
    """A check for `eventually`: the listener answers so."""

    def check() -> Answer:
        try:
            answer = fetch(port, host, path)
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(f"port {port} doesn't answer for {host}: {error!r}") from error
        assert answer.status == status, f"port {port} answers for {host}: {answer}"
        assert body is None or answer.body == body, f"port {port} answers for {host}: {answer}"
        return answer

    return check


class Background(ABC):
    """What goes on in a thread of its own, as long as the context lasts."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self._thread = threading.Thread(target=self.run)

    @abstractmethod
    def run(self) -> None:
        """Go on until `ending` is set."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending.set()
        self._thread.join()


class Load(Background):
    """Requests without a pause."""

    def __init__(self, port: int, host: str) -> None:
        super().__init__()
        self._port, self._host = port, host
        self.good_count = 0
        self.failures: list[str] = []

    def assert_good_count(self, count: int) -> None:
        assert self.good_count >= count, f"{self.good_count} good answers, failures: {self.failures[:3]}"

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                answer = fetch(self._port, self._host)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{time.monotonic():.3f} {error!r}")
                self.ending.wait(0.01)  # a dead port answers at once: asking it must not take the machine's time
            else:
                if answer.status == 200:
                    self.good_count += 1
                else:
                    self.failures.append(f"{time.monotonic():.3f} {answer}")


def ask(nats_url: str, subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
    """One NATS request and its reply."""

    async def once() -> dict[str, Any]:
        client = await nats.connect(nats_url)
        try:
            reply = await client.request(subject, json.dumps(request or {}).encode(), timeout=10)
            answer: dict[str, Any] = json.loads(reply.data)
            return answer
        finally:
            await client.close()

    return asyncio.run(once())


class Wiretap(Background):
    """Hears all that goes over NATS, through its restarts too."""

    def __init__(self, nats_url: str) -> None:
        super().__init__()
        self._url = nats_url
        self._ready = threading.Event()
        self.subjects: list[str] = []

    def __enter__(self) -> Self:
        super().__enter__()
        assert self._ready.wait(30), "NATS takes no connection"
        return self

    def run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        async def hear(message: Any) -> None:
            self.subjects.append(message.subject)

        async def ignore(_: Exception) -> None:
            """Its absence is what the tests are about."""

        client = await nats.connect(self._url, max_reconnect_attempts=-1, reconnect_time_wait=0.05, error_cb=ignore)
        await client.subscribe("runtime.>", cb=hear)
        await client.flush()
        self._ready.set()
        await asyncio.to_thread(self.ending.wait)
        await client.close()
