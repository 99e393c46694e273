"""The worker: what it keeps and tells, what it costs the program, what it does in trouble."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_support import Run, Told, config, traced
from store_support import made_trace, start_child, until

from pocketflow_tracing.config import TracingConfig
from pocketflow_tracing.delivery import Delivery, keeper, queue, worker
from pocketflow_tracing.delivery.bell import Bell
from pocketflow_tracing.delivery.queue import SPAN_BYTES, on_event_loop, size_of
from pocketflow_tracing.model import Span, Status, Trace
from pocketflow_tracing.sinks.base import Sink
from pocketflow_tracing.sinks.memory import MemorySink
from pocketflow_tracing.store import Store, schema


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "traces.db"


@pytest.fixture
def settings(path: Path) -> TracingConfig:
    return config(path)


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    """A worker of the test's own, whose thread ends with the test."""
    delivery = Delivery()
    yield delivery
    delivery._at_exit()
    atexit.unregister(delivery._at_exit)
    delivery.reset()
    until(lambda: len(workers()) == 0 or delivery.worker_thread is None, "the end of the worker's thread")


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pocketflow-tracing"]


def stored(path: Path) -> list[Trace]:
    """The traces in the file, with their spans, newest first."""
    store = Store(path)
    try:
        return [store.load(trace.id) for trace in store.traces(limit=1000)]
    finally:
        store.close()


class Gate(Sink):
    """Holds the worker up until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def span_ended(self, span: Span) -> None:
        self.reached.set()
        self.opened.wait(20)


# What arrives


def test_store_and_sinks_get_the_same_trace(delivery: Delivery, settings: TracingConfig, path: Path) -> None:
    """A finished run is the same in memory, in the file, and read back through the worker."""
    sink = MemorySink()
    run = Run(delivery, settings, sink, value={"question": "why?"})
    inner = run.start("Inner", {"a": [1, 2]})
    run.step("First", "x")
    run.end(inner, {"b": None})
    run.finish()
    assert delivery.flush() == 0

    [trace] = sink.traces
    assert [span.name for span in trace.spans] == ["Flow", "Inner", "First"]
    assert (trace.status, trace.complete, trace.span_count) == (Status.OK, True, 3)
    assert trace.input == {"question": "why?"}
    assert trace.spans[1].input == {"shared": {"a": [1, 2]}}
    assert stored(path) == [trace]
    assert delivery.load([run.id, "0" * 32], settings) == [trace]


def test_sinks_are_told_in_order_on_the_workers_thread(delivery: Delivery, settings: TracingConfig) -> None:
    """Start, spans as they end, end; never on a thread of the program."""
    sink = Told()
    run = Run(delivery, settings, sink)
    for name in ("A", "B"):
        run.step(name)
    run.finish()
    delivery.flush()

    assert sink.calls == ["started Flow", "span A", "span B", "span Flow", "ended Flow"]
    assert sink.threads == {"pocketflow-tracing"}


def test_the_memory_sink_keeps_the_last_runs(delivery: Delivery) -> None:
    """`keep` bounds how many."""
    sink = MemorySink(keep=2)
    ids = [traced(delivery, config(None), sink) for _ in range(5)]
    delivery.flush()

    assert [trace.id for trace in sink.traces] == ids[-2:]
    assert [len(trace.spans) for trace in sink.traces] == [2, 2]


def test_spans_of_equal_start_come_back_in_start_order(delivery: Delivery, settings: TracingConfig) -> None:
    """The sequence decides where the clock does not, in memory and in the file."""
    sink = MemorySink()
    run = Run(delivery, settings, sink)
    spans = [run.start(f"Node{number}") for number in range(20)]
    for span in spans:
        span.start = run.root.start
    for span in reversed(spans):
        run.end(span)
    run.finish()
    delivery.flush()

    names = ["Flow", *(f"Node{number}" for number in range(20))]
    assert [span.name for span in sink.traces[0].spans] == names
    [trace] = delivery.load([run.id], settings)
    assert [span.name for span in trace.spans] == names


def test_without_store_and_sinks_nothing_is_made(delivery: Delivery) -> None:
    """A run that goes nowhere costs no rendering and leaves nothing."""
    traced(delivery, config(None))
    assert delivery.flush() == 0
    assert delivery.load(["0" * 32], config(None)) == []


def test_a_running_trace_can_be_seen_before_it_ends(
    delivery: Delivery, settings: TracingConfig, path: Path
) -> None:
    """Within a second of a long step's start its open span is in the file, and what ended before it."""
    run = Run(delivery, settings, value="question")
    run.step("Done", 1)
    long = run.start("Long", {"prompt": "hello"})
    until(
        lambda: path.exists() and [s.name for t in stored(path) for s in t.spans] == ["Flow", "Done", "Long"]
    )

    [trace] = stored(path)
    assert (trace.status, trace.end_ns, trace.span_count, trace.input) == (Status.UNSET, None, 1, "question")
    assert [span.status for span in trace.spans] == [Status.UNSET, Status.OK, Status.UNSET]
    assert trace.spans[2].input == {"shared": {"prompt": "hello"}}

    run.end(long)
    run.finish()
    delivery.flush()
    [trace] = stored(path)
    assert [span.status for span in trace.spans] == [Status.OK] * 3


