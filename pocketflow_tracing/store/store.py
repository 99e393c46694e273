"""Writing and reading traces in one SQLite file."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..model import Span, Trace
from . import pruning, rows
from .addresses import Destination, address, all_addressed
from .database import MEMORY, StoreDamaged, StoreEmpty, connect, explained, move_aside
from .rows import SpanRow, TraceRow, span_row, trace_row
from .writer import Writer, forget_writer
from .writing import all_spans, all_traces, write

if TYPE_CHECKING:
    import sqlite3

_TRACE_COLUMNS = """
SELECT t.*, v.input, v.output, w.host, w.boot, w.pid, w.started, w.renewed_ns
FROM traces t JOIN writers w ON w.number = t.writer LEFT JOIN trace_values v ON v.trace = t.number
"""
_NEWEST_FIRST = "ORDER BY t.start_ns DESC, t.number DESC"

_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_left_open: list[Any] = []


class Store:
    """The traces in the file at `path` (":memory:" for none), shared with other processes.

    The file is opened when first needed and created when first written. Every method may be called
    from any thread, one at a time, and raises StoreError, naming the file and the reason. It waits
    for other processes that write for at most `patience` seconds. With `read_only`, it never writes.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        max_bytes: int = 1024 * 1024 * 1024,
        max_days: float = 30,
        patience: float = 5.0,
        read_only: bool = False,
    ) -> None:
        self.path = MEMORY if str(path) == MEMORY else str(Path(path).expanduser().absolute())
        self.max_bytes = max_bytes
        self.max_days = max_days
        self.patience = patience
        self.read_only = read_only
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self.file: tuple[int, int] | None = None
        """Which file was opened last: device and inode."""
        _stores.add(self)

    def close(self) -> None:
        """Close the file; the next call opens it again. A store in memory is gone with this."""
        with self._lock, explained(self.path):
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    # Writing

    def begin(self, trace: Trace) -> None:
        """Write the header of a run that goes on, or write it again."""
        self.save([trace_row(trace)], [])

    def write(self, spans: Sequence[Span]) -> None:
        """Write spans of traces that were begun, ended spans and open ones."""
        self.save([], [span_row(span) for span in spans])

    def end(self, trace: Trace) -> None:
        """Write the final header of a run, and the spans that `trace` holds."""
        self.save([trace_row(trace)], [span_row(span) for span in trace.spans])

    def save(
        self,
        traces: Iterable[TraceRow],
        spans: Iterable[SpanRow],
        addressed: Iterable[tuple[str, Destination]] = (),
    ) -> None:
        """Write all of it, or nothing; also a sign of life of this process.

        `addressed` are traces, by id, and destinations that they shall be sent to. Spans whose trace
        is neither given nor known are left out: somebody deleted it.
        """
        with self.transaction() as connection:
            write(connection, traces, spans)
            address(connection, addressed)

    def hand_over(self, other: Store) -> None:
        """Write everything in here into `other` as well."""
        with self.reading() as connection:
            if connection is None:
                return
            other.save(all_traces(connection), ())
            for spans in all_spans(connection):
                other.save((), spans)
            # Last: what is addressed may be sent at once, and has to be whole by then.
            other.save((), (), all_addressed(connection))

    # Reading

    def traces(self, limit: int = 50, offset: int = 0) -> list[Trace]:
        """Headers of traces, newest first, without their spans."""
        with self.reading() as connection:
            if connection is None:
                return []
            found = connection.execute(f"{_TRACE_COLUMNS} {_NEWEST_FIRST} LIMIT ? OFFSET ?", (limit, offset))
            return [_header(columns) for columns in _dicts(found)]

    def load(self, id: str) -> Trace:
        """The trace with this id, or with the only id that starts so, in capitals or not, with its spans."""
        with self.reading() as connection:
            if connection is None:
                raise StoreError(f"no trace {id}: there is no trace store at {self.path}")
            return self._whole(connection, "WHERE t.number = ?", self._resolve(connection, id))

    def last(self) -> Trace | None:
        """The trace that began last, with all its spans, or None where there is none."""
        with self.reading() as connection:
            newest = (
                None
                if connection is None
                else connection.execute(f"SELECT t.number FROM traces t {_NEWEST_FIRST} LIMIT 1").fetchone()
            )
            if connection is None or newest is None:
                return None
            return self._whole(connection, "WHERE t.number = ?", newest[0])

    def _whole(self, connection: sqlite3.Connection, which: str, number: int) -> Trace:
        trace = _header(next(_dicts(connection.execute(f"{_TRACE_COLUMNS} {which}", (number,)))))
        spans = connection.execute(
            "SELECT * FROM spans WHERE trace = ? ORDER BY start_ns, seq, rowid", (number,)
        )
        trace.spans = [rows.span_of(columns, trace) for columns in _dicts(spans)]
        return trace

    def _resolve(self, connection: sqlite3.Connection, id: str) -> int:
        start = id.lower()
        found = connection.execute(
            "SELECT number, id FROM traces WHERE id >= ? AND id < ? ORDER BY id LIMIT 6", (start, start + "g")
        ).fetchall()
        if not found or not id:
            raise StoreError(f"no trace {id!r} in {self.path}")
        if len(found) > 1 and found[0][1] != start:
            names = ", ".join(row[1][: max(8, len(id) + 4)] for row in found[:5])
            raise StoreError(
                f"{id!r} stands for more than one trace: {names}{' …' if len(found) > 5 else ''}"
            )
        return int(found[0][0])

    # Deleting

    def delete(self, ids: Iterable[str]) -> int:
        """Delete traces by id or unique start of one; how many. One that still runs comes back."""
        with self.reading() as connection:
            numbers = [] if connection is None else [self._resolve(connection, id) for id in ids]
        return self._delete(list(dict.fromkeys(numbers)))

    def delete_older_than(self, days: float) -> int:
        """Delete the traces that began more than `days` days ago; how many."""
        return self._delete_where("start_ns < ?", pruning.days_ago(days))

    def delete_all(self) -> int:
        """Delete every trace; how many."""
        return self._delete_where("1 = ?", 1)

    def _delete_where(self, condition: str, value: int) -> int:
        with self.reading() as connection:
            if connection is None:
                return 0
            found = connection.execute(f"SELECT number FROM traces WHERE {condition}", (value,)).fetchall()
        return self._delete([row[0] for row in found])

    def _delete(self, numbers: Iterable[int], deadline: float = math.inf) -> int:
        deleted = 0
        for number in numbers:
            if time.monotonic() >= deadline:
                break
            with self.transaction(create=False) as connection:
                pruning.delete_trace(connection, number)
            deleted += 1
        if deleted:
            self._call(lambda connection: pruning.give_back(connection, deadline))
        return deleted

    def prune(self, deadline: float = math.inf) -> int:
        """Delete what is too old or too much, at most until `deadline` (monotonic); how many traces.

        Traces that still run stay. Those that wait to be delivered go last, and are counted.
        Where the file is gone there is nothing to delete: a new one begins with what is written next.
        """
        if self.path != MEMORY and not os.path.lexists(self.path):
            return 0
        pruned = self._delete(self._call(lambda found: pruning.expired(found, self.max_days)), deadline)
        if self._used() + pruning.log_bytes(self.path) <= self.max_bytes:
            return pruned
        self._call(pruning.empty_log)
        # Somewhat below the limit, so that not every batch prunes.
        while self._used() > self.max_bytes * 0.9 and time.monotonic() < deadline:
            gone = self._delete(self._too_much(self.max_bytes * 0.9), deadline)
            if not gone:
                break
            pruned += gone
        return pruned

    def _too_much(self, aim: float) -> Iterator[int]:
        for number in self._call(pruning.oldest):
            if self._used() <= aim:
                return
            with self.transaction(create=False) as connection:
                pruning.count_undelivered(connection, number)
            yield number

    def _used(self) -> int:
        return int(self._call(pruning.used_bytes))

    # The connection

    def before_fork(self) -> None:
        """Close the file if nobody is using it within a second; it opens again when needed."""
        if not self._lock.acquire(timeout=1):
            return
        try:
            if self.path != MEMORY and self._connection is not None and not self._connection.in_transaction:
                self.close()
        except StoreError:
            pass  # an unclean close is what the next opener repairs
        finally:
            self._lock.release()

    def after_fork(self) -> None:
        """Begin anew in a child: the lock may belong to a thread that is not here."""
        self._lock = threading.RLock()
        if self.path == MEMORY:
            self.close()
        elif self._connection is not None:
            _left_open.append(self._connection)  # the parent's: closing it here would break its locks
            self._connection = None

    def limit(self, max_bytes: int) -> None:
        """Refuse to grow beyond `max_bytes`, as a full disk does."""

        def set_limit(connection: sqlite3.Connection) -> None:
            page = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {max(64, max_bytes // page)}")

        self._call(set_limit)

    def move_aside(self) -> Path | None:
        """Rename the file that was found damaged; the next write starts a new one.

        Gives the new name, or None where another process did it already.
        """
        with self._lock, explained(self.path):
            damaged = self.file
            self.close()
            return None if damaged is None else move_aside(Path(self.path), damaged)

    def _call(self, act: Callable[[sqlite3.Connection], Any]) -> Any:
        with self._lock, explained(self.path):
            return act(self._opened(create=False))

    @contextmanager
    def transaction(self, *, create: bool = True) -> Iterator[sqlite3.Connection]:
        """The connection, for writing: all that the block does is done, or nothing."""
        with self._lock, explained(self.path):
            connection = self._opened(create=create)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """One unchanging view of the file, or None where there is no file."""
        with self._lock, explained(self.path):
            if self.path != MEMORY and not os.path.lexists(self.path):
                yield None
                return
            try:
                connection = self._opened(create=False)
            except StoreEmpty:
                yield None
                return
            connection.execute("BEGIN")
            try:
                yield connection
            except ValueError as failure:
                raise StoreDamaged(f"the trace store {self.path} is damaged: {failure}") from failure
            finally:
                connection.rollback()

    def _opened(self, *, create: bool) -> sqlite3.Connection:
        if self._connection is not None and self.file != _identity(self.path):
            self.close()  # deleted or replaced: SQLite would go on writing into a file without a name
        if self._connection is None:
            self.file = _identity(self.path)
            self._connection = connect(
                self.path, create=create, patience=self.patience, read_only=self.read_only
            )
            self.file = _identity(self.path)
        return self._connection


def _before_fork() -> None:
    for store in _all_stores():
        store.before_fork()


def _after_fork() -> None:
    forget_writer()
    for store in _all_stores():
        store.after_fork()


def _all_stores() -> list[Store]:
    while True:
        try:
            return list(_stores)
        except RuntimeError:  # another thread made one meanwhile
            pass


# SQLite forbids to carry an open file over a fork: parent and child would believe in the same locks.
os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _dicts(cursor: sqlite3.Cursor) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _header(columns: dict[str, Any]) -> Trace:
    interrupted = False
    if columns["end_ns"] is None:
        writer = Writer(columns["host"], columns["boot"], columns["pid"], columns["started"])
        interrupted = writer.is_gone(columns["renewed_ns"])
    return rows.trace_of(columns, interrupted)
