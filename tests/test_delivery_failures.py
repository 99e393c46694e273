"""The worker when sinks, masks and our own code fail."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from live_support import (
    Run,
    Told,
    config,
    held_up,
    stored,
    traced,
)
from store_support import until

from pocketflow_tracing.config import TracingConfig
from pocketflow_tracing.delivery import Delivery, worker
from pocketflow_tracing.model import Span, Trace
from pocketflow_tracing.sinks.base import Sink
from pocketflow_tracing.sinks.memory import MemorySink


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
