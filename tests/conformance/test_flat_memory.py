"""A long run takes no more memory than a short one, and nothing of it is dropped."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from pocketflow import Flow, Node

from pocketflow_tracing import Trace, TracingConfig, flush, tracing
from pocketflow_tracing.delivery import delivery
from pocketflow_tracing.engine import engine
from pocketflow_tracing.sinks.base import Sink

LOOKS = 8


class Count(Node):
    """Goes round, and looks now and then what is held."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] += 1
        if shared["n"] % (shared["steps"] // LOOKS) == 0:
            assert flush() == 0
            gc.collect()
            held.append((delivery.filled, sum(len(trace.open) for trace in engine.spans.running.values())))
            blocks.append(sys.getallocatedblocks())
        return "again" if shared["n"] < shared["steps"] else "end"


held: list[tuple[int, int]] = []
"""Bytes in the queue and open spans, at each look."""
blocks: list[int] = []
"""Blocks of memory in use, at each look."""


def assert_flat(steps: int, **scope: Any) -> None:
    """Run so many steps, of two spans each: what is held is the same all the time."""
    held.clear()
    blocks.clear()
    count = Count()
    count - "again" >> count
    count - "end" >> Node()
    with tracing(**scope):
        Flow(start=count).run({"n": 0, "steps": steps})
    assert len(held) == LOOKS
    assert len(set(held)) == 1 and held[0][0] == 0
    # Keeping any one thing of each step would take more than one block a step, from each look to the next;
    # what else the process comes to keep meanwhile, it does once.
    grown = [later - earlier for earlier, later in pairwise(blocks)]
    assert median(grown) < steps // LOOKS // 10, grown


class Counting(Sink):
    """Counts the spans of the one trace."""

    def __init__(self) -> None:
        self.spans = 0
        self.traces: list[Trace] = []

    def span_ended(self, span: Any) -> None:
        """Count."""
        self.spans += 1

    def trace_ended(self, trace: Trace) -> None:
        """Keep what stands over the spans."""
        self.traces.append(trace)


def test_a_long_run_told_to_a_sink_keeps_flat_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """With values; the spans that `traces` holds of a run without a store are bounded, and few here."""
    monkeypatch.setattr(import_module("pocketflow_tracing.tracing"), "RECENT_SPANS", 100)
    sink, steps = Counting(), 2_500
    assert_flat(steps, sinks=[sink])
    flush()
    [trace] = sink.traces
    assert (trace.dropped_spans, trace.complete) == (0, True)
    assert sink.spans == trace.span_count == 2 * steps + 2


def is_whole(stored: list[Trace], steps: int) -> bool:
    """Whether every span of the one trace is in the store."""
    [trace] = stored
    assert (trace.dropped_spans, trace.complete) == (0, True)
    return len(trace.spans) == trace.span_count == 2 * steps + 2


def test_a_long_run_in_the_store_keeps_flat_memory(kept: Callable[[], list[Trace]]) -> None:
    """With values."""
    assert_flat(5_000)
    assert is_whole(kept(), 5_000)


@pytest.mark.one_python
def test_a_flow_of_100_000_steps_keeps_flat_memory(every_probe: str, kept: Callable[[], list[Trace]]) -> None:
    """In the store; without values, which the shorter ones have."""
    if every_probe != "monitoring":
        pytest.skip("the spans are the same, and take as much")
    assert_flat(100_000, config=TracingConfig(trace_inputs=False, trace_outputs=False))
    assert is_whole(kept(), 100_000)
