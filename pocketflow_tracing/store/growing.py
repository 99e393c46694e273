"""A trace without its values, and what of it is new or changed since it was looked at before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..model import Span, Trace
from . import rows
from .rows import trace_of
from .writer import Writer

if TYPE_CHECKING:
    import sqlite3

    from .store import Store

_WHOLE_SPAN = "SELECT * FROM spans WHERE trace = ? AND span_id = ?"
_HEADER = """
SELECT t.*, w.host, w.boot, w.pid, w.started, w.renewed_ns
FROM traces t JOIN writers w ON w.number = t.writer WHERE t.id = ?
"""
# Whether there is a value is seen without reading it.
_SPANS = """
SELECT rowid AS place, span_id, seq, parent_id, kind, name, status, start_ns, end_ns, changes, body,
       input IS NOT NULL AS has_input, output IS NOT NULL AS has_output, NULL AS input, NULL AS output
FROM spans WHERE
"""
# The plus keeps SQLite from looking through all spans of the trace instead of the newest of the table.
_NEW = f"{_SPANS} rowid > ? AND +trace = ?"
_ALL = f"{_SPANS} trace = ?"
_TOLD_BY = ("status", "end_ns", "has_input", "has_output", "body")
AT_ONCE = 500
MAX_OPEN = 200


class Gone(StoreError):
    """The trace is not in the store, or not any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far somebody has read a trace: up to a row, of which `open` had not ended.

    `open` is None where there were too many: then everything has to be read again.
    """

    last: int = 0
    open: tuple[int, ...] | None = ()

    def __str__(self) -> str:
        return f"{self.last}-{'all' if self.open is None else '.'.join(map(str, self.open))}"

    @classmethod
    def of(cls, text: str) -> Place:
        """The place that `str` turned into `text`; the beginning where it makes no sense."""
        last, _, found = text.partition("-")
        try:
            return cls(int(last), None if found == "all" else tuple(map(int, filter(None, found.split(".")))))
        except ValueError:
            return cls()


class GrowingTrace:
    """The trace with this id, as far as it is in the store. Raises StoreError like the store, `Gone` too.

    The spans of `trace` hold 1 in place of an input or output, and no values beside their changes.
    """

    def __init__(self, store: Store, id: str) -> None:
        self._store = store
        self._id = id
        self._number: int | None = None
        self._file: tuple[int, int] | None = None
        self._last = 0
        self._spans: dict[int, Span] = {}
        self._forms: dict[int, tuple[Any, ...]] = {}
        """The rows of open spans as they were read, to tell whether they changed."""
        self.trace: Trace

    @property
    def place(self) -> Place:
        """How far this has read."""
        return Place(self._last, tuple(sorted(self._forms)) if len(self._forms) <= MAX_OPEN else None)

    def catch_up(self) -> list[Span]:
        """Read what is there now: `trace` is up to date then. Gives the spans that are new or changed."""
        with self._store.reading() as connection:
            connection, header = self._found(connection)
            if (self._number, self._file) != (header["number"], self._store.file):
                self._begin_anew(header["number"])
            self.trace = _header(header)
            changed = [self._read(place, row) for place, row in self._changed_rows(connection)]
        self.trace.spans = sorted(self._spans.values(), key=lambda span: (span.start_ns, span.seq))
        return [span for span in changed if span is not None]

    def since(self, place: Place) -> list[Span]:
        """The spans that somebody at `place` has not seen as they are now."""
        if place.open is None or place.last > self._last:
            return self.trace.spans
        seen_open = set(place.open)
        return [span for at, span in self._spans.items() if at > place.last or at in seen_open]

    def with_values(self, span_id: str) -> Span:
        """One span as it is stored, with its values."""
        with self._store.reading() as connection:
            connection, header = self._found(connection)
            for _, row in _dicts(connection.execute(_WHOLE_SPAN, (header["number"], span_id))):
                return rows.span_of(row, _header(header))
        raise Gone(f"no step {span_id[:50]} in trace {self._id}")

    def _begin_anew(self, number: int) -> None:
        """Read everything again: it was deleted and came back, or stands in another file."""
        self._number, self._file, self._last = number, self._store.file, 0
        self._spans.clear()
        self._forms.clear()

    def _found(self, connection: sqlite3.Connection | None) -> tuple[sqlite3.Connection, dict[str, Any]]:
        if connection is not None:
            for _, header in _dicts(connection.execute(_HEADER, (self._id,))):
                return connection, header
        raise Gone(f"no trace {self._id} in {self._store.path}")

    def _changed_rows(self, connection: sqlite3.Connection) -> Iterator[tuple[int, dict[str, Any]]]:
        number, known = self._number, list(self._forms)
        if self._last == 0:
            yield from _dicts(connection.execute(_ALL, (number,)))
            return
        for start in range(0, len(known), AT_ONCE):
            some = known[start : start + AT_ONCE]
            marks = ", ".join("?" * len(some))
            yield from _dicts(
                connection.execute(f"{_SPANS} rowid IN ({marks}) AND trace = ?", (*some, number))
            )
        yield from _dicts(connection.execute(_NEW, (self._last, number)))

    def _read(self, place: int, row: dict[str, Any]) -> Span | None:
        """The span of a row, None where it is as it was."""
        form = (*(row[name] for name in _TOLD_BY), self.trace.status)
        if self._forms.get(place) == form:
            return None
        self._last = max(self._last, place)
        if row["end_ns"] is None:
            self._forms[place] = form
        else:
            self._forms.pop(place, None)
        span = self._spans[place] = rows.span_of(row, self.trace)
        span.input, span.output = row["has_input"] or None, row["has_output"] or None
        return span


def _header(columns: dict[str, Any]) -> Trace:
    interrupted = False
    if columns["end_ns"] is None:
        writer = Writer(columns["host"], columns["boot"], columns["pid"], columns["started"])
        interrupted = writer.is_gone(columns["renewed_ns"])
    return trace_of({**columns, "input": None, "output": None}, interrupted)


def _dicts(cursor: sqlite3.Cursor) -> Iterable[tuple[int, dict[str, Any]]]:
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield row[0], dict(zip(names, row, strict=True))
