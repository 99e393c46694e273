"""How the spans of a trace are exported, worked out once and kept: a span sent again is the same."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..jsontext import to_json
from .ordering import Export, Timing, exports

if TYPE_CHECKING:
    import sqlite3

    from .store import Store

PAGE_SPANS = 64
"""How many spans are planned in one row, and read at once: each may hold some values of 64 KB."""
WRITTEN_PAGES = 8
"""How many pages are written in one transaction: others write in between."""
AT_ONCE_SPANS = 50_000
"""A longer trace is ordered piece by piece."""
READ_SPANS = 500
"""How many spans are read at once then."""

_EXTENT = """
SELECT count(*), min(rowid), max(rowid), (SELECT coalesce(sum(count), 0) FROM exports WHERE trace = :trace)
FROM spans WHERE trace = :trace
"""
_IN_ORDER = "ORDER BY start_ns, seq, rowid"
_TIMINGS = "SELECT span_id, parent_id, kind, name, start_ns, end_ns"
_LAST_NS = "SELECT max(max(start_ns), coalesce(max(end_ns), 0))"
_SOME_TIMINGS = """
SELECT rowid, span_id, parent_id, kind, name, start_ns, end_ns FROM spans WHERE rowid IN ({})
"""

Planned = tuple[str, int, int, "int | None", str]
"""Span id, exported start and end, step, flow path."""
_Row = tuple[int, int, int, str]
MOST_BETWEEN = 8
"""How many rows of other traces, for each of its own, are passed over to read a trace in one go."""


def plan(store: Store, traces: Sequence[int]) -> dict[int, int]:
    """Work out how the spans of these traces are exported, unless that is known; how many they are."""
    counts: dict[int, int] = {}
    rows: list[_Row] = []
    for trace, count, timings in _to_plan(store, traces):
        counts[trace] = count
        for first, page in _pages(timings):
            rows.append((trace, first, len(page), _text(page)))
            if len(rows) >= WRITTEN_PAGES:
                _keep(store, rows, {})
                rows = []
    _keep(store, rows, counts)
    return counts


def _to_plan(store: Store, traces: Sequence[int]) -> Iterator[tuple[int, int, Iterable[Timing]]]:
    """Each trace with the number of its spans, and them in start order, none where they are planned.

    Short ones are read together.
    """
    read: list[tuple[int, int, Iterable[Timing]]] = []
    waiting = list(reversed(traces))
    while waiting:
        spans = 0
        with store.reading() as connection:
            while waiting and spans < READ_SPANS:
                trace = waiting.pop()
                count, first, last, known = _extent(connection, trace)
                spans += count
                timings: Iterable[Timing] = ()
                if known != count:
                    of = _rows_of(trace, count, first, last)
                    is_long = count > AT_ONCE_SPANS
                    timings = _paged_timings(store, of) if is_long else _timings(connection, of)
                read.append((trace, count, timings))
        yield from read  # not within the block: what is planned gets written
        read.clear()


def _extent(connection: sqlite3.Connection | None, trace: int) -> tuple[int, ...]:
    """How many spans a trace has, between which rows, and how many are planned already."""
    return (0, 0, 0, 0) if connection is None else connection.execute(_EXTENT, {"trace": trace}).fetchone()


def _rows_of(trace: int, count: int, first: int, last: int) -> str:
    # By rowid if that can be: the index is in no useful order, and each row would be a page to read.
    is_together = last - first < count * MOST_BETWEEN
    where = f"NOT INDEXED WHERE rowid BETWEEN {first} AND {last} AND" if is_together else "WHERE"
    return f"FROM spans {where} trace = {trace}"


def page_at(connection: sqlite3.Connection, trace: int, position: int) -> list[Planned]:
    """The plan of the spans from `position` to the end of its page."""
    first = position - position % PAGE_SPANS
    found = connection.execute(
        "SELECT spans FROM exports WHERE trace = ? AND first = ?", (trace, first)
    ).fetchone()
    return [] if found is None else [tuple(planned) for planned in json.loads(found[0])[position - first :]]


def _pages(timings: Iterable[Timing]) -> Iterator[tuple[int, list[Export]]]:
    """The exports in pages, each as soon as it is whole: that of a span is known when it has ended."""
    pages: defaultdict[int, list[Export]] = defaultdict(list)
    for export in exports(timings):
        first = export[0] - export[0] % PAGE_SPANS
        page = pages[first]
        page.append(export)
        if len(page) == PAGE_SPANS:
            yield first, pages.pop(first)
    yield from pages.items()


def _text(page: list[Export]) -> str:
    page.sort()
    return to_json([export[1:] for export in page])


def _timings(connection: sqlite3.Connection | None, of: str) -> list[Timing]:
    """The spans of a trace in start order."""
    rows = [] if connection is None else connection.execute(f"{_TIMINGS} {of} {_IN_ORDER}").fetchall()
    last_ns = max((row[5] or row[4] for row in rows), default=0)
    return [Timing._make(row if row[5] is not None else (*row[:5], last_ns)) for row in rows]


def _paged_timings(store: Store, of: str) -> Iterator[Timing]:
    """The same for a trace that is too long to be held in memory."""
    with store.reading() as connection:
        if connection is None:
            return
        rowids = array("q", (row[0] for row in connection.execute(f"SELECT rowid {of} {_IN_ORDER}")))
        last_ns = connection.execute(f"{_LAST_NS} {of}").fetchone()[0]
    for first in range(0, len(rowids), READ_SPANS):
        wanted = rowids[first : first + READ_SPANS]
        with store.reading() as connection:
            if connection is None:
                return
            found = connection.execute(_SOME_TIMINGS.format(",".join(map(str, wanted))))
            page = {row[0]: row[1:] for row in found}
        for row in (page[rowid] for rowid in wanted if rowid in page):
            yield Timing._make(row if row[5] is not None else (*row[:5], last_ns))


def _keep(store: Store, rows: Sequence[_Row], counts: dict[int, int]) -> None:
    if not (rows or counts):
        return
    with store.transaction(create=False) as connection:
        connection.executemany("INSERT OR REPLACE INTO exports VALUES (?, ?, ?, ?)", rows)
        connection.executemany(
            "UPDATE outbox SET spans = ? WHERE trace = ?",
            [(count, trace) for trace, count in counts.items()],
        )
