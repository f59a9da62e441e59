"""Runs in a pod: external.metrics.k8s.io with one metric, `answers_per_second` of all workloads, as hosts count them.

    python3 serve_metrics.py METRICS_URL...

The certificate and its key are in /tls.
"""

import json
import re
import ssl
import sys
import threading
import time
import urllib.request
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = "/apis/external.metrics.k8s.io/v1beta1"
METRIC = "answers_per_second"
WINDOW_S = 10
COUNTED = re.compile(r"^wasmcloud_host_responses_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)

samples: deque[tuple[float, float]] = deque(maxlen=WINDOW_S)


def sample() -> None:
    """Add up the hosts' counters once a second."""
    while True:
        total = 0.0
        for url in sys.argv[1:]:
            with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310  # hosts, over http
                total += sum(float(count) for count in COUNTED.findall(reply.read().decode()))
        samples.append((time.monotonic(), total))
        time.sleep(1)


def rate() -> float:
    """Answers a second over the window."""
    if len(samples) < 2:
        return 0.0
    (first_s, first), (last_s, last) = samples[0], samples[-1]
    return max(0.0, last - first) / (last_s - first_s)  # a workload that went took its count along


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == API:
            resource = {"name": METRIC, "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
            body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API[6:], "resources": [resource]}
            self._answer(200, body)
        elif path.startswith(f"{API}/namespaces/") and path.endswith(f"/{METRIC}"):
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            item = {"metricName": METRIC, "metricLabels": {}, "timestamp": now, "value": f"{int(rate() * 1000)}m"}
            body = {"kind": "ExternalMetricValueList", "apiVersion": API[6:], "metadata": {}, "items": [item]}
            self._answer(200, body)
        else:
            self._answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    threading.Thread(target=sample, daemon=True).start()
    server = ThreadingHTTPServer(("", 8443), Api)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
