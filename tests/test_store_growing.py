"""A trace read bit by bit while it grows: what is new or changed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_support import made_span, made_trace, start_child

from pocketflow_tracing.model import Span, Status
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.growing import MAX_OPEN, Gone, GrowingTrace, Place

ID = f"{1:032x}"
BEGUN = """
import sys
sys.path.insert(0, sys.argv[2])
from store_support import made_trace
from pocketflow_tracing.store import Store
trace = made_trace(1, ended=False)
store = Store(sys.argv[1])
store.begin(trace)
store.write(trace.spans)
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Store]:
    """The store as the traced program has it."""
    store = Store(tmp_path / "traces.db")
    yield store
    store.close()


@pytest.fixture
def reader(writer: Store) -> Iterator[Store]:
    """The same store, as whoever looks on has it."""
    store = Store(writer.path, read_only=True)
    yield store
    store.close()


def names(spans: list[Span]) -> list[str]:
    """Names and ends of spans, sorted."""
    return sorted(f"{span.name} {'open' if span.end_ns is None else span.status.value}" for span in spans)


def test_only_new_and_changed_spans_are_given(writer: Store, reader: Store) -> None:
    """Whatever was given before and did not change is not given again."""
    trace = made_trace(1, spans=3, ended=False)
    writer.begin(trace)
    writer.write(trace.spans[:2])
    growing = GrowingTrace(reader, ID)
    assert names(growing.catch_up()) == ["Flow open", "Node1 ok"]
    assert growing.catch_up() == []

    writer.write(trace.spans[2:])
    writer.end(made_trace(2))
    assert names(growing.catch_up()) == ["Node2 ok"]

    writer.end(made_trace(1, spans=1))
    assert names(growing.catch_up()) == ["Flow ok"]
    assert (growing.trace.status, names(growing.trace.spans)) == (
        Status.OK,
        ["Flow ok", "Node1 ok", "Node2 ok"],
    )
    assert [span.seq for span in growing.trace.spans] == [0, 1, 2]
    assert growing.catch_up() == []


def test_an_open_span_that_learned_something_is_given_again(writer: Store, reader: Store) -> None:
    """An input that came later, or an attribute."""
    trace = made_trace(1, spans=1, ended=False)
    trace.spans[0].input = None
    writer.begin(trace)
    writer.write(trace.spans)
    growing = GrowingTrace(reader, ID)
    growing.catch_up()
    trace.spans[0].input = {"shared": {}}
    writer.write(trace.spans)

    assert [span.input for span in growing.catch_up()] == [1]
    writer.write(trace.spans)
    assert growing.catch_up() == []


def test_values_are_read_one_span_at_a_time(writer: Store, reader: Store) -> None:
    """The trace itself only says which spans have some."""
    writer.end(made_trace(1))
    growing = GrowingTrace(reader, ID)
    growing.catch_up()

    assert [(span.input, span.output) for span in growing.trace.spans] == [(1, 1), (1, 1)]
    assert growing.with_values(f"{2:016x}") == made_trace(1).spans[1]
    with pytest.raises(Gone, match="no step abc"):
        growing.with_values("abc")


def test_somebody_who_comes_back_gets_what_changed_since(writer: Store, reader: Store) -> None:
    """A place outlives who was there; one that makes no sense, or of another file, means everything."""
    trace = made_trace(1, spans=4, ended=False)
    writer.begin(trace)
    writer.write(trace.spans[:3])
    growing = GrowingTrace(reader, ID)
    growing.catch_up()
    place = Place.of(str(growing.place))
    assert (str(place), place) == ("3-1", Place(3, (1,)))
    writer.write([trace.spans[3]])
    writer.end(made_trace(1, spans=1))

    later = GrowingTrace(reader, ID)
    later.catch_up()
    assert names(later.since(place)) == ["Flow ok", "Node3 ok"]
    assert later.since(later.place) == []
    for nonsense in ("", "x", "3", "9999-", "-", "3-x", "3-all"):
        expected = 1 if nonsense == "3" else 4
        assert len(later.since(Place.of(nonsense))) == expected, nonsense


def test_a_place_does_not_grow_without_end(writer: Store, reader: Store) -> None:
    """With very many spans open, everything is read again."""
    trace = made_trace(1, spans=0, ended=False)
    trace.spans = [made_span(trace, seq) for seq in range(MAX_OPEN + 1)]
    for span in trace.spans:
        span.end_ns = None
    writer.begin(trace)
    writer.write(trace.spans)
    growing = GrowingTrace(reader, ID)
    growing.catch_up()

    assert str(growing.place) == f"{MAX_OPEN + 1}-all"
    assert len(growing.since(growing.place)) == MAX_OPEN + 1


def test_a_trace_that_was_deleted_is_gone(writer: Store, reader: Store) -> None:
    """One that comes back, or stands in a file that replaced the other, is read anew."""
    writer.end(made_trace(1))
    growing = GrowingTrace(reader, ID)
    growing.catch_up()
    writer.delete_all()
    with pytest.raises(Gone):
        growing.catch_up()
    writer.end(made_trace(2))
    writer.end(made_trace(1, spans=3))
    assert names(growing.catch_up()) == ["Flow ok", "Node1 ok", "Node2 ok"]

    writer.close()
    for file in Path(writer.path).parent.iterdir():
        file.unlink()
    with pytest.raises(Gone):
        growing.catch_up()
    writer.end(made_trace(1))
    assert names(growing.catch_up()) == ["Flow ok", "Node1 ok"]
    assert names(growing.trace.spans) == ["Flow ok", "Node1 ok"]


def test_open_spans_of_a_dead_process_are_interrupted(writer: Store, reader: Store) -> None:
    """They are given again, though nobody wrote them."""
    child = start_child(BEGUN, writer.path, str(Path(__file__).parent))
    assert child.stdout is not None and child.stdout.readline() == "begun\n"
    growing = GrowingTrace(reader, ID)
    assert names(growing.catch_up()) == ["Flow open", "Node1 ok"]
    child.kill()
    child.wait()

    assert [(span.name, span.status) for span in growing.catch_up()] == [("Flow", Status.INTERRUPTED)]
    assert growing.trace.status is Status.INTERRUPTED


def test_what_is_new_is_found_without_reading_the_rest(writer: Store, reader: Store) -> None:
    """By row, whatever the size of the trace or of the store."""
    writer.end(made_trace(1))
    with reader.reading() as connection:
        assert connection is not None
        from pocketflow_tracing.store import growing

        plan = connection.execute(f"EXPLAIN QUERY PLAN {growing._NEW}", (5, 1)).fetchall()
        whole = connection.execute(f"EXPLAIN QUERY PLAN {growing._ALL}", (1,)).fetchall()
    assert [row[3] for row in plan] == ["SEARCH spans USING INTEGER PRIMARY KEY (rowid>?)"]
    assert "USING INDEX" in whole[0][3]
