"""What waits to be sent over the network, and who is sending it: several processes share the store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import pruning
from .addresses import Destination, number_of
from .database import MEMORY
from .plans import page_at, plan
from .rows import trace_of
from .writer import Writer
from .writing import sign_of_life

if TYPE_CHECKING:
    import sqlite3
    from typing import NamedTuple as Record

    from ..model import Trace
    from .store import Store
else:
    from .record import Record

LEASE_SECONDS = 30.0
CLAIM_TRACES = 100
# One that ends later than any that began now was given before the clock was set back.
_FREE = "(o.lease_ns <= ? OR o.lease_ns > ?)"
_ENDED = """
SELECT o.trace, t.id, o.spans, o.sent FROM outbox o JOIN traces t ON t.number = o.trace
WHERE o.destination = ? AND {free} AND t.end_ns IS NOT NULL {chosen}
ORDER BY o.attempts, o.trace DESC LIMIT ?
"""
_RUNNING = """
SELECT o.trace, t.id, o.spans, o.sent, w.host, w.boot, w.pid, w.started, w.renewed_ns
FROM outbox o JOIN traces t ON t.number = o.trace JOIN writers w ON w.number = t.writer
WHERE o.destination = ? AND {free} AND t.end_ns IS NULL {chosen}
"""
_HOLDERS = """
SELECT number, host, boot, pid, started, renewed_ns FROM writers
WHERE number IN (SELECT leased_by FROM outbox WHERE lease_ns > ?)
"""
_THIS = "WHERE destination = ? AND trace = ?"
# In a file that took the place of the one that was claimed from, the same number is another trace.
_CLAIMED = f"{_THIS} AND EXISTS (SELECT 1 FROM traces t WHERE t.number = outbox.trace AND t.id = ?)"
_PAGE = """
SELECT span_id, parent_id, kind, name, status, start_ns, end_ns, input, output, changes, body
FROM spans WHERE trace = ? AND span_id IN ({})
"""
_LEFT = """
SELECT coalesce(sum(max(1, t.span_count - o.sent)), 0)
FROM outbox o JOIN traces t ON t.number = o.trace
WHERE o.destination = ? AND t.end_ns IS NOT NULL
"""
_THIS_PROCESS = "(SELECT number FROM writers WHERE host = ? AND boot = ? AND pid = ? AND started = ?)"
_COUNT = "UPDATE destinations SET sent_spans = sent_spans + ?, rejected_spans = rejected_spans + ?"


class Claim(Record):
    """A trace that this process may send for as long as its lease lasts.

    `spans` is how many there are to send, of which the first `sent` are confirmed.
    """

    trace: int
    id: str
    spans: int
    sent: int


class ExportRow(Record):
    """A span as the store holds it, values as JSON text, and how it is exported."""

    span_id: str
    parent_id: str | None
    kind: str
    name: str
    status: str
    start_ns: int
    end_ns: int | None
    input: str | None
    output: str | None
    changes: str | None
    body: str
    export_start_ns: int
    export_end_ns: int
    step: int | None
    flow_path: str


class Outbox:
    """The traces in one store that wait for one destination. Every method may raise StoreError."""

    def __init__(self, store: Store, destination: Destination) -> None:
        self.store = store
        self.destination = destination

    # Claiming.

    def claim(
        self, limit: int = CLAIM_TRACES, *, only: Sequence[str] | None = None, thorough: bool = False
    ) -> list[Claim]:
        """Take traces that have ended, those that failed before last and else the newest first.

        `only` limits it to these ids. With `thorough`, also those that a process left unfinished, or
        had taken, that is gone. Nobody else gets them until they are confirmed, released, or the
        lease runs out.
        """
        if self._is_gone:
            return []
        with self.store.transaction(create=False) as connection:
            found = self._find(connection, limit, only, thorough)
            if found:
                me, end_ns = sign_of_life(connection), _lease_end()
                number = number_of(connection, self.destination)
                connection.executemany(
                    f"UPDATE outbox SET leased_by = ?, lease_ns = ? {_THIS}",
                    [(me, end_ns, number, trace) for trace, *_ in found],
                )
        counts = plan(self.store, [trace for trace, _, spans, _ in found if spans is None])
        return [
            Claim(trace, id, counts[trace] if spans is None else spans, sent)
            for trace, id, spans, sent in found
        ]

    def _find(
        self, connection: sqlite3.Connection, limit: int, only: Sequence[str] | None, thorough: bool
    ) -> list[tuple[int, str, int | None, int]]:
        now = time.time_ns()
        number = number_of(connection, self.destination)
        chosen = "" if only is None else f"AND t.id IN ({', '.join('?' * len(only))})"
        arguments = (number, now, _lease_end(now), *(only or ()))
        if thorough:
            _free_leases_of_the_gone(connection, now)
        found = connection.execute(_ENDED.format(chosen=chosen, free=_FREE), (*arguments, limit)).fetchall()
        if thorough and len(found) < limit:
            for trace, id, spans, sent, *writer, renewed_ns in connection.execute(
                _RUNNING.format(chosen=chosen, free=_FREE), arguments
            ):
                if Writer(*writer).is_gone(renewed_ns):
                    found.append((trace, id, spans, sent))
        return found[:limit]

    def renew(self, claims: Iterable[Claim]) -> None:
        """Keep what this process has taken."""
        with self._noting() as connection:
            if connection is None:
                return
            number = number_of(connection, self.destination)
            connection.executemany(
                f"UPDATE outbox SET lease_ns = ? {_CLAIMED}",
                [(_lease_end(), number, claim.trace, claim.id) for claim in claims],
            )

    # Reading what is to be sent.

    def headers(self, claims: Iterable[Claim]) -> dict[int, Trace]:
        """The traces without their spans, by number; those that were deleted meanwhile are left out."""
        found = {}
        with self.store.reading() as connection:
            if connection is not None:
                for claim in claims:
                    cursor = connection.execute("SELECT * FROM traces WHERE number = ?", (claim.trace,))
                    row = cursor.fetchone()
                    if row is not None:
                        names = [column[0] for column in cursor.description]
                        columns = dict(zip(names, row, strict=True), input=None, output=None)
                        found[claim.trace] = trace_of(columns, columns["end_ns"] is None)
        return found

    def pages(self, claims: Iterable[Claim]) -> list[list[ExportRow]]:
        """Spans of each claim in export order, some from the first that is not sent; none if it is gone."""
        with self.store.reading() as connection:
            if connection is None:
                return [[] for _ in claims]
            return [_page(connection, claim.trace, claim.sent) for claim in claims]

    def span_named(self, trace: int, span_id: str) -> tuple[str, str] | None:
        """Name and body of one span, None where it was not kept."""
        with self.store.reading() as connection:
            if connection is None:
                return None
            found = connection.execute(
                "SELECT name, body FROM spans WHERE trace = ? AND span_id = ?", (trace, span_id)
            ).fetchone()
            return None if found is None else (found[0], found[1])

    # What became of it.

    def confirm(self, claims: Iterable[Claim], accepted: int, rejected: int = 0) -> None:
        """Note how far each trace is sent now; `accepted` and `rejected` spans are counted."""
        with self._noting() as connection:
            if connection is None:
                return
            number = number_of(connection, self.destination)
            for claim in claims:
                arguments = (number, claim.trace, claim.id)
                if claim.sent < claim.spans:
                    connection.execute(
                        f"UPDATE outbox SET sent = ?, lease_ns = ? {_CLAIMED}",
                        (claim.sent, _lease_end(), *arguments),
                    )
                else:
                    connection.execute(f"DELETE FROM outbox {_CLAIMED}", arguments)
                    self._forget(connection, claim.trace)
            connection.execute(
                f"{_COUNT}, sent_ns = ?, failure = NULL, failure_ns = NULL WHERE number = ?",
                (accepted, rejected, time.time_ns(), number),
            )

    def _forget(self, connection: sqlite3.Connection, trace: int) -> None:
        """Delete a trace that everybody has, where only memory holds it."""
        if (
            self.store.path == MEMORY
            and not connection.execute("SELECT 1 FROM outbox WHERE trace = ?", (trace,)).fetchone()
        ):
            pruning.delete_trace(connection, trace)

    def release(self, claims: Iterable[Claim], failure: str | None = None) -> None:
        """Give back what was taken; `failure` says why it could not be sent, if it was tried."""
        with self._noting() as connection:
            if connection is None:
                return
            number = number_of(connection, self.destination)
            connection.executemany(
                f"UPDATE outbox SET leased_by = NULL, lease_ns = 0, attempts = attempts + ? {_CLAIMED}",
                [(failure is not None, number, claim.trace, claim.id) for claim in claims],
            )
            if failure is not None:
                connection.execute(
                    "UPDATE destinations SET failure = ?, failure_ns = ? WHERE number = ?",
                    (failure, time.time_ns(), number),
                )

    @property
    def _is_gone(self) -> bool:
        """Whether somebody deleted the file: what waited in it is not to be sent, and it stays deleted."""
        return self.store.path != MEMORY and not os.path.lexists(self.store.path)

    @contextmanager
    def _noting(self) -> Iterator[sqlite3.Connection | None]:
        """The connection, for writing what became of claims; None where the file is gone."""
        if self._is_gone:
            yield None
            return
        with self.store.transaction(create=False) as connection:
            yield connection

    def left(self, *, own: bool = False, reachable: bool = False) -> int:
        """How many spans of traces that ended wait to be sent.

        With `own`, of traces of this process; with `reachable`, of those that nobody else is sending.
        """
        with self.store.reading() as connection:
            if connection is None:
                return 0
            found = connection.execute(
                "SELECT number FROM destinations WHERE kind = ? AND host = ? AND account = ?",
                self.destination,
            ).fetchone()
            if found is None:
                return 0
            identity = Writer.this_process()
            conditions, arguments = "", [found[0]]
            if own:
                conditions += f"AND t.writer = {_THIS_PROCESS}"
                arguments += identity
            if reachable:
                now = time.time_ns()
                conditions += f"AND ({_FREE} OR o.leased_by = {_THIS_PROCESS})"
                arguments += [now, _lease_end(now), *identity]
            return int(connection.execute(f"{_LEFT} {conditions}", arguments).fetchone()[0])


def _page(connection: sqlite3.Connection, trace: int, position: int) -> list[ExportRow]:
    planned = page_at(connection, trace, position)
    query = _PAGE.format(",".join("?" * len(planned)))
    rows = {row[0]: row for row in connection.execute(query, (trace, *(one[0] for one in planned)))}
    return [ExportRow._make(rows[one[0]] + one[1:]) for one in planned if one[0] in rows]


def _free_leases_of_the_gone(connection: sqlite3.Connection, now_ns: int) -> None:
    for holder, *writer, renewed_ns in connection.execute(_HOLDERS, (now_ns,)).fetchall():
        if Writer(*writer).is_gone(renewed_ns):
            connection.execute(
                "UPDATE outbox SET leased_by = NULL, lease_ns = 0 WHERE leased_by = ?", (holder,)
            )


def _lease_end(now_ns: int | None = None) -> int:
    return (time.time_ns() if now_ns is None else now_ns) + int(LEASE_SECONDS * 1e9)


class Waiting(Record):
    """What waits for one destination, and what became of the rest."""

    kind: str
    host: str
    account: str
    traces: int
    spans: int
    running: int
    oldest_ns: int | None
    sent_spans: int
    rejected_spans: int
    sent_ns: int | None
    failure: str | None
    failure_ns: int | None


_WAITING = """
SELECT d.kind, d.host, d.account, count(t.end_ns),
       coalesce(sum(CASE WHEN t.end_ns IS NULL THEN 0 ELSE max(1, t.span_count - o.sent) END), 0),
       count(o.trace) - count(t.end_ns), min(t.start_ns),
       d.sent_spans, d.rejected_spans, d.sent_ns, d.failure, d.failure_ns
FROM destinations d LEFT JOIN outbox o ON o.destination = d.number LEFT JOIN traces t ON t.number = o.trace
GROUP BY d.number ORDER BY d.number
"""


def waiting(store: Store) -> list[Waiting]:
    """What the outbox of this file holds, for each destination that there ever was."""
    with store.reading() as connection:
        if connection is None:
            return []
        return [Waiting._make(row) for row in connection.execute(_WAITING)]
