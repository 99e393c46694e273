"""Traced processes and a server: what arrives, how long it takes, what ends, kills and forks do."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from langfuse_support import keys
from live_support import Run, config, own_delivery, traced
from otlp_server_support import Server
from shipping_support import FOLDER, TRACED
from store_support import made_trace, run_child, until

from pocketflow_tracing.config import TracingConfig
from pocketflow_tracing.delivery import Delivery
from pocketflow_tracing.delivery.shipping.lane import THREAD_NAME
from pocketflow_tracing.sinks.langfuse import langfuse_sink
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.outbox import Outbox


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    with shipping_delivery() as own:
        yield own


@contextmanager
def shipping_delivery() -> Iterator[Delivery]:
    """A delivery of the test's own, all threads of which end with the test."""
    with own_delivery() as delivery:
        yield delivery
    until(lambda: not shippers(), "the end of the thread that ships")


def shippers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def left_in(path: Path, settings: TracingConfig) -> int:
    """How many spans wait in the store."""
    (sink,) = langfuse_sink(settings)
    store = Store(path)
    try:
        return Outbox(store, sink.destination).left()
    finally:
        store.close()


# A living process


@pytest.mark.one_python
def test_twenty_thousand_spans_arrive_at_a_slow_server(
    server: Server, path: Path, delivery: Delivery
) -> None:
    """At 0.3 s a request everything arrives, once each, parents included."""
    server.delay = 0.3
    settings = config(path, **keys(server))
    traced(delivery, settings, steps=19_000)
    for _ in range(100):
        traced(delivery, settings, steps=9)
    assert delivery.flush(90) == 0
    assert len(server.rows) == 20_001
    assert set(server.arrivals.values()) == {1}
    server.check_sound()


def test_flush_says_what_is_left(server: Server, path: Path, delivery: Delivery) -> None:
    """Spans that did not arrive in time are counted, and stay in the store."""
    settings = config(path, **keys(server))
    server.always = 503
    traced(delivery, settings, steps=4)
    assert delivery.flush(0.3) == 5
    assert delivery.flush(5, ships=False) == 0
    server.always = None
    assert delivery.flush(20) == 0
    assert (len(server.rows), left_in(path, settings)) == (5, 0)


@pytest.mark.parametrize("how", ["away", "hangs", "503"])
def test_flush_does_not_wait_for_a_server_that_does_not_answer(
    how: str, server: Server, path: Path, delivery: Delivery
) -> None:
    """Attempts that fail one after the other are enough to know; `flush` would wait half a minute."""
    settings = config(path, **keys(server, langfuse_timeout=0.2))
    if how == "away":
        server.stop()
    server.hangs, server.always = how == "hangs", 503 if how == "503" else None
    traced(delivery, settings, steps=4)
    began = time.monotonic()
    assert delivery.flush() == 5
    assert delivery.flush() == 5
    assert time.monotonic() - began < 10


def test_flush_waits_for_a_server_that_says_when_to_come_again(
    server: Server, path: Path, delivery: Delivery
) -> None:
    """As long as it has the time."""
    server.answers.extend([503, 503, (429, {"Retry-After": "1"})])
    traced(delivery, config(path, **keys(server)), steps=4)
    delivery.flush()
    assert delivery.flush() == 0


def test_flush_does_not_wait_for_a_server_that_asks_for_more_time_than_there_is(
    server: Server, path: Path, delivery: Delivery
) -> None:
    """`Come again tomorrow` is an answer; one request is enough to hear it."""
    server.answers.append((429, {"Retry-After": "86400"}))
    traced(delivery, config(path, **keys(server)), steps=4)
    began = time.monotonic()
    assert delivery.flush() == 5
    assert delivery.flush(0) > 0
    assert time.monotonic() - began < 5
    assert len(server.requests) == 1


def test_one_server_that_is_away_keeps_nothing_from_another(
    server: Server, path: Path, delivery: Delivery
) -> None:
    """`flush` waits for what can arrive, and returns with what cannot."""
    traced(delivery, config(path, **keys(server)), steps=4)
    traced(delivery, config(path, **keys(server, "two", langfuse_host="http://127.0.0.1:9")), steps=2)
    began = time.monotonic()
    assert delivery.flush() == 3
    assert time.monotonic() - began < 10
    assert len(server.rows) == 5


def test_a_run_waits_for_its_end(server: Server, path: Path, delivery: Delivery) -> None:
    """A trace is sent when it is whole, so that each of its spans says what became known last."""
    run = Run(delivery, config(path, **keys(server)))
    run.step("First")
    assert delivery.flush(5) == 0
    assert not server.rows
    run.live.user_id = "ada"
    run.finish()
    assert delivery.flush(5) == 0
    assert [server.named(name)["user.id"] for name in ("First", "Flow")] == ["ada", "ada"]


