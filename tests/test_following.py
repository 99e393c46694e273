"""What happens in a store, as it happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from store_support import made_trace
from view_support import MS, TraceBuilder

from pocketflow_tracing.model import ErrorInfo, Span, SpanKind, Status, Trace
from pocketflow_tracing.store import Store, following
from pocketflow_tracing.store.filters import TraceFilter
from pocketflow_tracing.store.following import Follower, Happening


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Store]:
    """The store as a program has it open that is traced."""
    store = Store(tmp_path / "traces.db")
    yield store
    store.close()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Store]:
    """The same store as somebody else has it open."""
    store = Store(tmp_path / "traces.db")
    yield store
    store.close()


def asking() -> tuple[Trace, list[Span]]:
    """A run that goes on, and its spans: the flow, a node, a failed attempt, and one that is open."""
    build = TraceBuilder("Support")
    flow = build.add(None, SpanKind.FLOW, "Support", end_ns=None, status=Status.UNSET, seq=0)
    node = build.add(flow, SpanKind.NODE, "Ask", end_ns=None, status=Status.UNSET, seq=1)
    slow = ErrorInfo("TimeoutError", "too slow")
    build.failed(node, SpanKind.EXEC, "Ask.exec", slow, attempt=1, max_attempts=2, recovered=True, seq=2)
    build.add(node, SpanKind.EXEC, "Ask.exec", end_ns=None, status=Status.UNSET, attempt=2, seq=3)
    return replace(build.trace(end_ns=None), spans=[]), build.spans


def told(happenings: list[Happening]) -> list[tuple[str, ...]]:
    """Each event with the names of the steps that it is about."""
    return [
        (one.event.value, one.run.trace.name)
        + (() if one.span is None else tuple(span.name for span in one.run.path(one.span)))
        for one in happenings
    ]


def ended(span: Span) -> Span:
    return replace(span, end_ns=span.start_ns + 5 * MS, status=Status.OK)


def test_a_run_is_followed_from_its_start_to_its_end(writer: Store, reader: Store):
    """It starts, retries, goes on and ends; what was told once is not told again."""
    trace, (flow, node, failed, again) = asking()
    follower = Follower(reader)
    assert follower.poll() == []  # no file yet

    writer.begin(trace)
    assert told(follower.poll()) == [("started", "Support")]
    assert [run.trace.name for run in follower.runs] == ["Support"]

    writer.write([flow, node, failed, again])
    assert told(follower.poll()) == [
        ("retried", "Support", "Support", "Ask", "Ask.exec"),
        ("running", "Support", "Support", "Ask", "Ask.exec"),
    ]
    (run,) = follower.runs
    assert [span.span_id for span in run.innermost()] == [again.span_id]
    assert run.last_retry is not None and run.last_retry.span_id == failed.span_id

    writer.write([ended(again)])
    assert told(follower.poll()) == [("running", "Support", "Support", "Ask")]

    writer.write([ended(flow), ended(node)])
    assert follower.poll() == []
    assert [run.innermost() for run in follower.runs] == [[]]

    writer.end(replace(trace, end_ns=20 * MS, status=Status.OK))
    assert told(follower.poll()) == [("ended", "Support")]
    assert (follower.runs, follower.poll()) == ([], [])


def test_what_goes_on_already_is_told_first(writer: Store, reader: Store):
    """Whoever comes late learns of what runs, and not of what is over."""
    trace, spans = asking()
    writer.begin(trace)
    writer.write(spans)
    writer.end(made_trace(1))

    follower = Follower(reader)
    assert told(follower.poll()) == [
        ("started", "Support"),
        ("running", "Support", "Support", "Ask", "Ask.exec"),
    ]
    (run,) = follower.runs
    assert run.last_retry is not None and run.last_retry.span_id == spans[2].span_id


def test_a_short_run_starts_and_ends_at_once(writer: Store, reader: Store):
    """Between two looks a run may come and go."""
    follower = Follower(reader)
    writer.end(made_trace(1))
    follower.poll()
    writer.end(made_trace(2))

    assert told(follower.poll()) == [("started", "Flow 2"), ("ended", "Flow 2")]


def test_a_run_whose_process_died_ends_as_interrupted(
    writer: Store, reader: Store, monkeypatch: pytest.MonkeyPatch
):
    """Nothing is written then, so it is looked for now and then; those that died before are old news."""
    trace, spans = asking()
    writer.begin(trace)
    writer.write(spans)
    follower = Follower(reader)
    follower.poll()

    with writer.transaction() as connection:
        connection.execute("UPDATE writers SET started = 1")
    (happening,) = follower.poll()

    assert happening.run.trace.status is Status.INTERRUPTED
    assert told([happening])[0] == ("ended", "Support")
    assert (follower.runs, Follower(reader).poll()) == ([], [])


def test_that_a_process_died_is_found_though_nothing_is_written(
    writer: Store, reader: Store, monkeypatch: pytest.MonkeyPatch
):
    """Every second or so it is looked whether the processes are still there."""
    writer.begin(asking()[0])
    follower = Follower(reader)
    follower.poll()
    monkeypatch.setattr(following.summary_of.__globals__["Writer"], "is_gone", lambda *_: True)

    assert follower.poll() == []
    follower._look_at = 0.0
    assert told(follower.poll()) == [("ended", "Support")]


@pytest.mark.parametrize(
    ("wanted", "is_told"),
    [
        (TraceFilter(name="Supp*"), True),
        (TraceFilter(name="Other"), False),
        (TraceFilter(session="s-1"), True),
        (TraceFilter(tag="nightly"), True),
        (TraceFilter(tag="daily"), False),
    ],
)
def test_only_what_was_asked_for_is_told(writer: Store, reader: Store, wanted: TraceFilter, is_told: bool):
    """A session or a tag may become known while the run goes on."""
    trace, spans = asking()
    writer.begin(trace)
    writer.write(spans)
    follower = Follower(reader, wanted)
    early = told(follower.poll())
    writer.begin(replace(trace, session_id="s-1", tags=["nightly"]))
    late = told(follower.poll())
    writer.end(replace(trace, session_id="s-1", tags=["nightly"], end_ns=20 * MS, status=Status.OK))
    last = told(follower.poll())

    assert ("started", "Support") in early + late or not is_told
    assert last == ([("ended", "Support")] if is_told else [])
    assert bool(early) is (wanted.name == "Supp*")


def test_a_run_that_is_deleted_meanwhile_is_forgotten(writer: Store, reader: Store):
    """Without an end to tell."""
    trace, _ = asking()
    writer.begin(trace)
    follower = Follower(reader)
    follower.poll()
    writer.delete_all()

    assert (follower.poll(), follower.runs) == ([], [])


def test_another_file_in_its_place_is_followed_from_now_on(writer: Store, reader: Store, tmp_path: Path):
    """Who deletes the store and starts again is not left in the dark."""
    writer.begin(asking()[0])
    follower = Follower(reader)
    follower.poll()
    writer.close()
    for file in tmp_path.glob("traces.db*"):
        file.unlink()
    assert follower.poll() == []
    writer.begin(made_trace(5, ended=False))

    assert told(follower.poll()) == [("started", "Flow 5")]


def test_numbers_that_are_given_again_hide_nothing(writer: Store, reader: Store):
    """After everything was deleted, runs are followed as before."""
    for number in range(1, 4):
        writer.end(made_trace(number))
    follower = Follower(reader)
    follower.poll()
    writer.delete_all()
    writer.end(made_trace(7))
    assert told(follower.poll()) == [("started", "Flow 7"), ("ended", "Flow 7")]

    writer.delete([f"{7:032x}"])
    writer.end(made_trace(8))
    assert told(follower.poll()) == [("started", "Flow 8"), ("ended", "Flow 8")]


def test_the_runs_in_a_file_that_appears_are_all_told(writer: Store, reader: Store):
    """The first run of all is none that was there before."""
    follower = Follower(reader)
    follower.poll()
    writer.end(made_trace(1))

    assert told(follower.poll()) == [("started", "Flow 1"), ("ended", "Flow 1")]


def test_where_nothing_was_written_nothing_is_read(writer: Store, reader: Store):
    """A look at a store that rests is a question for its version."""
    writer.end(made_trace(1))
    follower = Follower(reader)
    follower.poll()
    statements: list[str] = []
    with reader.reading() as connection:
        assert connection is not None
        connection.set_trace_callback(statements.append)

    follower.poll()

    # The first one ends the view of above.
    assert statements[1:] == ["BEGIN", "PRAGMA data_version", "ROLLBACK"]
