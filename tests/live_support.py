"""Running traces made by hand, as the recorder makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocketflow_tracing.config import TracingConfig, resolve
from pocketflow_tracing.delivery import Delivery
from pocketflow_tracing.live import LiveSpan, LiveTrace, clock, trace_hex
from pocketflow_tracing.model import Span, SpanKind, Status, Trace
from pocketflow_tracing.sinks.base import Sink
from pocketflow_tracing.values import Limits, snapshot


def config(store: Path | str | None, **settings: Any) -> TracingConfig:
    """The settings of a run that keeps its trace in `store`."""
    return resolve(TracingConfig(store=store, **settings))


class Run:
    """One traced run whose spans a test starts and ends."""

    def __init__(
        self, delivery: Delivery, settings: TracingConfig, *sinks: Sink, name: str = "Flow", value: Any = None
    ) -> None:
        self.delivery = delivery
        self.live = LiveTrace(name, settings, sinks)
        self.id = trace_hex(self.live.id)
        self.root = LiveSpan(self.live, None, SpanKind.FLOW, name, self.live.start)
        self.live.root = self.root
        self.root.input = None if value is None else snapshot(value, Limits())
        delivery.trace_started(self.live)

    def start(self, name: str = "Node", value: Any = None) -> LiveSpan:
        """A span that runs."""
        span = LiveSpan(self.live, self.root, SpanKind.NODE, name, clock())
        span.attributes = {"visit": 1}
        span.input = None if value is None else {"shared": snapshot(value, Limits())}
        return span

    def end(self, span: LiveSpan, value: Any = None) -> None:
        """End a span."""
        span.output = None if value is None else snapshot(value, Limits())
        span.status = Status.OK
        span.end = clock()
        self.live.open.pop(span.span_id, None)
        self.live.span_count += 1
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
        import threading

        self.calls.append(call)
        self.threads.add(threading.current_thread().name)
