"""What happens in a store right now: runs as they start, retry, go on and end, in whatever process."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..model import Span, SpanKind, Status, Trace
from ..tally import Tally
from .filters import TraceFilter
from .queries import summary_of
from .rows import span_of

if TYPE_CHECKING:
    import sqlite3

    from .store import Store

LIFE_SECONDS = 1.0
"""How often it is looked whether the processes of running traces are still there."""

_SPANS = """
SELECT rowid, trace, span_id, seq, parent_id, kind, name, status, start_ns, end_ns, body,
       NULL AS input, NULL AS output, NULL AS changes FROM spans
"""
_LAST = """
SELECT ifnull((SELECT max(number) FROM traces), 0), ifnull((SELECT max(start_ns) FROM traces), 0),
       ifnull((SELECT max(rowid) FROM spans), 0)
"""
_REWOUND = """
SELECT ifnull((SELECT max(number) FROM traces WHERE number <= ? AND start_ns <= ?), 0),
       ifnull((SELECT max(rowid) FROM spans WHERE rowid <= ?), 0)
"""
_LAST_RETRY = "WHERE trace = ? AND kind = 'exec' AND status = 'error' ORDER BY rowid DESC LIMIT 1"


class Event(enum.Enum):
    """What happened to a run."""

    STARTED = "started"
    RUNNING = "running"
    """A step has been at it for a while; of steps within each other, the innermost."""
    RETRIED = "retried"
    """An attempt failed, and another one follows or the fallback steps in."""
    ENDED = "ended"


@dataclass(slots=True)
class Run:
    """A trace that goes on, or has just ended: its header, its counts, and its open spans in start order."""

    number: int
    trace: Trace
    tally: Tally
    open: list[Span] = field(default_factory=list)
    last_retry: Span | None = None
    is_told: bool = False
    """Whether it is among those that were asked for, and its start was told."""
    told_spans: set[str] = field(default_factory=set)

    def innermost(self) -> list[Span]:
        """The open spans that have no open span beneath them: what runs now."""
        parents = {span.parent_id for span in self.open}
        return [span for span in self.open if span.span_id not in parents]

    def path(self, span: Span) -> list[Span]:
        """The open spans from the outermost run to this one."""
        by_id = {one.span_id: one for one in self.open}
        path = [span]
        while (above := by_id.get(path[0].parent_id or "")) is not None:
            path.insert(0, above)
        return path


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to a run, with the span that it happened to, if any."""

    event: Event
    run: Run
    span: Span | None = None


