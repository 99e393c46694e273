"""Rows into the tables and, as they are, out of them again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .rows import COUNTS, SpanRow, TraceRow
from .writer import Writer

if TYPE_CHECKING:
    import sqlite3

_ADD_WRITER = """
INSERT INTO writers (host, boot, pid, started, renewed_ns) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (host, boot, pid, started) DO UPDATE SET renewed_ns = excluded.renewed_ns
"""
_FIND_WRITER = "SELECT number FROM writers WHERE host = ? AND boot = ? AND pid = ? AND started = ?"

_COLUMNS = TraceRow._fields[: -len(("input", "output"))]
_ADD_TRACE = f"""
INSERT INTO traces ({", ".join(_COLUMNS)}, writer) VALUES ({", ".join("?" for _ in _COLUMNS)}, ?)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, status = excluded.status, end_ns = excluded.end_ns,
    session_id = excluded.session_id, user_id = excluded.user_id, span_count = excluded.span_count,
    body = excluded.body, project = excluded.project, tags = excluded.tags, writer = excluded.writer,
    {", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in COUNTS)}
"""
_ADD_VALUES = """
INSERT INTO trace_values (trace, input, output) VALUES (?, ?, ?)
ON CONFLICT (trace) DO UPDATE SET
    input = coalesce(excluded.input, input), output = coalesce(excluded.output, output)
"""
# A span that ended never becomes an open one again, whatever comes late.
_ADD_SPAN = """
INSERT INTO spans
    (trace, span_id, seq, parent_id, kind, name, status, start_ns, end_ns, input, output, changes, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (trace, span_id) DO UPDATE SET
    seq = excluded.seq, name = excluded.name, status = excluded.status, end_ns = excluded.end_ns,
    input = excluded.input, output = excluded.output, changes = excluded.changes, body = excluded.body
WHERE excluded.end_ns IS NOT NULL OR spans.end_ns IS NULL
"""

_ALL_TRACES = f"""
SELECT {", ".join(TraceRow._fields)} FROM traces LEFT JOIN trace_values ON trace = number ORDER BY number
"""
_ALL_SPANS = f"""
SELECT t.id, {", ".join(f"s.{name}" for name in SpanRow._fields[1:])}
FROM spans s JOIN traces t ON t.number = s.trace ORDER BY s.rowid
"""


def write(connection: sqlite3.Connection, traces: Iterable[TraceRow], spans: Iterable[SpanRow]) -> None:
    """Write rows, and a sign of life of this process, within the caller's transaction."""
    writer = sign_of_life(connection)
    numbers: dict[str, int | None] = {}
    for row in traces:
        connection.execute(_ADD_TRACE, (*row[: len(_COLUMNS)], writer))
        number = numbers[row.id] = _number(connection, row.id)
        if row.input is not None or row.output is not None:
            connection.execute(_ADD_VALUES, (number, row.input, row.output))
    connection.executemany(_ADD_SPAN, _numbered(connection, spans, numbers))


def sign_of_life(connection: sqlite3.Connection) -> int:
    """Note that this process is alive; the number by which its rows name it."""
    identity = Writer.this_process()
    connection.execute(_ADD_WRITER, (*identity, time.time_ns()))
    return int(connection.execute(_FIND_WRITER, identity).fetchone()[0])


def all_traces(connection: sqlite3.Connection) -> Iterator[TraceRow]:
    """Every trace."""
    return map(TraceRow._make, connection.execute(_ALL_TRACES))


def all_spans(connection: sqlite3.Connection, at_once: int = 1000) -> Iterator[list[SpanRow]]:
    """Every span, in the order in which they were first written, in lists of bounded length."""
    found = connection.execute(_ALL_SPANS)
    while some := found.fetchmany(at_once):
        yield [SpanRow._make(row) for row in some]


def _number(connection: sqlite3.Connection, id: str) -> int | None:
    found = connection.execute("SELECT number FROM traces WHERE id = ?", (id,)).fetchone()
    return None if found is None else int(found[0])


def _numbered(
    connection: sqlite3.Connection, spans: Iterable[SpanRow], numbers: dict[str, int | None]
) -> Iterator[tuple[Any, ...]]:
    for span in spans:
        if span.trace_id not in numbers:
            numbers[span.trace_id] = _number(connection, span.trace_id)
        number = numbers[span.trace_id]
        if number is not None:
            yield (number, *span[1:])
