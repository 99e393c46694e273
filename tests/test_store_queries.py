"""Lists of traces: which a filter lets through, in pages, and by which index."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_support import made_trace
from view_support import support_flow

from pocketflow_tracing.errors import StoreError
from pocketflow_tracing.model import ErrorInfo, Status
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.filters import TraceFilter
from pocketflow_tracing.store.queries import count, page
from pocketflow_tracing.store.rows import trace_row
from pocketflow_tracing.store.writer import Writer
from pocketflow_tracing.tally import Tally

VERSION_1 = Path(__file__).parent / "store_version_1.sql"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "traces.db")
    yield store
    store.close()


def names(store: Store, wanted: TraceFilter | None = None, **places: str | None) -> list[str]:
    """The names of the traces on a page of three."""
    return [summary.trace.name for summary in page(store, wanted, limit=3, **places).summaries]


def test_pages_lead_through_all_traces_and_back(store: Store):
    """Every trace is on one page, newest first, also where several began at the same moment."""
    for number in range(1, 9):
        store.end(made_trace(number, start_ns=number // 3))

    first = page(store, limit=3)
    second = page(store, limit=3, before=first.older)
    third = page(store, limit=3, before=second.older)

    shown = [[summary.trace.name for summary in one.summaries] for one in (first, second, third)]
    assert shown == [["Flow 8", "Flow 7", "Flow 6"], ["Flow 5", "Flow 4", "Flow 3"], ["Flow 2", "Flow 1"]]
    assert (first.newer, third.older) == (None, None)
    assert names(store, after=third.newer) == shown[1]
    assert page(store, limit=3, after=second.newer) == dataclasses.replace(first, newer=None)
    assert page(store, limit=3, after=third.newer).older == second.older


def test_a_page_has_headers_and_counts(store: Store):
    """What a list shows of a trace, without its spans and values."""
    trace = support_flow().trace(session_id="s-1", tags=["a"], metadata={"k": 1}, input={"shared": {}})
    store.end(trace)

    (summary,) = page(store).summaries

    assert summary.trace == dataclasses.replace(trace, spans=[], input=None)
    assert summary.tally == Tally.of(trace) == Tally(spans=9, nodes=2, retries=1, errors=1, warnings=1)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TraceFilter(), ["C", "B", "A"]),
        (TraceFilter(name="B"), ["B"]),
        (TraceFilter(name="b"), []),
        (TraceFilter(name="[AB]*"), []),
        (TraceFilter(name="*"), ["C", "B", "A"]),
        (TraceFilter(statuses=(Status.ERROR,)), ["C"]),
        (TraceFilter(statuses=(Status.OK, Status.CANCELLED)), ["B", "A"]),
        (TraceFilter(since_ns=200), ["C", "B"]),
        (TraceFilter(until_ns=200), ["A"]),
        (TraceFilter(session="s-1"), ["B", "A"]),
        (TraceFilter(user="ben"), ["C"]),
        (TraceFilter(project="shop"), ["A"]),
        (TraceFilter(tag="nightly"), ["C", "A"]),
        (TraceFilter(tag="night"), []),
        (TraceFilter(tag='say "no"'), ["A"]),
        (TraceFilter(tag="nightly", session="s-1"), ["A"]),
        (TraceFilter(statuses=(Status.UNSET,)), []),
    ],
)
def test_a_filter_lets_through_what_agrees_with_all_of_it(
    store: Store, wanted: TraceFilter, expected: list[str]
):
    """Each part of a filter counts, and the number of traces is the number on the pages."""
    given = [
        ("A", Status.OK, "s-1", "ada", ["nightly", 'say "no"'], "shop"),
        ("B", Status.CANCELLED, "s-1", None, [], None),
        ("C", Status.ERROR, None, "ben", ["nightly"], "bank"),
    ]
    for number, (name, status, session, user, tags, project) in enumerate(given, 1):
        trace = made_trace(number, start_ns=number * 100)
        trace.name, trace.status, trace.session_id = name, status, session
        trace.user_id, trace.tags, trace.project = user, tags, project
        store.end(trace)

    assert names(store, wanted) == expected
    assert count(store, wanted) == len(expected)


def test_running_and_interrupted_traces_are_told_apart(store: Store):
    """Neither has an end; which it is depends on the process that wrote it."""
    store.end(made_trace(1, ended=False))
    store.end(made_trace(2))
    gone = Writer.this_process()._replace(started=1)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO writers (host, boot, pid, started, renewed_ns) VALUES (?, ?, ?, ?, 0)", gone
        )
        connection.execute("UPDATE traces SET writer = 2 WHERE name = 'Flow 2'")
        connection.execute("UPDATE traces SET end_ns = NULL, status = 'unset' WHERE name = 'Flow 2'")
    store.end(made_trace(3))

    for status, expected in (
        ((Status.UNSET,), ["Flow 1"]),
        ((Status.INTERRUPTED,), ["Flow 2"]),
        ((Status.OK, Status.INTERRUPTED), ["Flow 3", "Flow 2"]),
    ):
        wanted = TraceFilter(statuses=status)
        assert names(store, wanted) == expected
        assert count(store, wanted) == len(expected)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("flow 1", True),  # the trace's name
        ("NODE1", True),
        ("TEXT", True),  # a value
        ("100% \\ of_it", True),  # nothing in it is a pattern
        ("100x", False),
        ('said "no"', True),
        ("ValueError", True),
        ("too slow", True),
        ("customer-7", True),  # metadata
        ("attributes", False),  # a name of our own, not of the program
        ("status_message", False),
        ("nothing of it", False),
    ],
)
def test_a_text_is_found_wherever_the_program_said_it(store: Store, text: str, found: bool):
    """Names, values, errors and metadata are searched; capitals do not matter."""
    trace = made_trace(1)
    trace.metadata = {"customer": "Customer-7"}
    trace.spans[1].output = {"answer": '100% \\ of_it, she said "no"'}
    trace.spans[1].error = ErrorInfo("ValueError", "too slow")
    store.end(trace)
    other = made_trace(2)
    other.name, other.spans = "Other", []
    store.end(other)

    wanted = TraceFilter(text=text)

    assert names(store, wanted) == (["Flow 1"] if found else [])
    assert count(store, wanted) == found


def test_a_search_that_runs_out_of_time_says_where_it_goes_on(store: Store):
    """A rare text in a large store never keeps a reader waiting."""
    for number in range(1, 4):
        store.end(made_trace(number))

    wanted = TraceFilter(text="flow 1")
    first = page(store, wanted, seconds=0)
    second = page(store, wanted, before=first.older)

    assert (first.summaries, second.older) == ([], None)
    assert [summary.trace.name for summary in second.summaries] == ["Flow 1"]


@pytest.mark.parametrize("cursor", ["", "x", "1", "1-x", "-1-1", "9" * 60 + "-1"])
def test_a_cursor_that_is_none_is_refused(store: Store, cursor: str):
    """What comes from an address bar leads to a clear error."""
    store.end(made_trace(1))
    with pytest.raises(StoreError, match="a cursor is what a page gives for the next one"):
        page(store, before=cursor)


def test_a_text_to_look_for_has_a_length():
    """Neither nothing nor a novel is searched for."""
    for text in ("", "x" * 1_001):
        with pytest.raises(StoreError, match="1 to 1,000 characters"):
            TraceFilter(text=text)


def test_where_there_is_no_file_there_are_no_traces(store: Store):
    """Asking makes no file."""
    assert (page(store).summaries, count(store)) == ([], 0)
    assert not os.path.exists(store.path)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (TraceFilter(), "SCAN t USING COVERING INDEX traces_by_start"),
        (TraceFilter(since_ns=5), "SEARCH t USING COVERING INDEX traces_by_start (start_ns>?)"),
        (TraceFilter(name="x"), "SEARCH t USING COVERING INDEX traces_by_name (name=?)"),
        (TraceFilter(statuses=(Status.ERROR,)), "SEARCH t USING COVERING INDEX traces_by_status (status=?)"),
        (TraceFilter(statuses=(Status.UNSET,)), "SCAN t USING INDEX traces_open"),
        (TraceFilter(session="x"), "SEARCH t USING COVERING INDEX traces_by_session (session_id=?)"),
        (TraceFilter(user="x"), "SEARCH t USING COVERING INDEX traces_by_user (user_id=?)"),
        (TraceFilter(project="x"), "SEARCH t USING COVERING INDEX traces_by_project (project=?)"),
        (TraceFilter(tag="x"), "SCAN t USING COVERING INDEX traces_by_tags"),
    ],
)
def test_each_filter_has_an_index_that_gives_the_newest_first(store: Store, wanted: TraceFilter, index: str):
    """The first page costs the same however many traces there are: nothing is scanned or sorted."""
    store.end(made_trace(1))
    where, parameters = wanted.where()
    query = f"SELECT t.start_ns, t.number FROM {where} ORDER BY t.start_ns DESC, t.number DESC"

    plan = store._call(lambda found: found.execute(f"EXPLAIN QUERY PLAN {query}", parameters).fetchall())

    # Traces of the very same moment may have to be sorted, which are few.
    assert [step[3] for step in plan if "RIGHT PART" not in step[3]] == [index]


def test_a_page_reads_no_more_rows_than_it_shows(store: Store):
    """However many traces there are, a page looks at its own and at one more."""
    for number in range(200):
        store.save([trace_row(made_trace(number))], [])

    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with store.reading() as connection:
        assert connection is not None
        connection.set_progress_handler(step, 100)
    page(store, limit=3)

    assert steps < 20  # a scan of all takes a hundred


def test_traces_of_an_older_version_are_counted_when_somebody_asks(tmp_path: Path):
    """Their project, tags and counts are found as if this version had written them."""
    connection = sqlite3.connect(tmp_path / "old.db")
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()
    store = Store(tmp_path / "old.db")

    (summary,) = page(store, TraceFilter(tag="nightly")).summaries

    assert (summary.trace.name, summary.tally) == ("Flow 1", Tally(spans=2, nodes=1))
    assert store._call(
        lambda found: found.execute("SELECT count(*) FROM traces WHERE nodes IS NULL").fetchone()
    ) == (0,)
    store.close()


def test_traces_in_a_file_that_cannot_be_written_are_listed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What an older version wrote there stays without counts."""
    store = Store(tmp_path / "traces.db")
    store.save([trace_row(dataclasses.replace(made_trace(1), spans=[]))], [])

    def refuse(self: Store, **_: object) -> None:
        raise StoreError("read-only")

    monkeypatch.setattr(Store, "transaction", refuse)

    assert [summary.tally for summary in page(store).summaries] == [Tally(spans=2)]
    store.close()
