"""Nothing that leaves the process shows a secret: the file, the console, the pages, what is sent."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_support import OURS, child, tracing_cli
from otlp_server_support import TRACES_PATH, Server
from values_corpus import SECRETS
from values_planting import PLACES, seen_in

from pocketflow_tracing import TracingConfig
from pocketflow_tracing.config import resolve
from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.model import Trace
from pocketflow_tracing.sinks.langfuse import langfuse_sink
from pocketflow_tracing.sinks.otlp.settings import otlp_sink
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.outbox import Outbox
from pocketflow_tracing.store.rows import span_row, trace_row
from pocketflow_tracing.view.page import render_page
from pocketflow_tracing.view.page.bundle import script, style

pytestmark = pytest.mark.one_python  # what it searches is made by the same code on all of them
EVERY = 7
_PROGRAM = Path(__file__).with_name("values_planting.py")


class Planted:
    """What the program that plants secrets left behind, run by the command line in a process of its own."""

    def __init__(self, folder: Path, redact: str) -> None:
        self.folder = folder
        self.path = folder / "traces.db"
        self.environment = {
            "POCKETFLOW_TRACING_STORE": str(self.path),
            "POCKETFLOW_TRACING_REDACT": redact,
            "POCKETFLOW_TRACING_EXIT_TIMEOUT": "120",
        }
        self.done = child([*OURS, "run", str(_PROGRAM)], folder, environment=self.environment, deadline=170)
        assert self.done.returncode == 0, self.done.stderr[-2000:]

    def traces(self, every: int = 1) -> Iterator[Trace]:
        """All traces, or each so-manieth, as its values are those of the file anyway."""
        store = Store(self.path)
        try:
            for trace in store.traces(limit=100_000)[::every]:
                yield store.load(trace.id)
        finally:
            store.close()

    def files(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path.is_file())


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return Planted(tmp_path_factory.mktemp("planted"), "on")


def test_the_file_holds_no_secret(planted: Planted) -> None:
    """Searched byte for byte, journal and all."""
    assert seen_in(planted.files()) == []


def test_the_console_shows_no_secret(planted: Planted) -> None:
    """Neither the trees nor the messages."""
    assert seen_in(planted.done.stdout + planted.done.stderr) == []


def test_a_trace_as_json_holds_no_secret(planted: Planted) -> None:
    """Every part of every trace, in the form that is exported."""
    traces = [json.dumps(trace.to_dict(), ensure_ascii=False) for trace in planted.traces()]

    assert len(traces) > len(PLACES) * 20
    assert seen_in("\n".join(traces)) == []


@pytest.mark.parametrize("option", ["--json", "--full", "--values"])
def test_the_commands_print_no_secret(planted: Planted, option: str) -> None:
    """What is shown of the last trace, and the list of all."""
    shown = tracing_cli("show", "last", option, folder=planted.folder, environment=planted.environment)
    listed = tracing_cli("list", "-n", "2000", folder=planted.folder, environment=planted.environment)

    assert shown.returncode == listed.returncode == 0
    assert seen_in(shown.stdout + listed.stdout) == []


def test_the_pages_hold_no_secret(planted: Planted) -> None:
    """The page of a trace, the code that all have apart."""
    code, look = script(), style()
    pages = [render_page(trace).replace(code, "").replace(look, "") for trace in planted.traces(EVERY)]

    assert max(map(len, pages)) > 2000
    assert seen_in(html.unescape("\n".join(pages))) == []


@pytest.mark.parametrize("kind", ["langfuse", "otlp"])
def test_the_requests_hold_no_secret(
    planted: Planted, kind: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traces as a server of Langfuse, or of any other kind, is sent them."""
    sent = _sent(planted, _sink(kind, server, monkeypatch), server, tmp_path)

    assert len(server.rows) > len(PLACES) * 50
    assert seen_in(sent) == []


def _sink(kind: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    keys = {"langfuse_public_key": "pk-lf-one", "langfuse_secret_key": "sk-lf-one"}
    if kind == "langfuse":
        return next(iter(langfuse_sink(resolve(TracingConfig(langfuse_host=server.host, **keys)))))
    login = base64.b64encode(":".join(keys.values()).encode()).decode()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", server.host + TRACES_PATH)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Basic {login}")
    return next(iter(otlp_sink()))


def _sent(planted: Planted, sink: Any, server: Server, folder: Path) -> bytes:
    """All that the server was sent, once everything that was planted has arrived."""
    store, courier = Store(folder / "sent.db"), Courier(sink)
    try:
        for trace in planted.traces(EVERY):
            rows = [span_row(span) for span in trace.spans]
            store.save([trace_row(trace)], rows, [(trace.id, sink.destination)])
        outbox = Outbox(store, sink.destination)
        while outbox.left():
            before = outbox.left()
            courier.ship(outbox, lambda: True)
            assert outbox.left() < before, courier.reason
    finally:
        courier.close()
        store.close()
    sent = [span.SerializeToString() for span in server.rows.values()]
    return b"\n".join([*sent, repr(server.resources[:1]).encode()])


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """With masking off, every one of the secrets is seen: the program does plant them."""
    planted = Planted(tmp_path, "off")

    assert seen_in(planted.files()) == [text for text, _ in SECRETS]
    assert len(seen_in(planted.done.stdout + planted.done.stderr)) > len(SECRETS) // 2
