"""Lists of traces: filtered, in pages, newest first. What the command line and the dashboard ask for.

`page` gives headers with their counts, `count` how many there are; `metrics` has sessions, figures and
what there is to filter by. Each call sees one unchanging state of the store, and reads no values.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..model import Trace
from ..tally import Tally
from .completing import completed
from .filters import TraceFilter
from .rows import COUNTS, trace_of
from .texts import Needle
from .writer import Writer

if TYPE_CHECKING:
    import sqlite3

    from .store import Store

_HEADER = """
SELECT t.*, w.host, w.boot, w.pid, w.started, w.renewed_ns
FROM traces t JOIN writers w ON w.number = t.writer WHERE t.number = ?
"""
Place = tuple[int, int]
"""Where a trace stands in the order of all: its start and its number."""
_NEWEST, _OLDEST = "ORDER BY t.start_ns DESC, t.number DESC", "ORDER BY t.start_ns, t.number"


@dataclass(frozen=True, slots=True)
class Summary:
    """A trace as a list shows it: its header, without spans and values, and its counts."""

    trace: Trace
    tally: Tally


@dataclass(frozen=True, slots=True)
class Page:
    """Some traces, newest first.

    `older` and `newer` are the cursors of the pages next to it, None where there is nothing. A page
    that was searched for a text may be short though there is an `older` one: time was up.
    """

    summaries: list[Summary]
    older: str | None
    newer: str | None


def page(
    store: Store,
    wanted: TraceFilter | None = None,
    *,
    limit: int = 50,
    before: str | None = None,
    after: str | None = None,
    seconds: float | None = None,
) -> Page:
    """The newest `limit` traces that `wanted` lets through; those next to a cursor where one is given.

    `before` takes the `older` cursor of a page, `after` the `newer` one. No more than `seconds` are
    spent on looking for a text. Raises StoreError for a cursor that is none.
    """
    wanted = wanted or TraceFilter()
    until = math.inf if seconds is None else time.monotonic() + seconds
    with completed(store) as connection:
        if connection is None:
            return Page([], None, None)
        found: list[tuple[Place, Summary]] = []
        last, more = None, False
        for place, summary in _candidates(connection, wanted, before, after):
            more = len(found) == limit
            if more:
                break
            last = place
            if summary is not None:
                found.append((place, summary))
            if more := time.monotonic() > until:
                break
    further = _cursor(last) if more else None
    back = _cursor(found[0][0]) if found else before or after
    summaries = [summary for _, summary in found]
    if after is not None:
        return Page(summaries[::-1], older=back, newer=further)
    return Page(summaries, older=further, newer=None if before is None else back)


def count(store: Store, wanted: TraceFilter | None = None) -> int:
    """How many traces `wanted` lets through."""
    wanted = wanted or TraceFilter()
    with completed(store) as connection:
        if connection is None:
            return 0
        if wanted.text is None and not wanted.wants_open:
            where, parameters = wanted.where()
            return int(connection.execute(f"SELECT count(*) FROM {where}", parameters).fetchone()[0])
        return sum(summary is not None for _, summary in _candidates(connection, wanted, None, None))


def _candidates(
    connection: sqlite3.Connection, wanted: TraceFilter, before: str | None, after: str | None
) -> Iterator[tuple[Place, Summary | None]]:
    """The traces that SQL lets through, each with its place, and None where it is none after all."""
    where, parameters = wanted.where()
    cursor, sign = (before, "<") if after is None else (after, ">")
    if cursor is not None:
        where += f" AND t.start_ns {sign}= ? AND (t.start_ns {sign} ? OR t.number {sign} ?)"
        start_ns, number = _place(cursor)
        parameters += [start_ns, start_ns, number]
    needle = None if wanted.text is None else Needle(wanted.text)
    order = _OLDEST if after is not None else _NEWEST
    found = connection.execute(f"SELECT t.start_ns, t.number FROM {where} {order}", parameters)
    for start_ns, number in found:
        summary = None
        if needle is None or needle.is_in(connection, number):
            summary = summary_of(connection, number)
            if summary.trace.end_ns is None and not wanted.passes_open(summary.trace.status):
                summary = None
        yield (start_ns, number), summary


def summary_of(connection: sqlite3.Connection, number: int) -> Summary:
    """The header of the trace with this number, and its counts."""
    found = connection.execute(_HEADER, (number,))
    columns = dict(zip((column[0] for column in found.description), found.fetchone(), strict=True))
    writer = Writer(columns["host"], columns["boot"], columns["pid"], columns["started"])
    interrupted = columns["end_ns"] is None and writer.is_gone(columns["renewed_ns"])
    tally = Tally(columns["span_count"], **{name: columns[name] or 0 for name in COUNTS})
    return Summary(trace_of(columns, interrupted), tally)


def _cursor(place: Place | None) -> str | None:
    return None if place is None else f"{place[0]}-{place[1]}"


def _place(cursor: str) -> Place:
    start_ns, _, number = cursor.partition("-")
    if not (start_ns.isdecimal() and number.isdecimal() and len(cursor) < 40):
        raise StoreError(f"a cursor is what a page gives for the next one; this is {cursor!r}")
    return int(start_ns), int(number)
