"""A strict server on loopback that takes traces as Langfuse does, and can misbehave in many ways."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from langfuse_rules import PLAIN_SCOPE, SCOPE, attributes_of, disagreeing, tree, wrong_in
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pocketflow_tracing import __version__

if TYPE_CHECKING:
    import trustme

TRACES_PATH = "/api/public/otel/v1/traces"
PLAIN_PATH = "/v1/traces"
"""Where other OpenTelemetry backends take traces: here, those of the project `plain`."""
KEYS = {"pk-lf-one": ("sk-lf-one", "project-1"), "pk-lf-two": ("sk-lf-two", "project-2")}
Row = tuple[str, str, str, int]
"""How Langfuse keys what it gets: project, trace, span and start. Another start makes another row."""


@dataclass
class Received:
    """One request for traces."""

    status: int
    spans: int
    size: int
    headers: dict[str, str]


@dataclass
class Server:
    """What the server has and how it behaves; change the fields while it runs."""

    delay: float = 0.0
    """Seconds before each answer."""
    answers: deque[int | tuple[int, dict[str, str]]] = field(default_factory=deque)
    """Status codes, some with headers, for the next requests; then it works again."""
    always: int | None = None
    """The status of every answer."""
    hangs: bool = False
    cuts: int = 0
    """How many connections are cut instead of answered."""
    broken_answers: int = 0
    """How many answers break off in the middle, after the spans were taken."""
    says: bytes | None = None
    """What stands in the answers to spans, as protobuf."""
    max_bytes: int | None = None
    is_malformed: Callable[[Span], bool] = lambda span: False
    web_page: bool = False
    health_status: int = 200
    health: Any = field(default_factory=lambda: {"status": "OK", "version": "4.16.0"})
    date: str | None = None
    takes_otlp: bool = True
    plain_headers: dict[str, str] = field(default_factory=dict)
    """What the plain backend wants to see in each request."""
    address: str = "127.0.0.1"
    prefix: str = ""
    """What comes before the paths of Langfuse."""
    listener: type[_Listener] | None = None
    keeps: bool = False
    """Whether `bodies` is filled."""

    def __post_init__(self) -> None:
        self.rows: dict[Row, Span] = {}
        self.arrivals: Counter[Row] = Counter()
        self.requests: list[Received] = []
        self.bodies: list[bytes] = []
        """What each request said: its head, and its body as it was before it was compressed."""
        self.faults: list[str] = []
        self.scopes: set[str] = set()
        self.resources: list[dict[str, Any]] = []
        self.released = threading.Event()
        self.arrived = threading.Condition()
        self.seen = 0
        """How many requests for traces have begun."""
        self.port = 0
        self._http: _Listener | None = None

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the same port as before."""
        handler = type("BoundHandler", (Handler,), {"server_of": self})
        listener = self.listener or (_Listener6 if ":" in self.address else _Listener)
        self._http = listener((self.address, self.port), handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), name="server", daemon=True).start()

    def stop(self) -> None:
        """Be away: connections are refused, those that are open end."""
        self.released.set()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http.end_connections()
            self._http = None
        self.released.clear()

    def spans(self, project: str = "project-1") -> list[Span]:
        """Everything a project has, in the order of its start."""
        found = [span for row, span in self.rows.items() if row[0] == project]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def named(self, name: str) -> dict[str, Any]:
        """The attributes of the only span of that name."""
        (span,) = [span for span in self.rows.values() if span.name == name]
        return attributes_of(span)

    def wait_for_requests(self, count: int) -> None:
        """Wait until so many requests have begun."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.seen >= count, 20), f"only {self.seen} requests came"

    def take(self, project: str, body: bytes, scope: str | None) -> int:
        """Keep the spans of a request, all or none, which shall be of `scope`; the status of the answer."""
        request = ExportTraceServiceRequest.FromString(body)
        taken = {}
        for resource_spans in request.resource_spans:
            self.resources.append(attributes_of(resource_spans.resource))
            for scope_spans in resource_spans.scope_spans:
                self.scopes.add(scope_spans.scope.name)
                if scope not in (None, scope_spans.scope.name):
                    self.faults.append(f"the scope is {scope_spans.scope.name}, not {scope}")
                for span in scope_spans.spans:
                    self.faults += wrong_in(scope_spans.scope, span)
                    if self.is_malformed(span):
                        return 400
                    row = (project, span.trace_id.hex(), span.span_id.hex(), span.start_time_unix_nano)
                    taken[row] = span
        for row, span in taken.items():
            if row in self.rows and self.rows[row].SerializeToString() != span.SerializeToString():
                self.faults.append(f"{span.name} came again, and was another one")
            self.rows[row] = span
            self.arrivals[row] += 1
        return 200

    def check_sound(self) -> None:
        """Nothing was wrong in what came; every span stands once, and every parent is there."""
        for project in {row[0] for row in self.rows}:
            for spans in self.traces(project):
                self.faults += disagreeing(spans)
        assert self.faults == [], self.faults[:20]
        ids = Counter(row[:3] for row in self.rows)
        assert [row for row, count in ids.items() if count > 1] == []
        known = {(project, trace, span) for project, trace, span, _ in self.rows}
        for (project, trace, _, _), span in self.rows.items():
            if span.parent_span_id and "langfuse.internal.as_root" not in attributes_of(span):
                assert (project, trace, span.parent_span_id.hex()) in known, f"{span.name} has no parent"

    def trees(self, project: str = "project-1") -> list[str]:
        """The traces of a project as Langfuse shows them, as text, oldest first."""
        return [tree(spans) for spans in self.traces(project)]

    def traces(self, project: str = "project-1") -> list[list[Span]]:
        """The spans of each trace of a project, oldest first."""
        found: dict[bytes, list[Span]] = {}
        for span in self.spans(project):
            found.setdefault(span.trace_id, []).append(span)
        return list(found.values())


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, *arguments: Any) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was killed


class _Listener6(_Listener):
    address_family = socket.AF_INET6


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server_of: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        server = self.server_of
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with server.arrived:
            server.seen += 1
            server.arrived.notify_all()
        if server.hangs:
            server.released.wait(60)
            return self._cut()
        if server.delay:
            server.released.wait(server.delay)
        if server.cuts:
            server.cuts -= 1
            return self._cut()
        status, headers, spans = self._status(body)
        server.requests.append(Received(status, spans, len(body), dict(self.headers)))
        if server.web_page:
            return self._answer(status, "<html>Please log in</html>", {"Content-Type": "text/html"})
        if status == 200 and server.broken_answers:
            server.broken_answers -= 1
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
            self.close_connection = True
            return
        if status == 200 and server.says is not None:
            headers = {"Content-Type": "application/x-protobuf"}
            return self._answer(status, server.says, headers)
        self._answer(status, "{}", headers)

    def _status(self, body: bytes) -> tuple[int, dict[str, str], int]:
        server = self.server_of
        if server.always is not None:
            return server.always, {}, 0
        if server.answers:
            answer = server.answers.popleft()
            if answer != 200:
                return (answer, {}, 0) if isinstance(answer, int) else (*answer, 0)
        project = self._project()
        if self.path not in (server.prefix + TRACES_PATH, PLAIN_PATH) or not server.takes_otlp:
            return 404, {}, 0
        if project is None:
            return 401, {}, 0
        if server.max_bytes is not None and len(body) > server.max_bytes:
            return 413, {}, 0
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        if server.keeps:
            server.bodies.append(f"{self.path}\n{self.headers}".encode() + body)
        server.faults += self._wrong_headers()
        before = len(server.rows)
        status = server.take(project, body, self._scope())
        return status, {}, len(server.rows) - before

    def _scope(self) -> str | None:
        """The scope of what comes here; None for what Langfuse's own SDK sends, which is its own affair."""
        if self.headers["x-langfuse-sdk-name"] == "python":
            return None
        return PLAIN_SCOPE if self.path == PLAIN_PATH else SCOPE

    def _wrong_headers(self) -> list[str]:
        if self._scope() is None:
            return []
        if self.path == PLAIN_PATH:
            return [f"{name} elsewhere" for name in self.headers if "langfuse" in name.lower()]
        wanted = {
            "Content-Type": "application/x-protobuf",
            "x-langfuse-ingestion-version": "4",
            "x-langfuse-sdk-name": "pocketflow-tracing",
            "x-langfuse-sdk-version": __version__,
            "x-langfuse-public-key": self._keys()[0],
        }
        return [
            f"{name} is {self.headers[name]}" for name, value in wanted.items() if self.headers[name] != value
        ]

    def _project(self) -> str | None:
        if self.path == PLAIN_PATH:
            wanted = self.server_of.plain_headers.items()
            return "plain" if all(self.headers[name] == value for name, value in wanted) else None
        public, secret = self._keys()
        known = KEYS.get(public)
        return known[1] if known is not None and known[0] == secret else None

    def _keys(self) -> tuple[str, str]:
        kind, _, encoded = (self.headers["Authorization"] or "").partition(" ")
        public, _, secret = base64.b64decode(encoded).decode().partition(":")
        return (public, secret) if kind == "Basic" else ("", "")

    def do_GET(self) -> None:
        server = self.server_of
        if server.hangs:
            server.released.wait(60)
            return self._cut()
        if server.web_page:
            return self._answer(200, "<html>Please log in</html>", {"Content-Type": "text/html"})
        if self.path == "/api/public/health":
            return self._answer(server.health_status, json.dumps(server.health), {})
        project = self._project()
        if self.path == "/api/public/projects" and project is not None:
            return self._answer(200, json.dumps({"data": [{"id": project, "name": "Mine"}]}), {})
        self._answer(401 if project is None else 404, "{}", {})

    def _answer(self, status: int, content: str | bytes, headers: dict[str, str]) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.server_of.date or super().date_time_string(timestamp)

    def _cut(self) -> None:
        """End the connection in the middle, with a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def running_server(**behaviour: Any) -> Iterator[Server]:
    """A server that ends with the block."""
    server = Server(**behaviour)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def encrypted(authority: trustme.CA) -> Iterator[Server]:
    """A server that speaks TLS, with a certificate of this authority."""
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(trusted)

    class Encrypted(_Listener):
        def get_request(self):  # type: ignore[no-untyped-def]
            connection, address = super().get_request()
            return trusted.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    with running_server(listener=Encrypted) as server:
        yield server


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port of a server in this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
