"""The local store: what it keeps, finds, deletes and prunes."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_support import made_span, made_trace

from pocketflow_tracing.errors import StoreError
from pocketflow_tracing.model import (
    ErrorInfo,
    Generation,
    Graph,
    GraphEdge,
    GraphNode,
    SpanKind,
    Status,
    Trace,
)
from pocketflow_tracing.store import Store, pruning
from pocketflow_tracing.store.addresses import Destination

DAY_NS = pruning.DAY_NS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "traces.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


def kept(path: Path, *traces: Trace) -> None:
    """Write traces and close the file."""
    store = Store(path)
    for trace in traces:
        store.end(trace)
    store.close()


# What comes back


def test_a_trace_comes_back_as_it_was_written(store: Store) -> None:
    """Every field of a trace and of its spans survives the file."""
    trace = made_trace(1, spans=4)
    trace.graph = Graph(
        [GraphNode("Node1", "Node1", "Node 1", "node", "Flow")],
        [GraphEdge("default", "Node1", "Node1", "Flow")],
    )
    trace.scores = [{"name": "good", "value": 1.0}]
    trace.user_id, trace.variant, trace.release, trace.project = "ann", "b", "1.2", "shop"
    trace.parent_span_id, trace.trace_id = "12" * 8, "ab" * 16
    trace.dropped_spans, trace.complete = 3, False
    trace.spans[2] = dataclasses.replace(
        trace.spans[2],
        kind=SpanKind.GENERATION,
        status=Status.ERROR,
        status_message="ValueError: no",
        node_key="Node2#2",
        changes={"added": {"key": 1}},
        error=ErrorInfo("ValueError", "no", "Traceback …", ["a note"], ["KeyError: 'x'"], "34" * 8),
        generation=Generation("gpt", {"temperature": 0}, {"input": 10}, {"input": 0.5}),
        redacted=["input.shared.key"],
        truncated=["output"],
    )
    store.end(trace)

    assert store.load(trace.id) == trace
    assert store.last() == trace
    assert store.traces() == [dataclasses.replace(trace, spans=[])]


def test_values_that_are_no_valid_unicode_come_back(store: Store) -> None:
    """A lone surrogate, which UTF-8 cannot hold, survives in values; in a name it is replaced."""
    trace = made_trace(1)
    trace.name = "broken \ud800 name"
    trace.spans[1].output = {"key \udfff": ["\ud800", "日本語", "é"]}
    store.end(trace)

    found = store.load(trace.id)
    assert found.spans[1].output == {"key \udfff": ["\ud800", "日本語", "é"]}
    assert found.name == "broken ? name"


def test_spans_come_in_start_order_also_within_one_instant(store: Store) -> None:
    """Spans are written as they end, children first, and read as they began."""
    trace = made_trace(1, spans=5)
    for span in trace.spans:
        span.start_ns = trace.start_ns
    store.begin(trace)
    store.write(list(reversed(trace.spans)))

    assert [span.seq for span in store.load(trace.id).spans] == [0, 1, 2, 3, 4]


def test_spans_made_by_hand_need_no_sequence(store: Store) -> None:
    """Spans that all have the sequence 0 stay apart, by their ids."""
    trace = made_trace(1, spans=3)
    for span in trace.spans:
        span.seq = 0
    store.end(trace)

    assert store.load(trace.id).spans == trace.spans


def test_the_end_of_a_span_replaces_its_open_row_and_never_the_reverse(store: Store) -> None:
    """A span is written while it runs; what is written late about that time changes nothing."""
    trace = made_trace(1, spans=1, ended=False)
    done = made_span(trace, 0)
    store.begin(trace)
    store.write([trace.spans[0]])
    assert store.load(trace.id).spans == [trace.spans[0]]

    store.write([done])
    store.write([trace.spans[0]])
    assert store.load(trace.id).spans == [done]


def test_input_and_output_of_a_run_are_kept_when_its_row_is_written_again(store: Store) -> None:
    """A later header without values does not take away the values of an earlier one."""
    trace = made_trace(1, spans=0, ended=False)
    store.begin(trace)
    store.begin(dataclasses.replace(trace, input=None, span_count=7))

    found = store.load(trace.id)
    assert (found.input, found.output, found.span_count) == (trace.input, None, 7)


def test_traces_are_listed_newest_first_page_by_page(store: Store) -> None:
    """`traces` goes by start time, whatever the order of writing."""
    for number in (2, 5, 1, 4, 3):
        store.end(made_trace(number))

    assert [trace.name for trace in store.traces(limit=2)] == ["Flow 5", "Flow 4"]
    assert [trace.name for trace in store.traces(limit=9, offset=2)] == ["Flow 3", "Flow 2", "Flow 1"]
    assert all(trace.spans == [] for trace in store.traces())


def test_a_trace_is_found_by_the_start_of_its_id(store: Store) -> None:
    """A start that fits one trace is enough; one that fits several, or none, is told apart."""
    first, second = made_trace(1), made_trace(2)
    first.id, second.id = "abc1" + "0" * 28, "abc2" + "0" * 28
    for trace in (first, second):
        trace.spans = []
        store.end(trace)

    assert store.load("abc1").id == first.id
    with pytest.raises(StoreError, match="'abc' stands for more than one trace: abc10000, abc20000"):
        store.load("abc")
    with pytest.raises(StoreError, match="no trace 'x%'"):
        store.load("x%")
    with pytest.raises(StoreError, match="no trace ''"):
        store.load("")


def test_reading_where_there_is_no_store_makes_none(store: Store, path: Path) -> None:
    """Looking at traces leaves no file and no folder behind."""
    assert store.traces() == []
    assert store.last() is None
    assert store.delete_all() == 0
    assert store.delete([]) == 0
    with pytest.raises(StoreError, match="there is no trace store at"):
        store.load("abc")
    assert not path.parent.exists()


# Deleting


def test_delete_takes_away_what_is_named_and_nothing_else(store: Store) -> None:
    """Traces go by id or start of one; an unknown one deletes nothing at all."""
    for number in (1, 2, 3):
        store.end(made_trace(number))

    with pytest.raises(StoreError, match="no trace 'ff'"):
        store.delete([f"{1:032x}", "ff"])
    assert store.delete([f"{1:032x}", f"{3:032x}", f"{3:032x}"]) == 2
    assert [trace.name for trace in store.traces()] == ["Flow 2"]
    assert len(store.load(f"{2:032x}").spans) == 2


def test_delete_by_age_and_delete_all(store: Store) -> None:
    """`delete_older_than` looks at the start of a run."""
    now = made_trace(1).start_ns
    store.end(made_trace(1, start_ns=now - 10 * DAY_NS))
    store.end(made_trace(2, start_ns=now - 2 * DAY_NS))
    store.end(made_trace(3, start_ns=now))

    assert store.delete_older_than(5) == 1
    assert [trace.name for trace in store.traces()] == ["Flow 3", "Flow 2"]
    assert store.delete_all() == 2
    assert store.traces() == []


def test_what_was_deleted_is_nowhere_on_the_disk(store: Store, path: Path) -> None:
    """The file and its log shrink, and hold no byte of a deleted trace while still open."""
    trace = made_trace(1, spans=300)
    for span in trace.spans:
        span.output = "confidential " * 50
    store.end(trace)
    store.end(made_trace(2))
    size = path.stat().st_size
    store.delete([trace.id])

    content = subprocess.run(["cat", path, f"{path}-wal"], capture_output=True, check=True).stdout
    assert b"confidential" not in content
    assert len(content) < max(size, 150_000)
    assert [trace.name for trace in store.traces()] == ["Flow 2"]


def test_spans_of_a_deleted_trace_that_still_runs_are_let_go(store: Store) -> None:
    """What is written for a trace that is gone leaves no orphans."""
    trace = made_trace(1, ended=False)
    store.begin(trace)
    store.delete_all()
    store.write(trace.spans)

    assert store.traces() == []
    assert store._call(lambda found: found.execute("SELECT count(*) FROM spans").fetchone()) == (0,)


# Pruning


def test_pruning_goes_by_age(store: Store) -> None:
    """What is older than `max_days` goes; what still runs stays."""
    now = made_trace(1).start_ns
    store.max_days = 30
    store.end(made_trace(1, start_ns=now - 31 * DAY_NS))
    store.end(made_trace(2, start_ns=now - 29 * DAY_NS))
    store.begin(made_trace(3, start_ns=now - 31 * DAY_NS, ended=False))

    assert store.prune() == 1
    assert [trace.name for trace in store.traces()] == ["Flow 2", "Flow 3"]


def test_pruning_goes_by_size_oldest_first_and_gives_the_room_back(store: Store, path: Path) -> None:
    """Above `max_bytes`, the oldest traces go until the file and its log are below it."""
    store.max_bytes = 450_000
    for number in range(20):
        trace = made_trace(number, spans=30)
        for span in trace.spans:
            span.input = "x" * 1000
        store.end(trace)

    pruned = store.prune()
    left = [trace.name for trace in store.traces()]
    assert pruned and left == [f"Flow {number}" for number in reversed(range(pruned, 20))]
    assert len(left) > 5
    assert path.stat().st_size + Path(f"{path}-wal").stat().st_size < 450_000
    assert store.prune() == 0


def test_undelivered_traces_go_last_and_are_counted(store: Store) -> None:
    """Size takes delivered traces first, then undelivered ones; age spares these."""
    now = made_trace(1).start_ns
    for number in range(6):
        trace = made_trace(number, spans=20, start_ns=now - 40 * DAY_NS + number)
        for span in trace.spans:
            span.input = "x" * 1000
        store.end(trace)
        if number in (1, 2, 3):
            store.save((), (), [(trace.id, Destination("langfuse", "host", "pk"))])

    assert store.prune() == 3
    assert [trace.name for trace in store.traces()] == ["Flow 3", "Flow 2", "Flow 1"]
    store.max_bytes = 190_000
    assert store.prune() == 1
    assert [trace.name for trace in store.traces()] == ["Flow 3", "Flow 2"]
    count = store._call(lambda found: found.execute("SELECT name, value FROM counters").fetchall())
    assert count == [("pruned_undelivered", 1)]


def test_pruning_makes_no_file(store: Store, path: Path) -> None:
    """Whoever deletes the store has no empty one in its place, even if it was open."""
    store.end(made_trace(1))
    for companion in ("", "-wal", "-shm"):
        os.unlink(f"{path}{companion}")

    assert store.prune() == 0
    assert not path.exists()


def test_a_long_reader_does_not_make_pruning_delete_everything(store: Store, path: Path) -> None:
    """While somebody reads, the log cannot shrink; only what the traces take counts then."""
    for number in range(10):
        store.end(made_trace(number, spans=50))
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM spans").fetchone()
    store.max_bytes = 300_000
    store.prune()
    reader.close()

    assert len(store.traces()) >= 5
