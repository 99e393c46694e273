"""What goes when there is too much, and how it goes for good."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from .writer import Writer

if TYPE_CHECKING:
    import sqlite3

DAY_NS = 24 * 60 * 60 * 1_000_000_000
VACUUM_PAGES = 2000
"""Pages given back in one transaction: others can write in between."""

# Undelivered traces come last; within each group the oldest comes first.
_IN_ORDER = """
SELECT t.number, t.end_ns, w.host, w.boot, w.pid, w.started, w.renewed_ns,
       EXISTS (SELECT 1 FROM outbox o WHERE o.trace = t.number) AS unsent
FROM traces t JOIN writers w ON w.number = t.writer
"""


def days_ago(days: float) -> int:
    """Nanoseconds since the epoch at the moment `days` days before now."""
    return int(max(0.0, time.time_ns() - days * DAY_NS))


def expired(connection: sqlite3.Connection, max_days: float) -> list[int]:
    """The traces that are too old; what still runs or waits to be delivered may stay."""
    found = connection.execute(f"{_IN_ORDER} WHERE t.start_ns < ? AND NOT unsent", (days_ago(max_days),))
    return _ended(found)


def oldest(connection: sqlite3.Connection) -> list[int]:
    """The traces in the order in which they have to go for want of room, as many as one round takes."""
    return _ended(connection.execute(f"{_IN_ORDER} ORDER BY unsent, t.start_ns LIMIT 200"))


def _ended(found: sqlite3.Cursor) -> list[int]:
    return [
        number
        for number, end_ns, host, boot, pid, started, renewed_ns, _ in found
        if end_ns is not None or Writer(host, boot, pid, started).is_gone(renewed_ns)
    ]


def used_bytes(connection: sqlite3.Connection) -> int:
    """What the traces take in the file; pages that were freed count as gone."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def log_bytes(path: str) -> int:
    """What the write-ahead log of the file at `path` takes beside it."""
    try:
        return os.stat(f"{path}-wal").st_size
    except OSError:
        return 0


def delete_trace(connection: sqlite3.Connection, number: int) -> None:
    """Delete all there is of one trace, within the caller's transaction."""
    for table in ("spans", "trace_values", "outbox", "exports"):
        connection.execute(f"DELETE FROM {table} WHERE trace = ?", (number,))
    connection.execute("DELETE FROM traces WHERE number = ?", (number,))


def count_undelivered(connection: sqlite3.Connection, number: int) -> None:
    """Remember that a trace goes without having been delivered, if that is so."""
    connection.execute(
        "INSERT INTO counters (name, value) SELECT 'pruned_undelivered', 1 "
        "WHERE EXISTS (SELECT 1 FROM outbox WHERE trace = ?) "
        "ON CONFLICT (name) DO UPDATE SET value = value + 1",
        (number,),
    )


def give_back(connection: sqlite3.Connection, deadline: float) -> None:
    """Make the file as small as its content, and empty the log: what was deleted is nowhere on the disk.

    At most until `deadline` (monotonic); pages that are left are used again by what comes.
    """
    connection.execute(
        "DELETE FROM writers WHERE number NOT IN (SELECT writer FROM traces) "
        "AND number NOT IN (SELECT leased_by FROM outbox WHERE leased_by IS NOT NULL)"
    )
    empty_log(connection)
    free = free_pages(connection)
    while free and time.monotonic() < deadline:
        connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        before, free = free, free_pages(connection)
        if free >= before:
            break  # a file made without auto_vacuum
    empty_log(connection)


def free_pages(connection: sqlite3.Connection) -> int:
    """How many pages of the file hold nothing."""
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def empty_log(connection: sqlite3.Connection) -> None:
    """Move what the write-ahead log holds into the file, as far as readers allow without delay."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        return
    patience = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout = 50").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {patience}").fetchall()