def test_without_credentials_there_is_no_thread_and_no_import(path: Path) -> None:
    """Nothing of the network is loaded, started or said."""
    program = f"""
import sys, threading
sys.path.insert(0, {FOLDER!r})
from live_support import config, traced
from pocketflow_tracing.delivery import delivery
traced(delivery, config(sys.argv[1]))
assert delivery.flush(5) == 0
print(sorted(thread.name for thread in threading.enumerate()))
libraries = "urllib3", "http.client", "opentelemetry", "google.protobuf", "ssl"
print([name for name in libraries if name in sys.modules])
"""
    assert run_child(program, path) == ("['MainThread', 'pocketflow-tracing']\n[]\n", "")


def test_sinks_given_take_the_place_of_langfuse(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tracing(sinks=[…])` and `capture_traces()` send nothing, whatever the environment says."""
    from pocketflow import Flow, Node

    from pocketflow_tracing.testing import capture_traces

    for name, value in keys(server).items():
        monkeypatch.setenv(name.upper(), value)
    with capture_traces() as traces:
        Flow(start=Node()).run({})
    assert len(traces) == 1
    assert not shippers() and not server.requests


def test_traces_are_sent_from_memory_where_the_store_is_off(server: Server, delivery: Delivery) -> None:
    """No file is needed to send; memory is the outbox, and empty afterwards."""
    settings = config(None, **keys(server))
    server.answers.append(503)
    for _ in range(3):
        traced(delivery, settings, steps=2)
    assert delivery.flush(20) == 0
    assert len(server.rows) == 9
    (keeper,) = delivery._worker._keepers.values()
    assert keeper.outlets()[0].traces() == []


def test_traces_are_sent_while_the_file_cannot_be_written(
    server: Server, tmp_path: Path, delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory stands in for the file, for sending too."""
    (tmp_path / "folder").write_text("a file where a folder should be")
    traced(delivery, config(tmp_path / "folder" / "traces.db", **keys(server)), steps=2)
    delivery.flush(20)
    assert len(server.rows) == 3
    assert "traces stay in memory" in caplog.text


def test_traces_are_sent_while_the_file_is_of_a_newer_version(
    server: Server, path: Path, delivery: Delivery
) -> None:
    """The file stays as it is, and memory is the outbox."""
    store = Store(path)
    store.end(made_trace(1))
    store._call(lambda connection: connection.execute("PRAGMA user_version = 99"))
    store.close()
    before = path.read_bytes()
    traced(delivery, config(path, **keys(server)), steps=2)
    delivery.flush(20)
    assert len(server.rows) == 3
    assert path.read_bytes() == before


def test_two_projects_in_one_process_each_get_their_own(
    server: Server, path: Path, delivery: Delivery
) -> None:
    """The keys of a run say where it goes."""
    traced(delivery, config(path, **keys(server, "one")), steps=1)
    traced(delivery, config(path, **keys(server, "two")), steps=2)
    traced(delivery, config(path), steps=3)
    assert delivery.flush(20) == 0
    assert (len(server.spans("project-1")), len(server.spans("project-2"))) == (2, 3)


def test_debug_says_what_happens(
    server: Server, path: Path, delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    """The lines people know, and where to look at the trace."""
    caplog.set_level("DEBUG", logger="pocketflow_tracing")
    id = traced(delivery, config(path, debug=True, **keys(server)))
    assert delivery.flush(20) == 0
    until(lambda: "Trace URL" in caplog.text)
    assert [line for line in caplog.messages if "Langfuse" in line or "URL" in line] == [
        "[TRACING] Initializing Langfuse client...",
        "[TRACING] Trace flushed to Langfuse",
        f"[TRACING] Trace URL: {server.host}/project/project-1/traces/{id}",
    ]


def test_debug_lines_reach_stderr_without_any_logging_set_up(server: Server, path: Path) -> None:
    """`debug=True` is enough."""
    program = (
        TRACED
        + """
from pocketflow import Flow, Node
from pocketflow_tracing import TracingConfig, tracing
settings = TracingConfig("sk-lf-one", "pk-lf-one", HOST, debug=True, store=PATH,
                          exit_timeout=30)
class Greet(Node):
    def exec(self, prep_res):
        return "hello"
with tracing(settings, flow_name="Greeting"):
    Flow(start=Greet()).run({})
"""
    )
    _, err = run_child(program, path, server.host, "one")
    lines = [line.split(" in ")[0] for line in err.splitlines()]
    assert lines[:2] == ["[TRACING] Initializing Langfuse client...", "[TRACING] Starting trace: Greeting"]
    assert "[TRACING] Starting node span: Greet.exec" in lines
    assert "[TRACING] Node span completed" in lines
    assert "[TRACING] Trace flushed to Langfuse" in lines


def test_a_thread_that_has_nothing_left_to_send_rests(
    server: Server, path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure that was made up for, too, it does not look into the outbox over and over."""
    looks = Counter[str]()
    left = Outbox.left

    def counted(outbox: Outbox, **how: bool) -> int:
        looks[threading.current_thread().name] += 1
        return left(outbox, **how)

    server.answers.append(503)
    traced(delivery, config(path, **keys(server)))
    assert delivery.flush(20) == 0
    monkeypatch.setattr(Outbox, "left", counted)
    assert delivery.flush(20) == 0
    delivery._at_exit()
    assert 0 < looks.total() < 50, looks
