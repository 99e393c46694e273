"""What handing over a span costs the program, and how many spans a second the worker writes."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Rows, median, show

from pocketflow_tracing.config import TracingConfig, resolve
from pocketflow_tracing.delivery.queue import ENDED, STARTED, Queue, size_of
from pocketflow_tracing.delivery.shipping.shipper import Shipper
from pocketflow_tracing.delivery.worker import Worker
from pocketflow_tracing.live import LiveSpan, LiveTrace, clock
from pocketflow_tracing.model import SpanKind, Status
from pocketflow_tracing.sinks.memory import MemorySink
from pocketflow_tracing.values import Limits, Snapshot, snapshot

SPANS = 20_000
ROUNDS = 5
RECORD = {"role": "user", "content": "please help me with the invoice of last month", "tokens": 11}
TICKET = {"ticket": {"id": 7, "text": "My invoice is wrong", "priority": "high"}, "history": [RECORD] * 2}
STORE = {f"record {number}": RECORD for number in range(320)}
LABELS = {
    "no values": None,
    "a ticket's store (0.3 KB) in and out": TICKET,
    "a store of records (32 KB) in and out": STORE,
}


def delivery_rows(*, quick: bool) -> Rows:
    """Cost on the program's side, then the pace of the worker."""
    rounds, spans = (2, SPANS // 10) if quick else (ROUNDS, SPANS)
    rows = [
        (f"`span_ended`, {label}", f"{handed_over_ns(value, spans):,.0f} ns")
        for label, value in LABELS.items()
    ]
    for label, value in LABELS.items():
        count = spans // 20 if value is STORE else spans
        rows.append((f"store, {label}", pace(value, count, rounds, store=True)))
    rows.append(("memory sink only, no values", pace(None, spans, rounds, store=False)))
    return rows


def handed_over_ns(value: Any, spans: int) -> float:
    """Median nanoseconds that `span_ended` takes of the program's thread."""
    trace = begin(None)
    queue = Queue()
    queue.alarm = 2**40  # as with a worker that keeps up
    seen = None if value is None else snapshot(value, Limits())
    costs = []
    for _ in range(spans):
        span = ended(trace, seen)
        before = clock()
        queue.span_ended(span)
        costs.append(clock() - before)
    empty = []
    for _ in range(spans):
        before = clock()
        empty.append(clock() - before)
    return median(costs) - median(empty)


def pace(value: Any, spans: int, rounds: int, *, store: bool) -> str:
    """Spans a second of the worker's processor time."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = median(
            worked(value, spans, Path(folder) / "traces.db" if store else None) for _ in range(rounds)
        )
    return f"{spans / seconds:,.0f} spans/s"


def worked(value: Any, spans: int, path: Path | None) -> float:
    """Seconds of processor time that the worker takes for one trace."""
    trace = begin(path)
    queue = Queue()
    worker = Worker(queue, Shipper())
    queue.records.append((STARTED, trace))
    for _ in range(spans):
        span = ended(trace, None if value is None else snapshot(value, Limits()))
        span.size = size_of(span)
        queue.records.append(span)
    trace.end = clock()
    queue.records.append((ENDED, trace))
    before = time.process_time()
    worker.write_all(time.monotonic() + 600)
    worker.finish(time.monotonic() + 600)
    return time.process_time() - before


def begin(path: Path | None) -> LiveTrace:
    """A run that goes to the store at `path`, or to a memory sink."""
    config = resolve(TracingConfig(store=path))
    trace = LiveTrace("Flow", config, (MemorySink(keep=1),) if path is None else ())
    trace.root = LiveSpan(trace, None, SpanKind.FLOW, "Flow", trace.start)
    return trace


def ended(trace: LiveTrace, seen: Snapshot | None) -> LiveSpan:
    """A span that ended, with `seen` as input and output."""
    span = LiveSpan(trace, trace.root, SpanKind.NODE, "Node", clock())
    span.attributes = {"visit": 1, "action": "next", "attempts": 1}
    span.status = Status.OK
    if seen is not None:
        span.input, span.output = {"shared": seen}, seen
    span.end = clock()
    return span


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer spans and rounds, for a first look")
    show("The worker", delivery_rows(quick=parser.parse_args().quick))


if __name__ == "__main__":
    main()