class Follower:
    """Follows the runs in a store that `wanted` lets through. `runs` are those that go on now.

    Each call of `poll` tells what happened since the one before; the first one tells of what runs
    already. Where nothing was written, a call costs next to nothing.
    """

    def __init__(self, store: Store, wanted: TraceFilter | None = None) -> None:
        self._store = store
        self._wanted = wanted or TraceFilter()
        self._runs: dict[int, Run] = {}
        self._open: set[int] = set()
        """The rows of spans that are to be read again: they may have ended."""
        self._seen: tuple[sqlite3.Connection, int] | None = None
        self._is_all_new = False
        self._last_trace, self._last_start_ns, self._last_span = 0, 0, 0
        self._look_at = 0.0

    @property
    def runs(self) -> list[Run]:
        """The runs that go on and were asked for, the oldest first."""
        return [run for run in self._runs.values() if run.is_told]

    def poll(self) -> list[Happening]:
        """What happened since the last call, in order."""
        with self._store.reading() as connection:
            if connection is None:
                # Whatever is in a file that appears is new.
                self._is_all_new, self._seen = True, None
                return []
            now = time.monotonic()
            state = connection, int(connection.execute("PRAGMA data_version").fetchone()[0])
            if state == self._seen and now < self._look_at:
                return []
            if self._seen is None or self._seen[0] is not connection:
                self._begin(connection)
            self._seen, self._look_at = state, now + LIFE_SECONDS
            return list(self._happenings(connection))

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Start with what goes on in this file."""
        self._runs.clear()
        self._open.clear()
        self._last_trace = self._last_start_ns = self._last_span = 0
        if self._is_all_new:
            return
        self._is_all_new = True  # in a file that takes the place of this one
        self._last_trace, self._last_start_ns, self._last_span = connection.execute(_LAST).fetchone()
        for (number,) in connection.execute(
            "SELECT number FROM traces WHERE end_ns IS NULL ORDER BY start_ns"
        ).fetchall():
            run = self._runs[number] = Run(number, *_header(connection, number))
            if run.trace.status is Status.INTERRUPTED:
                del self._runs[number]
                continue
            rows = connection.execute("SELECT rowid FROM spans WHERE trace = ? AND end_ns IS NULL", (number,))
            self._open.update(rowid for (rowid,) in rows)
            failed = self._read(connection, _LAST_RETRY, number)
            run.last_retry = next((span_of(columns, run.trace) for columns in failed), None)

    def _happenings(self, connection: sqlite3.Connection) -> Iterator[Happening]:
        # Numbers are given again when the traces that had them are deleted.
        places = self._last_trace, self._last_start_ns, self._last_span
        self._last_trace, self._last_span = connection.execute(_REWOUND, places).fetchone()
        for (number,) in connection.execute(
            "SELECT number FROM traces WHERE number > ? ORDER BY number", (self._last_trace,)
        ).fetchall():
            run = self._runs[number] = Run(number, *_header(connection, number))
            self._last_trace = number
            self._last_start_ns = max(self._last_start_ns, run.trace.start_ns)
        for run in list(self._runs.values()):
            if not self._renew(connection, run):
                del self._runs[run.number]
                continue
            if not run.is_told and self._is_wanted(connection, run):
                run.is_told = True
                yield Happening(Event.STARTED, run)
        yield from self._spans_happenings(connection)
        for run in list(self._runs.values()):
            if run.trace.status is not Status.UNSET:
                del self._runs[run.number]
                if run.is_told:
                    yield Happening(Event.ENDED, run)

    def _spans_happenings(self, connection: sqlite3.Connection) -> Iterator[Happening]:
        for run, span in self._changed(connection):
            if run.is_told and _is_unsettled(span):
                run.last_retry = span
            elif run.is_told and span.end_ns is not None and span.attributes.get("recovered"):
                run.last_retry = span
                yield Happening(Event.RETRIED, run, span)
        for run in self._runs.values():
            if not run.is_told or run.trace.end_ns is not None:
                continue
            for span in run.innermost():
                if span.span_id not in run.told_spans and span.kind is not SpanKind.FLOW:
                    run.told_spans.add(span.span_id)
                    yield Happening(Event.RUNNING, run, span)

    def _changed(self, connection: sqlite3.Connection) -> list[tuple[Run, Span]]:
        """The spans that were written since, and those of the open ones that are not open any more."""
        again = ",".join(map(str, self._open))
        found = self._read(
            connection, f"WHERE rowid > ? OR rowid IN ({again}) ORDER BY rowid", self._last_span
        )
        self._open.clear()
        for run in self._runs.values():
            run.open.clear()
        changed = []
        for columns in found:
            self._last_span = max(self._last_span, columns["rowid"])
            owner = self._runs.get(columns["trace"])
            if owner is None:
                continue
            span = span_of(columns, owner.trace)
            changed.append((owner, span))
            if span.end_ns is None:
                owner.open.append(span)
            if span.end_ns is None or _is_unsettled(span):
                self._open.add(columns["rowid"])
        for run in self._runs.values():
            run.open.sort(key=lambda span: (span.start_ns, span.seq))
        return changed

    @staticmethod
    def _read(connection: sqlite3.Connection, which: str, value: int) -> list[dict[str, Any]]:
        found = connection.execute(f"{_SPANS} {which}", (value,))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def _renew(self, connection: sqlite3.Connection, run: Run) -> bool:
        """Read the header of a run again; False where somebody deleted it."""
        found = connection.execute("SELECT 1 FROM traces WHERE number = ?", (run.number,)).fetchone()
        if found is not None:
            run.trace, run.tally = _header(connection, run.number)
        return found is not None

    def _is_wanted(self, connection: sqlite3.Connection, run: Run) -> bool:
        where, parameters = self._wanted.where(indexed=False)
        query = f"SELECT 1 FROM {where} AND t.number = ?"
        return connection.execute(query, (*parameters, run.number)).fetchone() is not None


def _is_unsettled(span: Span) -> bool:
    """Whether this is an attempt that failed, of which it is not known what followed."""
    return span.kind is SpanKind.EXEC and span.status is Status.ERROR and not span.attributes.get("recovered")


def _header(connection: sqlite3.Connection, number: int) -> tuple[Trace, Tally]:
    summary = summary_of(connection, number)
    return summary.trace, summary.tally
