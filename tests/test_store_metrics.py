"""Figures over many traces: per flow, over time, per session, per node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from view_support import MS, TraceBuilder

from pocketflow_tracing.model import ErrorInfo, Generation, SpanKind, Status
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.filters import TraceFilter
from pocketflow_tracing.store.metrics import Figures, choices, flows, over_time, sessions
from pocketflow_tracing.store.nodes import nodes


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "traces.db")
    yield store
    store.close()


def keep(store: Store, build: TraceBuilder, number: int, **given: object) -> None:
    """A trace in the store that began at millisecond `number`, and took as many."""
    trace = build.trace(start_ns=number * MS, end_ns=2 * number * MS, **given)
    trace.id = trace.trace_id = f"{number:032x}"
    for span in trace.spans:
        span.trace_id = trace.id
    store.end(trace)


def asking(name: str = "Support", *, tokens: int = 100, failed: bool = False) -> TraceBuilder:
    """A flow that asks a model in the second attempt of its node, within a nested flow."""
    build = TraceBuilder(name)
    flow = build.add(None, SpanKind.FLOW, name, status=Status.ERROR if failed else Status.OK)
    inner = build.add(flow, SpanKind.FLOW, "Inner", node_key="Inner")
    node = build.node(inner, "Ask", "prep", node_key="Ask#2", attempts=2)
    build.failed(
        node, SpanKind.EXEC, "Ask.exec", ErrorInfo("TimeoutError", "slow"), attempt=1, recovered=True
    )
    again = build.add(node, SpanKind.EXEC, "Ask.exec", attempt=2)
    call = Generation("m", usage={"input": tokens - 10, "output": 10}, cost={"total": tokens / 1_000})
    build.add(again, SpanKind.GENERATION, "m", generation=call)
    last = build.node(flow, "Send", "post")
    if failed:
        last.status, last.error = Status.ERROR, ErrorInfo("OSError", "no")
        flow.error = ErrorInfo("OSError", "no", raised_in=last.span_id)
    return build


def test_flows_have_their_runs_rates_durations_and_costs(store: Store):
    """One entry a flow, the one with the most runs first."""
    keep(store, asking(), 1)
    keep(store, asking(tokens=300), 2)
    keep(store, asking(failed=True), 3)
    keep(store, TraceBuilder("Other"), 4, status=Status.UNSET)

    found = flows(store)

    assert {name: figures.to_dict() for name, figures in found.items()} == {
        "Support": {
            "runs": 3,
            "statuses": {"ok": 2, "error": 1},
            "success_rate": 2 / 3,
            "p50_ns": 2 * MS,
            "p95_ns": 3 * MS,
            "retries": 3,
            "errors": 1,
            "tokens": 500,
            "cost": pytest.approx(0.5),
        },
        "Other": {
            "runs": 1,
            "statuses": {"running": 1},
            "success_rate": None,
            "p50_ns": 4 * MS,
            "p95_ns": 4 * MS,
            "retries": 0,
            "errors": 0,
            "tokens": 0,
            "cost": 0,
        },
    }
    assert list(found) == ["Support", "Other"]
    assert flows(store, TraceFilter(statuses=(Status.ERROR,)))["Support"].runs == 1
    assert flows(store, TraceFilter(text="oserror"))["Support"].runs == 1


def test_over_time_each_flow_has_spans_of_equal_length(store: Store):
    """A run counts in the span of time in which it began."""
    for number in (1, 9, 10, 25):
        keep(store, TraceBuilder("Support"), number, status=Status.OK)
    keep(store, TraceBuilder("Other"), 12, status=Status.OK)

    found = over_time(store, 10 * MS)

    starts = {
        name: {start // MS: figures.runs for start, figures in spans.items()} for name, spans in found.items()
    }
    assert starts == {"Other": {10: 1}, "Support": {0: 2, 10: 1, 20: 1}}


def test_sessions_hold_their_traces_together(store: Store):
    """The session that was active last comes first; traces without one are in none."""
    keep(store, asking(), 1, session_id="s-1")
    keep(store, asking(), 2, session_id="s-2")
    keep(store, asking(failed=True), 30, session_id="s-1")
    keep(store, asking(), 40)

    first, second = sessions(store)

    assert (first.id, first.first_ns, first.last_ns) == ("s-1", MS, 60 * MS)
    assert (first.figures.runs, first.figures.errors, first.figures.tokens) == (2, 1, 200)
    assert (second.id, second.figures.runs) == ("s-2", 1)
    assert [session.id for session in sessions(store, limit=1, offset=1)] == ["s-2"]
    assert [session.id for session in sessions(store, TraceFilter(until_ns=2 * MS))] == ["s-1"]


def test_choices_are_what_there_is_to_filter_by(store: Store):
    """Each value once, in order."""
    keep(store, TraceBuilder("B"), 1, session_id="s", tags=["x", "y"], project="shop")
    keep(store, TraceBuilder("A"), 2, user_id="u", tags=["y"])

    assert choices(store) == {
        "name": ["A", "B"],
        "session": ["s"],
        "user": ["u"],
        "project": ["shop"],
        "tag": ["x", "y"],
    }


def test_nodes_have_figures_of_their_own(store: Store):
    """Nodes of nested flows by their path; calls of models count for every node around them."""
    keep(store, asking(), 1)
    keep(store, asking(failed=True), 2)

    found = nodes(store)["Support"]

    figures = {
        name: (one.runs, one.by_status, one.retries, one.errors, one.tokens) for name, one in found.items()
    }
    assert figures == {
        "Inner": (2, {Status.OK: 2}, 0, 0, 200),
        "Inner/Ask#2": (2, {Status.OK: 2}, 2, 0, 200),
        "Send": (2, {Status.OK: 1, Status.ERROR: 1}, 0, 1, 0),
    }
    assert found["Send"].percentile_ns(95) == 2 * MS
    assert nodes(store, limit=1)["Support"]["Send"].by_status == {Status.ERROR: 1}
    assert nodes(store, TraceFilter(name="Other")) == {}


def test_a_node_without_an_end_was_interrupted_unless_its_trace_runs(store: Store):
    """It counts among the runs, without a duration."""
    for ended in (True, False):
        build = TraceBuilder("Support")
        node = build.node(build.add(None, SpanKind.FLOW, "Support"), "Ask", status=Status.UNSET)
        node.end_ns = None
        trace = build.trace()
        trace.id = trace.trace_id = str(int(ended)) * 32
        for span in trace.spans:
            span.trace_id = trace.id
        trace.end_ns = 5 * MS if ended else None
        store.end(trace)

    figures = nodes(store)["Support"]["Ask"]

    assert figures.by_status == {Status.INTERRUPTED: 1, Status.UNSET: 1}
    assert (figures.durations_ns, figures.success_rate) == ([], 0)


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (75, 3), (76, 4), (95, 4), (100, 4), (0, 1)])
def test_a_percentile_is_a_duration_that_was_measured(percent: float, expected: int):
    """The nearest rank: the shortest duration that so many percent did not exceed."""
    assert Figures(durations_ns=[4, 1, 3, 2]).percentile_ns(percent) == expected
    assert Figures().percentile_ns(percent) is None


def test_without_a_file_there_are_no_figures(store: Store):
    """Asking makes no file."""
    assert (flows(store), over_time(store, MS), sessions(store), nodes(store)) == ({}, {}, [], {})
    assert choices(store) == {"name": [], "session": [], "user": [], "project": [], "tag": []}
