"""The outbox: what waits for which destination, and several processes that send from one store."""

from __future__ import annotations

import sqlite3
import time
import tracemalloc
from itertools import count
from pathlib import Path

import pytest
from langfuse_support import HERE, keep
from store_support import made_trace, run_child, start_child

from pocketflow_tracing.model import Status
from pocketflow_tracing.store import Store, outbox, plans, schema
from pocketflow_tracing.store.addresses import Destination
from pocketflow_tracing.store.outbox import Claim, Outbox
from pocketflow_tracing.store.rows import span_row, trace_row

THERE = Destination("langfuse", "http://localhost", "pk-there")


def sent_wholly(claim: Claim) -> Claim:
    return claim._replace(sent=claim.spans)


def names(outbox: Outbox, claims: list[Claim]) -> list[str]:
    headers = outbox.headers(claims)
    return [headers[claim.trace].name for claim in claims]


def test_a_trace_waits_for_the_destinations_of_its_run_alone(store: Store) -> None:
    """Nobody else's key gets it, and what was traced without a destination is never sent."""
    keep(store, made_trace(1), HERE)
    keep(store, made_trace(2), HERE, THERE)
    keep(store, made_trace(3))

    here, there = Outbox(store, HERE), Outbox(store, THERE)
    assert names(here, here.claim()) == ["Flow 2", "Flow 1"]
    assert names(there, there.claim()) == ["Flow 2"]


def test_nothing_is_taken_twice_until_it_is_given_back(store: Store, path: Path) -> None:
    """A lease keeps a trace from others; releasing it, or its end, makes it free again."""
    keep(store, made_trace(1), HERE)
    box, other_store = Outbox(store, HERE), Store(path)
    other = Outbox(other_store, HERE)

    claims = box.claim()
    assert (len(claims), other.claim()) == (1, [])
    box.release(claims)
    assert other.claim() == claims
    other_store.close()


def test_a_lease_runs_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sender on another host took and never confirmed is taken by the next one."""
    keep(store, made_trace(1), HERE)
    box = Outbox(store, HERE)
    monkeypatch.setattr(outbox, "LEASE_SECONDS", 0.0)
    assert box.claim() == box.claim() != []


def test_a_clock_that_jumps_holds_nothing_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward, and a lease is over; back, and one that would last for hours is none."""
    keep(store, made_trace(1), HERE)
    box = Outbox(store, HERE)
    now = time.time_ns()
    for shift_hours in (0, 3, -3, -1):
        monkeypatch.setattr(time, "time_ns", lambda at=now + shift_hours * 3_600_000_000_000: at)
        assert len(box.claim()) == 1
        assert box.claim() == []


def test_what_a_killed_sender_held_is_free_at_once(store: Store) -> None:
    """Nobody waits for the lease of a process that is gone."""
    keep(store, made_trace(1), HERE)
    child = start_child(
        "import sys\nfrom pocketflow_tracing.store import Store\n"
        "from pocketflow_tracing.store.outbox import Outbox\n"
        "from pocketflow_tracing.store.addresses import Destination\n"
        "Outbox(Store(sys.argv[1]), Destination(*sys.argv[2:])).claim()\n"
        "print('taken', flush=True)\nsys.stdin.readline()",
        store.path,
        *HERE,
    )
    assert child.stdout is not None and child.stdout.readline() == "taken\n"
    box = Outbox(store, HERE)
    assert box.claim(thorough=True) == []
    child.kill()
    child.wait()
    assert box.claim() == []
    assert len(box.claim(thorough=True)) == 1


def test_a_running_trace_waits_for_its_end_or_the_end_of_its_process(store: Store) -> None:
    """One that still runs is not sent; one whose process died is, as interrupted."""
    keep(store, made_trace(1, ended=False), HERE)
    run_child(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from langfuse_support import HERE, keep\nfrom store_support import made_trace\n"
        "from pocketflow_tracing.store import Store\n"
        "keep(Store(sys.argv[1]), made_trace(2, ended=False), HERE)",
        store.path,
    )
    box = Outbox(store, HERE)
    assert box.claim() == []
    (claim,) = box.claim(thorough=True)
    assert box.headers([claim])[claim.trace].status is Status.INTERRUPTED
    keep(store, made_trace(1), HERE)
    assert len(box.claim()) == 1


def test_a_trace_is_sent_on_from_where_it_was_confirmed(store: Store) -> None:
    """Whoever goes on after a stop sends the rest, in the same order with the same times."""
    keep(store, made_trace(1, spans=5), HERE)
    box = Outbox(store, HERE)
    (claim,) = box.claim()
    before = box.pages([claim])[0]
    assert [row.span_id[-1] for row in before] == ["1", "2", "3", "4", "5"]
    assert [row.export_start_ns - before[0].export_start_ns for row in before] == [
        0, 1, 1_000_001, 2_000_001, 3_000_001
    ]  # fmt: skip

    box.confirm([claim._replace(sent=2)], accepted=2)
    box.release([claim])
    (again,) = box.claim()
    assert (again.sent, again.spans) == (2, 5)
    assert box.pages([again])[0] == before[2:]
    assert box.left(own=True) == 3
    box.confirm([sent_wholly(again)], accepted=3)
    assert (box.claim(), box.left()) == ([], 0)


def test_what_failed_comes_last(store: Store) -> None:
    """A trace that the server cannot take does not hold up the others."""
    for number in (1, 2, 3):
        keep(store, made_trace(number), HERE)
    box = Outbox(store, HERE)
    (newest,) = box.claim(1)
    box.release([newest], failure="500")
    assert names(box, box.claim()) == ["Flow 2", "Flow 1", "Flow 3"]


