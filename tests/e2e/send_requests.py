"""Runs in a pod of the cluster: asks a URL without an end, and prints a tally twice a second.

    python3 send_requests.py URL [HOST]

Half of the threads make a connection for each request, the others keep theirs. A kept connection that is closed before
a byte of the answer came is no failure yet: the request is sent once more, on a new one, as HTTP clients do (RFC 9110,
9.2.2).
"""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

THREAD_COUNT = 4
PAUSE_S = 0.02  # 100 to 150 requests a second: enough to meet each change, and the machine has other things to do
TIMEOUT_S = 10


class Tally:
    """What came back so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._good_count = 0
        self._resent_count = 0
        self._recent: list[str] = []
        self._failures: list[str] = []

    def answered(self, status: int, body: str) -> None:
        if status != 200:
            self.failed(f"{status} {body[:200]!r}")
            return
        with self._lock:
            self._good_count += 1
            self._recent = [*self._recent[-49:], body]

    def failed(self, what: str) -> None:
        with self._lock:
            self._failures.append(f"{time.strftime('%H:%M:%S')} {what}")

    def resent(self) -> None:
        with self._lock:
            self._resent_count += 1

    def line(self) -> str:
        with self._lock:
            return json.dumps(
                {
                    "good_count": self._good_count,
                    "resent_count": self._resent_count,
                    "recent": sorted(set(self._recent)),
                    "failure_count": len(self._failures),
                    "failures": self._failures[:20],
                }
            )


class Client:
    """One thread's way to the URL."""

    def __init__(self, url: str, host: str, tally: Tally, *, is_keeping: bool) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port or 80)
        self._path = parts._replace(scheme="", netloc="").geturl() or "/"
        self._headers = {"Host": host or parts.netloc} | ({} if is_keeping else {"Connection": "close"})
        self._tally = tally
        self._is_keeping = is_keeping
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while True:
            try:
                self._tally.answered(*self._ask())
            except (OSError, http.client.HTTPException) as error:
                self._leave()
                self._tally.failed(repr(error))
            time.sleep(PAUSE_S)

    def _ask(self) -> tuple[int, str]:
        if self._connection is not None:
            try:
                return self._once(self._connection)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._leave()
                self._tally.resent()
        return self._once(http.client.HTTPConnection(*self._address, timeout=TIMEOUT_S))

    def _once(self, connection: http.client.HTTPConnection) -> tuple[int, str]:
        self._connection = connection
        connection.request("GET", self._path, headers=self._headers)
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
        if response.will_close or not self._is_keeping:
            self._leave()
        return response.status, body

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def main() -> None:
    url, host = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    tally = Tally()
    for number in range(THREAD_COUNT):
        client = Client(url, host, tally, is_keeping=number % 2 == 1)
        threading.Thread(target=client.run, daemon=True).start()
    while True:
        time.sleep(0.5)
        print(tally.line(), flush=True)


if __name__ == "__main__":
    main()