def test_what_becomes_known_during_a_run_is_in_its_row(
    delivery: Delivery, settings: TracingConfig, path: Path
) -> None:
    """Tags, users and metadata filled in meanwhile reach the file before the end."""
    run = Run(delivery, settings)
    until(lambda: path.exists() and len(stored(path)) == 1)
    run.live.user_id = "ann"
    run.live.tags.append("nightly")
    run.live.metadata["order"] = 7
    run.step()
    until(lambda: stored(path)[0].user_id == "ann")

    [trace] = stored(path)
    assert (trace.tags, trace.metadata) == (["nightly"], {"order": 7})
    run.finish()


def test_runs_with_different_stores_are_kept_apart(delivery: Delivery, tmp_path: Path) -> None:
    """Each run goes where its settings say."""
    places = [tmp_path / "a.db", tmp_path / "b.db"]
    ids = [traced(delivery, config(place)) for place in places]
    delivery.flush()
    assert [[trace.id for trace in stored(place)] for place in places] == [[ids[0]], [ids[1]]]


# What it costs


def test_nothing_runs_before_the_first_trace_and_one_thread_after(
    delivery: Delivery, settings: TracingConfig
) -> None:
    """The thread starts on first need, once, whoever needs it."""
    before = workers()
    assert delivery.flush() == 0 or True
    starts = threading.Barrier(8)

    def go() -> None:
        starts.wait()
        traced(delivery, settings)

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    delivery.flush()
    assert len(workers()) - len(before) <= 1
    assert len(stored(Path(str(settings.store)))) == 8


def test_an_idle_worker_sleeps_without_waking(delivery: Delivery, settings: TracingConfig) -> None:
    """Some time after the last run, files are closed and the thread waits for a call, not for a time."""
    traced(delivery, settings)
    delivery.flush()
    until(lambda: delivery._is_asleep)

    file = os.stat(str(settings.store))
    assert not Path(f"{settings.store}-wal").exists()
    assert all(not same_file(file, handle) for handle in os.listdir("/proc/self/fd"))
    traced(delivery, settings)
    delivery.flush()
    assert len(stored(Path(str(settings.store)))) == 2


def same_file(file: os.stat_result, handle: str) -> bool:
    try:
        found = os.stat(f"/proc/self/fd/{handle}")
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino)


