"""A node hands over its phases with itself: they are counted, and seen before it ends, as any other span."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from live_support import config, stored
from pocketflow import Flow, Node
from store_support import start_child, until
from surroundings_support import HAS_MONITORING

from pocketflow_tracing import flush, tracing
from pocketflow_tracing.model import Span, SpanKind, Status
from pocketflow_tracing.sinks.memory import MemorySink
from pocketflow_tracing.testing import outline

NODES = 60


class Counts(Node):
    def prep(self, shared: dict[str, int]) -> int:
        return shared["count"]

    def exec(self, prep_res: int) -> int:
        return prep_res + 1

    def post(self, shared: dict[str, int], prep_res: int, exec_res: int) -> str | None:
        shared["count"] = exec_res
        return "again" if exec_res < NODES else None


def action(span: Span) -> str:
    """What the outline says of a node after its status."""
    visit = span.attributes["visit"]
    return (" -> again" if visit < NODES else "") + (f" visit={visit}" if visit > 1 else "")


class Held(MemorySink):
    """Holds the worker up until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()

    def span_ended(self, span: Span) -> None:
        self.opened.wait(20)
        super().span_ended(span)


@pytest.mark.skipif(not HAS_MONITORING, reason="sys.setprofile has each phase handed over for itself")
def test_what_does_not_fit_is_counted_with_its_phases() -> None:
    """A node that is dropped takes three phases with it; one that lost its values lost theirs too."""
    counts = Counts()
    counts - "again" >> counts
    held = Held()
    with tracing(config(None, max_queue_bytes=20_000), sinks=[held]):
        with pytest.warns(UserWarning, match="Flow ends"):
            Flow(start=counts).run({"count": 0})
        held.opened.set()
    assert flush(30) == 0

    [trace] = held.traces
    kept = [span for span in trace.spans if span.kind is SpanKind.NODE]
    assert 5 < len(kept) < NODES
    assert outline(trace) == "flow Flow ok\n" + "".join(
        f"  node Counts ok{action(span)}\n    prep ok\n    exec ok\n    post ok\n" for span in kept
    )
    assert (trace.complete, trace.span_count) == (False, 1 + 4 * NODES)
    assert trace.dropped_spans == trace.span_count - 1 - 4 * len(kept)
    lost = {span.span_id for span in kept if span.attributes.get("values_dropped")}
    assert 0 < len(lost) < len(kept)
    for span in trace.spans[1:]:
        is_lost = span.span_id in lost or span.parent_id in lost
        assert (span.input is None, span.output is None) == (is_lost, is_lost)
        assert span.attributes.get("values_dropped", False) is is_lost


def test_the_phases_of_a_node_are_in_the_store_before_it_ends(path: Path) -> None:
    """What prep gave is read while exec still runs, and after the process was killed in it."""
    program = """
import os, sys
os.environ["POCKETFLOW_TRACING_STORE"] = sys.argv[1]
from pocketflow import Flow, Node
from pocketflow_tracing import tracing

class Asks(Node):
    def prep(self, shared):
        return [shared["question"]]
    def exec(self, prep_res):
        if prep_res == ["who?"]:
            print("running", flush=True)
            sys.stdin.readline()
    def post(self, shared, prep_res, exec_res):
        shared["question"] = "who?"

asks = Asks()
asks >> Asks()
with tracing():
    Flow(start=asks).run({"question": "why?"})
"""
    child = start_child(program, path)
    assert child.stdout is not None and child.stdout.readline() == "running\n"
    until(lambda: bool(stored(path)) and len(stored(path)[0].spans) == 8)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL

    [trace] = stored(path)
    assert trace.status is Status.INTERRUPTED
    assert (
        outline(trace)
        == """\
flow Flow interrupted
  node Asks ok
    prep ok
    exec ok
    post ok
  node Asks#2 interrupted
    prep ok
    exec interrupted
"""
    )
    assert [(span.input, span.output) for span in trace.spans[5:]] == [
        ({"shared": {"question": "who?"}}, None),
        ({"shared": {"question": "who?"}}, ["who?"]),
        ({"prep_res": ["who?"]}, None),
    ]
