"""A server in a process of its own, which takes `SECONDS` for each request and counts what arrives.

SECONDS=0.3 STATUS=200 python benchmarks/receiving.py     # prints its port, ends with its stdin
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = float(os.environ.get("SECONDS", "0.3"))
STATUS = int(os.environ.get("STATUS", "200"))
"""What the server answers."""


class Counting(BaseHTTPRequestHandler):
    """Takes what comes and counts its spans."""

    protocol_version = "HTTP/1.1"
    spans: set[bytes | str] = set()
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        time.sleep(SECONDS)
        if STATUS != 200:
            return self._answer({})
        with self.lock:
            self.spans.update(_ids(self.path, body))
        self._answer({"successes": [], "errors": []})

    def do_GET(self) -> None:
        self._answer(len(self.spans) if self.path == "/count" else {"data": [{"id": "p", "name": "p"}]})

    def _answer(self, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(STATUS)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def _ids(path: str, body: bytes) -> set[bytes | str]:
    if path.endswith("/ingestion"):
        events = json.loads(body)["batch"]
        return {event["body"]["id"] for event in events if event["type"].endswith("-create")}
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest.FromString(body)
    return {s.span_id for r in request.resource_spans for scope in r.scope_spans for s in scope.spans}


def serve() -> None:
    """Be the server, until stdin is closed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


@contextlib.contextmanager
def serving(**environment: str) -> Iterator[str]:
    """The address of a server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment},
    ) as server:  # fmt: skip
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.communicate()


if __name__ == "__main__":
    serve()
