"""Running traces made by hand, as the recorder makes them."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_support import until

from pocketflow_tracing.config import TracingConfig, resolve
from pocketflow_tracing.delivery import Delivery
from pocketflow_tracing.live import LiveSpan, LiveTrace, clock, opened, trace_hex
from pocketflow_tracing.model import Span, SpanKind, Status, Trace
from pocketflow_tracing.sinks.base import Sink
from pocketflow_tracing.store import Store
from pocketflow_tracing.values import Limits, snapshot

if TYPE_CHECKING:  # its children import this module, and need no pytest
    import pytest

PRELUDE = f"""
import os, sys, threading, time
sys.path.insert(0, {os.path.dirname(__file__)!r})
from live_support import Run, Told, config, traced
from pocketflow_tracing.delivery import delivery
from pocketflow_tracing.sinks.base import Sink
PATH = sys.argv[1]
"""
"""The first lines of a child process that traces into the file it is given."""


@contextmanager
def own_delivery() -> Iterator[Delivery]:
    """A worker of the test's own, whose thread ends with the test."""
    delivery = Delivery()
    yield delivery
    delivery._at_exit()
    atexit.unregister(delivery._at_exit)
    until(lambda: delivery.worker_thread is None, "the end of the worker's thread")
    delivery.reset()


def workers() -> list[threading.Thread]:
    """The threads of workers."""
    return [thread for thread in threading.enumerate() if thread.name == "pocketflow-tracing"]


def stored(path: Path) -> list[Trace]:
    """The traces in the file, with their spans, oldest first."""
    store = Store(path)
    try:
        return [store.load(trace.id) for trace in reversed(store.traces(limit=100_000))]
    finally:
        store.close()


def names(trace: Trace) -> list[str]:
    """The names of the spans of a trace."""
    return [span.name for span in trace.spans]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the program's user was told."""
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def config(store: Path | str | None, **settings: Any) -> TracingConfig:
    """The settings of a run that keeps its trace in `store`."""
    return resolve(TracingConfig(store=None if store is None else Path(store), **settings))


class Run:
    """One traced run whose spans a test starts and ends."""

    def __init__(
        self, delivery: Delivery, settings: TracingConfig, *sinks: Sink, name: str = "Flow", value: Any = None
    ) -> None:
        self.delivery = delivery
        self.live = LiveTrace(name, settings, sinks)
        self.id = trace_hex(self.live.id)
        self.root = opened(self.live, None, SpanKind.FLOW, name, self.live.start)
        self.live.root = self.root
        self.root.input = None if value is None else snapshot(value, Limits())
        delivery.trace_started(self.live)

    def start(self, name: str = "Node", value: Any = None) -> LiveSpan:
        """A span that runs."""
        span = opened(self.live, self.root, SpanKind.NODE, name, clock())
        span.attributes = {"visit": 1}
        span.input = None if value is None else {"shared": snapshot(value, Limits())}
        return span

    def end(self, span: LiveSpan, value: Any = None) -> None:
        """End a span."""
        span.output = None if value is None else snapshot(value, Limits())
        span.status = Status.OK
        span.end = clock()
        self.live.open.pop(span.seq, None)
        self.delivery.span_ended(span)

    def step(self, name: str = "Node", value: Any = None) -> LiveSpan:
        """A span that started and ended."""
        span = self.start(name, value)
        self.end(span, value)
        return span

    def finish(self) -> str:
        """End the run; its id."""
        self.end(self.root)
        self.live.end = self.root.end
        self.delivery.trace_ended(self.live)
        return self.id


def traced(delivery: Delivery, settings: TracingConfig, *sinks: Sink, steps: int = 1) -> str:
    """The id of a whole run."""
    run = Run(delivery, settings, *sinks)
    for number in range(steps):
        run.step(f"Node{number}", {"number": number})
    return run.finish()


class Told(Sink):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.threads: set[str] = set()

    def trace_started(self, trace: Trace) -> None:
        self._note(f"started {trace.name}")

    def span_ended(self, span: Span) -> None:
        self._note(f"span {span.name}")

    def trace_ended(self, trace: Trace) -> None:
        self._note(f"ended {trace.name}")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)


class Gate(Sink):
    """Holds the worker up until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def span_ended(self, span: Span) -> None:
        self.reached.set()
        self.opened.wait(20)


def held_up(delivery: Delivery, settings: TracingConfig) -> tuple[Run, Gate]:
    """A run whose worker stands still in a sink."""
    gate = Gate()
    run = Run(delivery, settings, gate)
    run.step("First")
    assert gate.reached.wait(20)
    return run, gate