def test_a_trace_of_many_pages_is_ordered_as_a_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long traces are ordered piece by piece, with the same outcome."""
    keep(store, made_trace(1, spans=50), HERE)
    keep(store, made_trace(2, spans=50, start_ns=made_trace(1).start_ns), HERE)
    box = Outbox(store, HERE)
    (whole,) = box.claim(1)
    monkeypatch.setattr(plans, "AT_ONCE_SPANS", 10)
    monkeypatch.setattr(plans, "READ_SPANS", 7)
    (pieces,) = box.claim(1)
    as_whole, in_pieces = (box.pages([one])[0] for one in (whole, pieces))
    assert len(in_pieces) == 50
    assert [row.export_start_ns for row in as_whole] == [row.export_start_ns for row in in_pieces]


def test_planning_a_long_trace_takes_no_more_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the spans, the same memory: what is planned is written page by page."""
    monkeypatch.setattr(plans, "AT_ONCE_SPANS", 10)
    number = count(1)

    def peak(spans: int) -> int:
        """What planning so many takes."""
        trace = made_trace(next(number), spans=spans)
        for span in trace.spans[1:]:  # one after the other
            span.start_ns = trace.start_ns + span.seq * 1_000
            span.end_ns = span.start_ns + 500
        trace.spans[0].end_ns = trace.end_ns = trace.spans[-1].end_ns
        keep(store, trace, HERE)
        tracemalloc.start()
        (claim,) = Outbox(store, HERE).claim(1)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert claim.spans == spans
        return taken

    # What is held of each span would make it four times as much; what else is done meanwhile only adds.
    assert min(peak(6_000) for _ in range(3)) < min(peak(1_500) for _ in range(3)) * 2


def test_traces_that_were_written_in_turns_are_planned_as_those_written_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the rows of others in between are passed over or left out makes no difference."""
    traces = [made_trace(number, spans=20, start_ns=made_trace(1).start_ns) for number in (1, 2)]
    in_turns = [
        span_row(span) for both in zip(*(trace.spans for trace in traces), strict=True) for span in both
    ]
    store.save([trace_row(trace) for trace in traces], in_turns, [(trace.id, HERE) for trace in traces])
    box = Outbox(store, HERE)
    pages = []
    for most in (8, 0):
        monkeypatch.setattr(plans, "MOST_BETWEEN", most)
        (claim,) = box.claim(1)
        pages.append([(row.name, row.export_start_ns) for row in box.pages([claim])[0]])
    assert len(pages[0]) == 20
    assert pages[0] == pages[1]


def test_a_trace_in_memory_goes_when_everybody_has_it() -> None:
    """Where memory is the outbox, it does not fill up with what was delivered."""
    store = Store(":memory:")
    keep(store, made_trace(1), HERE, THERE)
    for destination in (HERE, THERE):
        assert len(store.traces()) == 1
        box = Outbox(store, destination)
        box.confirm([sent_wholly(claim) for claim in box.claim()], accepted=2)
    assert store.traces() == []
    store.close()


def test_what_memory_held_is_handed_over_with_its_addresses(store: Store) -> None:
    """What could not be sent while the file was locked waits in the file afterwards."""
    memory = Store(":memory:")
    keep(memory, made_trace(1), HERE)
    memory.hand_over(store)
    memory.close()
    assert names(Outbox(store, HERE), Outbox(store, HERE).claim()) == ["Flow 1"]


def test_deleting_a_trace_deletes_what_waited(store: Store) -> None:
    """`delete` leaves nothing that would still be sent."""
    keep(store, made_trace(1), HERE)
    box = Outbox(store, HERE)
    (claim,) = box.claim()
    store.delete_all()
    assert (box.headers([claim]), box.pages([claim])[0]) == ({}, [])
    assert box.left() == 0
    for table in ("outbox", "exports", "spans"):
        assert (
            store._call(lambda found, table=table: found.execute(f"SELECT * FROM {table}").fetchall()) == []
        )


def test_a_file_of_the_first_version_can_be_sent_from(store: Store, path: Path) -> None:
    """Its traces were never addressed, so none of them is sent by itself."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "store_version_1.sql").read_text(encoding="utf-8"))
    connection.close()
    keep(store, made_trace(7, start_ns=time.time_ns()), HERE)
    assert store._call(schema.version_of) == len(schema.MIGRATIONS)
    box = Outbox(store, HERE)
    assert names(box, box.claim()) == ["Flow 7"]
    assert len(store.traces()) > 1


def test_a_sender_never_makes_a_deleted_store_again(store: Store) -> None:
    """What was deleted stays deleted, whatever a sender still has to say of it."""
    keep(store, made_trace(1), HERE)
    box = Outbox(store, HERE)
    claims = box.claim()
    for file in Path(store.path).parent.iterdir():
        file.unlink()

    box.renew(claims)
    box.confirm([sent_wholly(claim) for claim in claims], 2)
    box.release(claims, "no answer")
    assert (box.claim(), box.left(), list(Path(store.path).parent.iterdir())) == ([], 0, [])


def test_what_was_sent_from_a_deleted_store_says_nothing_of_the_next(store: Store) -> None:
    """Numbers begin anew in a new file, and its traces are still to be sent."""
    keep(store, made_trace(1), HERE)
    box = Outbox(store, HERE)
    claims = box.claim()
    for file in Path(store.path).parent.iterdir():
        file.unlink()
    keep(store, made_trace(2), HERE)

    box.confirm([sent_wholly(claim) for claim in claims], 2)
    assert names(box, box.claim()) == ["Flow 2"]
