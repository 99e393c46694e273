"""The worker when there is too much, or when handing over is interrupted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
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


class Waits(list[float]):
    """For how long the program's side of the queue waited, each time; its clock knows of nothing else."""

    filled: Callable[[], int] | None = None
    """What has to get smaller before a wait is over."""

    def sleep(self, seconds: float) -> None:
        """In the place of `time.sleep`."""
        before = 0 if self.filled is None else self.filled()
        self.append(seconds)
        if self.filled is not None:
            until(lambda: self.filled() < before, "the worker's progress")

    def monotonic(self) -> float:
        """In the place of `time.monotonic`."""
        return sum(self)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """The waits for room in a queue, counted and not taken."""
    waits = Waits()
    monkeypatch.setattr(queue, "time", waits)
    return waits


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


def test_a_full_queue_makes_a_sync_caller_wait_a_millisecond_for_each_span_and_then_counts(
    delivery: Delivery, path: Path, waits: list[float]
) -> None:
    """Spans that find no room are counted, and the trace says that it is incomplete."""
    run, gate = held_up(delivery, config(path, max_queue_bytes=10_000))
    for _ in range(60):
        run.step()
    assert run.live.dropped_spans == 60 - 25
    assert 35 <= len(waits) <= 60  # each that was dropped waited, and none waited twice
    assert set(waits) == {queue.ROOM_SECONDS}
    gate.opened.set()
    run.finish()
    delivery.flush()

    [trace] = stored(path)
    assert (trace.complete, trace.dropped_spans) == (False, 35)
    assert trace.span_count == len(trace.spans) + trace.dropped_spans


def test_an_event_loop_never_waits(delivery: Delivery, path: Path, waits: list[float]) -> None:
    """On a running loop a span that finds no room is counted at once."""
    run, gate = held_up(delivery, config(path, max_queue_bytes=10_000))

    async def program() -> None:
        for _ in range(60):
            run.step()

    asyncio.run(program())
    assert run.live.dropped_spans == 35
    assert waits == []
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
    delivery: Delivery, waits: list[float]
) -> None:
    """After a while without progress the program stops paying a millisecond a span."""
    run, gate = held_up(delivery, config(None, max_queue_bytes=10_000))
    for _ in range(6000):
        run.step()
    assert queue.STALL_SECONDS <= sum(waits) <= queue.STALL_SECONDS + 2 * queue.ROOM_SECONDS
    gate.opened.set()
    run.finish()


def test_a_program_that_waits_for_a_worker_that_goes_on_loses_nothing(
    delivery: Delivery, path: Path, waits: Waits
) -> None:
    """With a queue much smaller than the run: a wait in which the worker takes something is enough."""
    waits.filled = lambda: delivery.filled
    run = Run(delivery, config(path, max_queue_bytes=200_000))
    for _ in range(3000):
        run.step()
    run.finish()
    delivery.flush()
    [trace] = stored(path)
    assert (trace.complete, trace.dropped_spans, len(trace.spans)) == (True, 0, 3001)
    assert 0 < len(waits) <= 3001
    assert set(waits) == {queue.ROOM_SECONDS}


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
