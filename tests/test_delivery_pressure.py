"""The worker when there is too much, or when handing over is interrupted."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
from live_support import (
    Run,
    config,
    held_up,
    stored,
    traced,
)
from store_support import until

from pocketflow_tracing.delivery import Delivery, queue
from pocketflow_tracing.delivery.bell import Bell
from pocketflow_tracing.delivery.queue import on_event_loop
from pocketflow_tracing.model import Status
from pocketflow_tracing.sinks.memory import MemorySink

# Too much


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


def test_an_event_loop_never_waits(delivery: Delivery, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a running loop a span that finds no room is counted at once."""
    run, gate = held_up(delivery, config(path, max_queue_bytes=10_000))

    waited: list[float] = []

    monkeypatch.setattr(queue.time, "sleep", waited.append)

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
    for _ in range(6000):
        run.step()
    assert time.perf_counter() - began < 4  # a millisecond each would be 6 s
    gate.opened.set()
    run.finish()


def test_a_fast_program_waits_for_the_worker_and_loses_nothing(
    delivery: Delivery, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a queue much smaller than the run, waiting is enough while the worker goes on."""
    monkeypatch.setattr(queue, "ROOM_SECONDS", 0.02)  # however busy the machine is, the worker gets its turn
    run = Run(delivery, config(path, max_queue_bytes=200_000))
    for _ in range(3000):
        run.step()
    run.finish()
    delivery.flush()
    [trace] = stored(path)
    assert len(trace.spans) + trace.dropped_spans == 3001
    assert trace.dropped_spans < 100


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
