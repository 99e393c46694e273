"""Spans of OpenTelemetry's and Langfuse's own lie where they belong; runs join traces that are under way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchNode, Flow, Node

from pocketflow_tracing import (
    Trace,
    TracingConfig,
    TracingError,
    current_traceparent,
    span,
    spans,
    trace_flow,
    tracing,
)
from pocketflow_tracing.testing import capture_traces

pytestmark = pytest.mark.usefixtures("probe")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Telemetry:
    """A tracer of the program's own, and what it recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("program")

    def parents(self) -> dict[str, str]:
        """The id of the parent of each span that ended, by name."""
        return {one.name: f"{one.parent.span_id:016x}" if one.parent else "" for one in self.ended()}

    def ended(self) -> tuple[ReadableSpan, ...]:
        """The spans that ended."""
        found: tuple[ReadableSpan, ...] = self._exporter.get_finished_spans()
        return found


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    before = otel_context.get_current()
    yield Telemetry()
    assert otel_context.get_current() is before


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run counts as one that is sent to a server, so that none is needed."""
    monkeypatch.setattr(spans, "is_sent", lambda config: True)


def ids(trace: Trace) -> dict[str, str]:
    """The id of each span, by name."""
    return {one.name: one.span_id for one in trace.spans}


def test_spans_made_in_a_phase_lie_beneath_it(telemetry: Telemetry, sent: None) -> None:
    """In every phase, in a flow that a phase runs, and in a span of our own."""

    class Inner(Node):
        def exec(self, prep_res: Any) -> Any:
            with telemetry.tracer.start_as_current_span("in inner"):
                pass

    class Outer(Node):
        def prep(self, shared: Any) -> Any:
            with telemetry.tracer.start_as_current_span("in prep"):
                pass

        def exec(self, prep_res: Any) -> Any:
            Flow(start=Inner()).run({})
            with telemetry.tracer.start_as_current_span("in exec"):
                pass
            with span("by hand"), telemetry.tracer.start_as_current_span("in span"):
                pass

    with capture_traces() as traces:
        Flow(start=Outer()).run({})

    [trace] = traces
    of = ids(trace)
    assert telemetry.parents() == {
        "in prep": of["Outer.prep"],
        "in inner": of["Inner.exec"],
        "in exec": of["Outer.exec"],
        "in span": of["by hand"],
    }
    assert {f"{one.context.trace_id:032x}" for one in telemetry.ended() if one.context} == {trace.trace_id}


def test_spans_of_parallel_items_do_not_change_places(telemetry: Telemetry, sent: None) -> None:
    """Each task has a context of its own."""

    class Many(AsyncParallelBatchNode):
        async def prep_async(self, shared: Any) -> Any:
            return [3, 1, 2]

        async def exec_async(self, prep_res: Any) -> Any:
            for _ in range(prep_res):
                await asyncio.sleep(0)
            with telemetry.tracer.start_as_current_span(f"item {prep_res}"):
                await asyncio.sleep(0)

    async def program() -> None:
        await AsyncFlow(start=Many()).run_async({})

    with capture_traces() as traces:
        asyncio.run(program())

    execs = [one for one in traces[0].spans if one.name == "Many.exec"]
    assert telemetry.parents() == {f"item {one.input['prep_res']}": one.span_id for one in execs}  # type: ignore[index,call-overload]


def test_a_failed_attempt_leaves_the_context_as_it_was(telemetry: Telemetry, sent: None) -> None:
    """Also where the flow fails as a whole, is cancelled, or a coroutine is never awaited to its end."""

    class Fails(Node):
        def exec(self, prep_res: Any) -> Any:
            raise ValueError("no")

    class Hangs(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            await asyncio.sleep(60)

    async def program() -> None:
        before = otel_context.get_current()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(AsyncFlow(start=Hangs()).run_async({}), 0.01)
        assert otel_context.get_current() is before

    with capture_traces():
        with pytest.raises(ValueError):
            Flow(start=Fails(max_retries=2)).run({})
        asyncio.run(program())


def test_a_run_joins_the_span_that_is_current(telemetry: Telemetry, sent: None) -> None:
    """Its root lies beneath that span, in that span's trace; its own id stays its own."""

    class Quiet(Node):
        pass

    with capture_traces() as traces, telemetry.tracer.start_as_current_span("request") as request:
        Flow(start=Quiet()).run({})

    [trace] = traces
    ours = request.get_span_context()
    assert trace.trace_id == f"{ours.trace_id:032x}"
    assert trace.parent_span_id == f"{ours.span_id:016x}"
    assert trace.id != trace.trace_id