def test_handing_over_a_span_takes_about_a_microsecond(delivery: Delivery) -> None:
    """The median of what `span_ended` costs the program; 10 µs allow for a busy machine."""
    run = Run(delivery, config(None), Told())
    costs = []
    for _ in range(2000):
        span = run.start("Node", {"a": 1})
        began = time.perf_counter_ns()
        run.delivery.span_ended(span)
        costs.append(time.perf_counter_ns() - began)
    run.finish()
    assert sorted(costs)[len(costs) // 2] < 10_000


def test_the_size_of_a_span_is_that_of_its_values(delivery: Delivery) -> None:
    """400 bytes and what its snapshots keep."""
    run = Run(delivery, config(None))
    span = run.start("Node", {"text": "x" * 5000})
    empty = run.start("Node")
    assert size_of(empty) == SPAN_BYTES
    assert size_of(span) >= SPAN_BYTES + 5000
    run.finish()


def test_bytes_are_counted_right_under_many_threads(delivery: Delivery) -> None:
    """After everything was taken nothing seems to wait, however threads took turns."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        settings = config(None)
        threads = [
            threading.Thread(target=lambda: [traced(delivery, settings, steps=20) for _ in range(50)])
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        delivery.flush()
    finally:
        sys.setswitchinterval(before)
    assert delivery.filled == 0


# Too much


def held_up(delivery: Delivery, settings: TracingConfig) -> tuple[Run, Gate]:
    """A run whose worker stands still in a sink."""
    gate = Gate()
    run = Run(delivery, settings, gate)
    run.step("First")
    assert gate.reached.wait(20)
    return run, gate


def test_above_three_quarters_only_structure_is_kept_and_marked(delivery: Delivery, path: Path) -> None:
    """Values are dropped before spans are."""
    run, gate = held_up(delivery, config(path, max_queue_bytes=100_000))
    for _ in range(30):
        run.step("Node", "x" * 2500)
    gate.opened.set()
    run.finish()
    delivery.flush()

    [trace] = stored(path)
    assert (trace.complete, trace.dropped_spans, len(trace.spans)) == (True, 0, 32)
    marked = [span.attributes.get("values_dropped", False) for span in trace.spans[2:]]
    kept = marked.index(True)
    assert 5 < kept < 20
    assert marked == [False] * kept + [True] * (30 - kept)
    assert all((span.output is None) == lost for span, lost in zip(trace.spans[2:], marked, strict=True))


def test_a_full_queue_makes_a_sync_caller_wait_a_millisecond_and_then_counts(
    delivery: Delivery, path: Path
) -> None:
    """Spans that find no room are counted, and the trace says that it is incomplete."""
    run, gate = held_up(delivery, config(path, max_queue_bytes=10_000))
    began = time.perf_counter()
    for _ in range(60):
        run.step()
    waited = time.perf_counter() - began
    assert run.live.dropped_spans == 60 - 25
    assert waited >= 35 * queue.ROOM_SECONDS
    gate.opened.set()
    until(lambda: delivery.filled == 0)
    run.finish()
    delivery.flush()

    [trace] = stored(path)
    assert (trace.complete, trace.dropped_spans) == (False, 35)
    assert trace.span_count == len(trace.spans) + trace.dropped_spans


def test_an_event_loop_never_waits(delivery: Delivery, path: Path) -> None:
    """On a running loop a span that finds no room is counted at once."""
    run, gate = held_up(delivery, config(path, max_queue_bytes=10_000))

    waited = []

    class Watched(Bell):
        def wait(self, seconds: float | None = None) -> bool:
            waited.append(seconds)
            return super().wait(seconds)

    delivery._room = Watched()

    async def program() -> None:
        for _ in range(60):
            run.step()

    asyncio.run(program())
    assert run.live.dropped_spans == 35
    assert waited == []
    gate.opened.set()
    run.finish()


def test_event_loops_are_recognised() -> None:
    """asyncio's and trio's, where they run."""
    import trio

    async def inside() -> bool:
        return on_event_loop()

    assert not on_event_loop()
    assert asyncio.run(inside())
    assert trio.run(inside)
    assert not on_event_loop()


def test_a_worker_that_stands_still_is_not_waited_for_again_and_again(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while without progress the program stops paying a millisecond a span."""
    monkeypatch.setattr(queue, "STALL_SECONDS", 0.05)
    run, gate = held_up(delivery, config(None, max_queue_bytes=10_000))
    for _ in range(200):
        run.step()
    began = time.perf_counter()
    for _ in range(2000):
        run.step()
    assert time.perf_counter() - began < 1.0
    gate.opened.set()
    run.finish()


def test_a_fast_program_waits_for_the_worker_and_loses_nothing(delivery: Delivery, path: Path) -> None:
    """With a queue much smaller than the run, waiting is enough while the worker goes on."""
    run = Run(delivery, config(path, max_queue_bytes=200_000))
    for _ in range(3000):
        run.step()
    run.finish()
    delivery.flush()
    [trace] = stored(path)
    assert len(trace.spans) + trace.dropped_spans == 3001
    assert trace.dropped_spans < 300


def test_the_root_of_a_run_is_never_dropped(delivery: Delivery, path: Path) -> None:
    """However full the queue, the run has a root and an end."""
    run, gate = held_up(delivery, config(path, max_queue_bytes=10_000))
    for _ in range(60):
        run.step()
    run.finish()
    gate.opened.set()
    delivery.flush()
    [trace] = stored(path)
    assert trace.root is not None
    assert (trace.root.name, trace.root.status, trace.status) == ("Flow", Status.OK, Status.OK)


# Re-entrancy


def test_a_signal_handler_may_hand_over_spans_too(delivery: Delivery) -> None:
    """Handlers that trace, breaking in anywhere, neither block nor lose anything."""
    sink = MemorySink()
    settings = config(None)
    count = 0

    def handler(number: int, frame: object) -> None:
        nonlocal count
        traced(delivery, settings, sink)
        count += 1

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        runs = 0
        while count < 200:
            traced(delivery, settings, sink, steps=5)
            runs += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert delivery.flush() == 0
    assert len(sink.traces) == runs + count
    assert all(trace.complete for trace in sink.traces)
    assert delivery.filled == 0


def test_a_bell_keeps_one_ring() -> None:
    """A ring before the wait is not lost; two are one."""
    bell = Bell()
    assert not bell.wait(0)
    bell.ring()
    bell.ring()
    assert bell.wait()
    assert not bell.wait(0.001)


# Failures


class Broken(Sink):
    """Raises whatever it is told."""

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure

    def trace_started(self, trace: Trace) -> None:
        raise self.failure

    def span_ended(self, span: Span) -> None:
        raise self.failure

    def trace_ended(self, trace: Trace) -> None:
        raise self.failure

    def flush(self, timeout: float) -> bool:
        raise self.failure


@pytest.mark.parametrize("failure", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_a_raising_sink_is_told_once_and_hurts_nobody(
    delivery: Delivery,
    settings: TracingConfig,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    failure: BaseException,
) -> None:
    """Other sinks and the store get everything; the worker goes on."""
    sink = Told()
    for _ in range(2):
        traced(delivery, settings, Broken(failure), sink)
    assert delivery.flush() == 2

    assert sink.calls == ["started Flow", "span Node0", "span Flow", "ended Flow"] * 2
    assert len(stored(path)) == 2
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        f"[TRACING] internal failure in sink Broken: {type(failure).__name__}; this run's trace may be "
        "incomplete, the program is not affected"
    ]


def test_a_sink_need_not_have_every_method(delivery: Delivery) -> None:
    """Whatever looks like a sink is told what it has a method for."""

    class Ends:
        def __init__(self) -> None:
            self.names: list[str] = []

        def trace_ended(self, trace: Trace) -> None:
            self.names.append(trace.name)

    sink: Any = Ends()
    traced(delivery, config(None), sink)
    assert delivery.flush() == 0
    assert sink.names == ["Flow"]


def test_a_failing_mask_takes_the_values_and_leaves_the_structure(
    delivery: Delivery, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be masked is not kept: the tree is, with nothing of the values in it."""

    def mask(value: Any, where: str) -> Any:
        raise RuntimeError("no")

    run = Run(delivery, config(path, mask=mask), value="secret")
    run.step("Node", "secret")
    run.finish()
    delivery.flush()

    [trace] = stored(path)
    assert [span.name for span in trace.spans] == ["Flow", "Node"]
    content = path.read_bytes() + Path(f"{path}-wal").read_bytes()
    assert b"secret" not in content


def test_a_failure_inside_the_worker_is_told_and_survived(
    delivery: Delivery,
    settings: TracingConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug of ours costs one line; the next run is kept."""
    with monkeypatch.context() as patch:
        patch.setattr(worker.Worker, "_save", lambda *_, **__: 1 / 0)
        traced(delivery, settings)
        until(lambda: any("the worker: ZeroDivisionError" in record.message for record in caplog.records))
    sink = MemorySink()
    id = traced(delivery, settings, sink)
    delivery.flush()
    assert [trace.id for trace in sink.traces] == [id]
    assert id in [trace.id for trace in stored(Path(str(settings.store)))]


def test_a_sink_may_flush_and_trace(delivery: Delivery, settings: TracingConfig) -> None:
    """Calls back into the worker, from its own thread, do not block."""

    class Curious(Sink):
        done = 0

        def trace_ended(self, trace: Trace) -> None:
            delivery.flush()
            if trace.name == "Flow" and not self.done:
                self.done += 1
                Run(delivery, config(None), self, name="Inner").finish()

    sink = Curious()
    traced(delivery, settings, sink)
    assert delivery.flush(10) == 0
    assert sink.done == 1


def test_flush_gives_up_in_time_and_says_that_something_is_left(
    delivery: Delivery, settings: TracingConfig
) -> None:
    """While a sink holds everything up, `flush` returns after its timeout."""
    run, gate = held_up(delivery, settings)
    run.step()
    began = time.monotonic()
    assert delivery.flush(0.1) > 0
    assert 0.1 <= time.monotonic() - began < 5
    gate.opened.set()
    run.finish()
    assert delivery.flush() == 0


# A store in trouble


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_a_store_that_cannot_be_made_is_told_once_and_memory_serves(
    delivery: Delivery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The program's own views still show its traces."""
    (tmp_path / "file").write_text("")
    settings = config(tmp_path / "file" / "traces.db")
    ids = [traced(delivery, settings) for _ in range(3)]

    assert delivery.flush() == 6
    assert [trace.id for trace in delivery.load(ids, settings)] == ids
    assert [len(trace.spans) for trace in delivery.load(ids, settings)] == [2, 2, 2]
    assert warnings(caplog) == [
        f"[TRACING] the trace store {settings.store} cannot be used: Not a directory; "
        "traces stay in memory while this lasts"
    ]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that nobody can write to")
def test_a_read_only_folder_is_told_once(delivery: Delivery, caplog: pytest.LogCaptureFixture) -> None:
    """/proc is read-only even for root."""
    settings = config(Path("/proc/self/traces.db"))
    id = traced(delivery, settings)
    assert delivery.flush() == 2
    assert [trace.id for trace in delivery.load([id], settings)] == [id]
    assert len(warnings(caplog)) == 1
    assert "/proc/self/traces.db cannot be used: " in warnings(caplog)[0]


def test_what_waited_in_memory_is_written_when_the_trouble_is_over(
    delivery: Delivery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that began in memory ends in the file, whole."""
    place = tmp_path / "place"
    place.write_text("in the way")
    settings = config(place / "traces.db")
    early = traced(delivery, settings)
    run = Run(delivery, settings, value="question")
    run.step("First", 1)
    assert delivery.flush() > 0
    place.unlink()
    run.step("Second", 2)
    run.finish()

    assert delivery.flush() == 0
    late, first = stored(place / "traces.db")
    assert first.id == early
    assert [span.name for span in late.spans] == ["Flow", "First", "Second"]
    assert (late.input, late.status, late.complete) == ("question", Status.OK, True)
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("damage", ["header", "everything", "schema"])
def test_a_damaged_store_is_moved_aside_and_a_new_one_started(
    delivery: Delivery, settings: TracingConfig, path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """One line names the old file; the trace is in the new one."""
    store = Store(path)
    for number in range(50):
        store.end(made_trace(number, spans=20))
    store.close()
    content = bytearray(path.read_bytes())
    spoiled = {"header": slice(0, 100), "everything": slice(0, len(content)), "schema": slice(100, 4096)}[
        damage
    ]
    content[spoiled] = b"\xa5" * len(content[spoiled])
    path.write_bytes(content)

    id = traced(delivery, settings)
    assert delivery.flush() == 0
    assert [trace.id for trace in stored(path)] == [id]
    [aside] = path.parent.glob("traces.db.corrupt-*[0-9]")
    assert aside.read_bytes() == content
    [line] = warnings(caplog)
    assert line.startswith(f"[TRACING] the trace store {path} is damaged: ")
    assert line.endswith(f"; it was moved to {aside} and a new one started")


def test_a_store_damaged_during_a_run_is_replaced_and_the_run_goes_on_in_the_new_one(
    delivery: Delivery, settings: TracingConfig, path: Path
) -> None:
    """The new file has the run's header, its open spans and all that ends from then on."""
    run = Run(delivery, settings, value="question")
    run.step("Before", 1)
    delivery.flush()
    store = Store(path)
    for number in range(50):
        store.end(made_trace(number, spans=20))
    store.close()
    size = path.stat().st_size
    for name, length in ((f"{path}-wal", os.stat(f"{path}-wal").st_size), (str(path), size)):
        with open(name, "r+b") as file:
            file.write(b"\xa5" * length)
    long = run.start("Long")
    run.step("After", 2)
    until(lambda: list(path.parent.glob("traces.db.corrupt-*")))
    run.end(long)
    run.finish()
    assert delivery.flush() == 0

    [trace] = stored(path)
    assert (trace.id, trace.input, trace.status) == (run.id, "question", Status.OK)
    assert {span.name for span in trace.spans} >= {"Flow", "Long", "After"}


def test_a_store_of_a_newer_version_stays_untouched_and_memory_serves(
    delivery: Delivery,
    settings: TracingConfig,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line says to upgrade; the file keeps its bytes."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, "CREATE TABLE future (a);"])
        store = Store(path)
        store.end(made_trace(1))
        store.close()
    before = path.read_bytes()
    id = traced(delivery, settings)

    assert delivery.flush() == 2
    assert [trace.id for trace in delivery.load([id], settings)] == [id]
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*corrupt*"))
    [line] = warnings(caplog)
    assert "was written by a newer version" in line and "upgrade" in line


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
connection.close()
"""


def test_a_locked_store_is_written_when_the_lock_is_gone(
    delivery: Delivery,
    settings: TracingConfig,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While another process holds the file, memory does; one line, and nothing is lost."""
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(keeper, "LOCKED_TOLD_SECONDS", 0.2)
    store = Store(path)
    store.end(made_trace(1))
    store.close()
    locker = start_child(LOCKER, path)
    assert locker.stdout is not None and locker.stdout.readline() == "locked\n"
    ids = [traced(delivery, settings) for _ in range(3)]
    until(lambda: warnings(caplog))
    ids.append(traced(delivery, settings))
    assert delivery.flush() == 8
    assert [trace.id for trace in delivery.load(ids, settings)] == ids

    locker.communicate("go\n")
    until(lambda: len(stored(path)) == 5, "the worker's return to the file")  # without being asked
    assert delivery.flush() == 0
    assert {trace.id for trace in stored(path)} == {f"{1:032x}", *ids}
    assert warnings(caplog) == [
        f"[TRACING] the trace store {path} is locked by another process; "
        "traces stay in memory while this lasts"
    ]


def test_memory_that_stands_in_for_the_store_is_bounded(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest ended runs go; a run too big for it counts what it loses."""
    monkeypatch.setattr(keeper, "MEMORY_BYTES", 1_000_000)
    (tmp_path / "file").write_text("")
    settings = config(tmp_path / "file" / "traces.db")
    ids = []
    for _ in range(40):
        run = Run(delivery, settings)
        for _ in range(10):
            run.step("Node", "x" * 3000)
        ids.append(run.finish())
        delivery.flush()
    kept = [trace.id for trace in delivery.load(ids, settings)]
    assert 0 < len(kept) < 40
    assert kept == ids[-len(kept) :]

    run = Run(delivery, settings)
    for _ in range(50):
        for _ in range(10):
            run.step("Node", "x" * 3000)
        delivery.flush()
    run.finish()
    delivery.flush()
    [trace] = delivery.load([run.id], settings)
    assert not trace.complete
    assert trace.dropped_spans > 0
    assert trace.dropped_spans + len(trace.spans) == 501


def test_a_deleted_store_is_made_again(delivery: Delivery, settings: TracingConfig, path: Path) -> None:
    """A run whose file was deleted under it goes on in a new one, with its header and open spans."""
    run = Run(delivery, settings, value="question")
    run.step("Before")
    delivery.flush()
    for companion in ("", "-wal", "-shm"):
        os.unlink(f"{path}{companion}")
    run.step("After")
    run.finish()
    assert delivery.flush() == 0
    [trace] = stored(path)
    assert (trace.input, trace.status) == ("question", Status.OK)
    assert {span.name for span in trace.spans} == {"Flow", "After"}


def test_old_traces_are_pruned_in_the_background(delivery: Delivery, path: Path) -> None:
    """What is too old goes some time after a run, without being asked."""
    store = Store(path)
    now = made_trace(0).start_ns
    store.end(made_trace(1, start_ns=now - 10 * 24 * 3600 * 10**9))
    store.close()
    id = traced(delivery, config(path, store_max_days=5))
    until(lambda: [trace.id for trace in stored(path)] == [id])


def test_a_living_process_renews_its_sign_of_life(
    delivery: Delivery, settings: TracingConfig, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a run goes on with nothing to write, readers on other hosts see that it lives."""
    monkeypatch.setattr(worker, "RENEW_SECONDS", 0.1)
    run = Run(delivery, settings)
    until(lambda: path.exists() and len(stored(path)) == 1)

    def renewed() -> int:
        connection = sqlite3.connect(path)
        try:
            return int(connection.execute("SELECT max(renewed_ns) FROM writers").fetchone()[0])
        finally:
            connection.close()

    first = renewed()
    until(lambda: renewed() > first + 10**8)
    run.finish()


# Memory


def test_a_run_of_many_steps_takes_no_more_memory_than_a_short_one(
    delivery: Delivery, settings: TracingConfig
) -> None:
    """What was written is let go: the worker keeps nothing of ended spans."""
    import gc
    import weakref

    run = Run(delivery, settings)
    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    class Mark:
        pass

    for number in range(5000):
        span = run.step("Node", {"number": number})
        mark = Mark()
        alive.add(mark)
        span.step = mark
        del span, mark
        if number % 1000 == 999:
            delivery.flush()
    gc.collect()
    assert len(alive) == 0
    run.finish()
