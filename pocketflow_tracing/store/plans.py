"""How the spans of a trace are exported, worked out once and kept: a span sent again is the same."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
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

_LAST_NS = "SELECT max(max(start_ns), coalesce(max(end_ns), 0)) FROM spans WHERE trace = ?"
_IN_ORDER = "FROM spans WHERE trace = ? ORDER BY start_ns, seq, rowid"
_TIMINGS = f"SELECT span_id, parent_id, kind, name, start_ns, coalesce(end_ns, ?) {_IN_ORDER}"
_SOME_TIMINGS = """
SELECT rowid, span_id, parent_id, kind, name, start_ns, coalesce(end_ns, ?) FROM spans WHERE rowid IN ({})
"""

Planned = tuple[str, int, int, "int | None", str]
"""Span id, exported start and end, step, flow path."""
_Row = tuple[int, int, int, str]


def plan(store: Store, traces: Sequence[int]) -> dict[int, int]:
    """Work out how the spans of these traces are exported, unless that is known; how many they are."""
    counts: dict[int, int] = {}
    rows: list[_Row] = []
    for trace in traces:
        counts[trace], known, last_ns = _counts(store, trace)
        if known == counts[trace]:
            continue
        is_long = counts[trace] > AT_ONCE_SPANS
        timings = _paged_timings(store, trace, last_ns) if is_long else _timings(store, trace, last_ns)
        for first, page in _pages(timings):
            rows.append((trace, first, len(page), _text(page)))
            if len(rows) >= WRITTEN_PAGES:
                _keep(store, rows, {})
                rows = []
    _keep(store, rows, counts)
    return counts


def page_at(connection: sqlite3.Connection, trace: int, position: int) -> list[Planned]:
    """The plan of the spans from `position` to the end of its page."""
    first = position - position % PAGE_SPANS
    found = connection.execute(
        "SELECT spans FROM exports WHERE trace = ? AND first = ?", (trace, first)
    ).fetchone()
    return [] if found is None else [tuple(planned) for planned in json.loads(found[0])[position - first :]]


def _pages(timings: Iterator[Timing]) -> Iterator[tuple[int, list[Export]]]:
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


def _counts(store: Store, trace: int) -> tuple[int, int, int]:
    """How many spans a trace has, how many are planned already, and its last moment."""
    with store.reading() as connection:
        if connection is None:
            return 0, 0, 0
        spans = connection.execute("SELECT count(*) FROM spans WHERE trace = ?", (trace,)).fetchone()[0]
        known = connection.execute(
            "SELECT coalesce(sum(count), 0) FROM exports WHERE trace = ?", (trace,)
        ).fetchone()[0]
        return spans, known, connection.execute(_LAST_NS, (trace,)).fetchone()[0] or 0


def _timings(store: Store, trace: int, last_ns: int) -> Iterator[Timing]:
    """The spans of a trace in start order."""
    with store.reading() as connection:
        rows = [] if connection is None else connection.execute(_TIMINGS, (last_ns, trace)).fetchall()
    return map(Timing._make, rows)


def _paged_timings(store: Store, trace: int, last_ns: int) -> Iterator[Timing]:
    """The same for a trace that is too long to be held in memory."""
    with store.reading() as connection:
        if connection is None:
            return
        rowids = array("q", (row[0] for row in connection.execute(f"SELECT rowid {_IN_ORDER}", (trace,))))
    for first in range(0, len(rowids), READ_SPANS):
        wanted = rowids[first : first + READ_SPANS]
        with store.reading() as connection:
            if connection is None:
                return
            query = _SOME_TIMINGS.format(",".join(map(str, wanted)))
            page = {row[0]: row[1:] for row in connection.execute(query, (last_ns,))}
        yield from (Timing._make(page[rowid]) for rowid in wanted if rowid in page)


def _keep(store: Store, rows: Sequence[_Row], counts: dict[int, int]) -> None:
    if not (rows or counts):
        return
    with store.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO exports VALUES (?, ?, ?, ?)", rows)
        connection.executemany(
            "UPDATE outbox SET spans = ? WHERE trace = ?",
            [(count, trace) for trace, count in counts.items()],
        )