def test_what_is_sent_nowhere_leaves_opentelemetry_alone(telemetry: Telemetry) -> None:
    """Spans would hang beneath a parent that no server ever sees."""

    class Meets(Node):
        def exec(self, prep_res: Any) -> Any:
            return otel_trace.get_current_span().get_span_context().is_valid

    with capture_traces() as traces:
        Flow(start=Meets()).run({})
    assert traces[0].spans[-1].output is False


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"langfuse_public_key": "pk-lf-1", "langfuse_secret_key": "sk-lf-1"}, True),
        ({"langfuse_public_key": "pk-lf-1"}, False),
        ({"otlp": True}, True),
        ({}, False),
    ],
)
def test_runs_with_credentials_are_sent(given: dict[str, Any], expected: bool) -> None:
    """Where their spans go, other instrumentation sends its own."""
    assert spans.is_sent(TracingConfig(**given)) is expected


def test_a_traceparent_goes_out_and_comes_in() -> None:
    """What one machine hands on is where the other machine's run belongs."""
    told: list[str | None] = []

    class Calls(Node):
        def exec(self, prep_res: Any) -> Any:
            told.append(current_traceparent())

    class Answers(Node):
        pass

    with capture_traces() as traces:
        Flow(start=Calls()).run({})
    [first] = traces
    execution = first.spans[-1]
    assert told == [f"00-{first.trace_id}-{execution.span_id}-01"]

    with capture_traces(parent=told[0]) as traces:
        Flow(start=Answers()).run({})
    [second] = traces
    assert (second.trace_id, second.parent_span_id) == (first.trace_id, execution.span_id)
    assert current_traceparent() is None


def test_a_decorated_flow_takes_a_parent_too() -> None:
    """`trace_flow` and `tracing` take the same keywords."""
    with capture_traces() as traces:
        trace_flow(parent=PARENT)(Flow(start=Node())).run({})
    assert (traces[0].trace_id, traces[0].parent_span_id) == (PARENT[3:35], PARENT[36:52])


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00-0-0-01",
        PARENT.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        7,
    ],
)
def test_what_is_no_traceparent_is_refused(given: Any) -> None:
    """At once, with what is wanted."""
    with pytest.raises(TracingError, match="parent must be a W3C traceparent"):
        tracing(parent=given)


def test_traces_are_sampled_by_the_trace_they_join() -> None:
    """So all machines keep or drop the same ones."""
    kept = PARENT.replace("8448eb211c80319c", "0448eb211c80319c")
    config = TracingConfig(sample_rate=0.5)
    for parent, count in ((kept, 1), (PARENT, 0)):
        with capture_traces(config=config, parent=parent) as traces:
            Flow(start=Node()).run({})
        assert len(traces) == count


def test_sampling_agrees_with_opentelemetrys() -> None:
    """Langfuse's SDK samples by the id of the trace in that way: both keep a trace, or neither."""
    sampler = TraceIdRatioBased(0.3)
    ids = random.Random(1)
    kept = 0
    for _ in range(200):
        trace_id = ids.getrandbits(128)
        parent = f"00-{trace_id:032x}-b7ad6b7169203331-01"
        with capture_traces(config=TracingConfig(sample_rate=0.3), parent=parent) as traces:
            Flow(start=Node()).run({})
        theirs = sampler.should_sample(None, trace_id, "flow").decision is Decision.RECORD_AND_SAMPLE
        assert (len(traces) == 1) is theirs
        kept += theirs
    assert 40 < kept < 80
