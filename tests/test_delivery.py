"""The worker: what arrives in store and sinks, and what it costs the program."""

from __future__ import annotations

import os
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from counting_support import calls_in
from live_support import (
    Run,
    Told,
    config,
    stored,
    traced,
    workers,
)
from store_support import until

from pocketflow_tracing.config import TracingConfig
from pocketflow_tracing.delivery import Delivery, worker
from pocketflow_tracing.delivery.queue import SPAN_BYTES, size_of
from pocketflow_tracing.model import Status
from pocketflow_tracing.sinks.memory import MemorySink

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


def test_a_run_that_begins_soon_after_another_is_stored_at_once(
    delivery: Delivery, settings: TracingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long files stay open after a run: a process killed before the next look would lose it."""
    monkeypatch.setattr(worker, "LINGER_SECONDS", 1_000.0)
    traced(delivery, settings)
    delivery.flush()
    Run(delivery, settings)
    until(lambda: len(stored(Path(str(settings.store)))) == 2)


def same_file(file: os.stat_result, handle: str) -> bool:
    try:
        found = os.stat(f"/proc/self/fd/{handle}")
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino)


def test_handing_over_a_span_takes_a_few_calls(delivery: Delivery) -> None:
    """Whatever it holds, and however many wait."""
    run = Run(delivery, config(None), Told())
    costs = set()
    for number in range(100):
        span = run.start("Node", {"a": "x" * number})
        costs.add(calls_in(partial(run.delivery.span_ended, span)))
    run.finish()
    assert max(costs) <= 8


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
        """Stands for what the recorder keeps of a step."""

        key, span = "Node", None

    for number in range(5000):
        span = run.step("Node", {"number": number})
        mark = Mark()
        alive.add(mark)
        span.step = mark
        del span, mark
        if number % 1000 == 999:
            delivery.flush()
    # A collection that another thread has begun makes this one do nothing.
    until(lambda: gc.collect() >= 0 and not alive, "the end of every mark")
    run.finish()
