"""What the tables hold, and how a file of an older version becomes one of this version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

APPLICATION_ID = 0x50465472
"""Stands in the header of our files ("PFTr"), so that a database of something else is never touched."""

VERSION_1 = """
-- A process that writes here. Readers tell by it whether a trace without an end still runs.
CREATE TABLE writers (
    number      INTEGER PRIMARY KEY,
    host        TEXT NOT NULL,
    boot        TEXT NOT NULL,      -- boot id and pid namespace: where `pid` means something
    pid         INTEGER NOT NULL,
    started     INTEGER NOT NULL,   -- start of the process, in clock ticks since boot
    renewed_ns  INTEGER NOT NULL,   -- last sign of life, ns since the epoch
    UNIQUE (host, boot, pid, started)
);

-- One outermost run. `body` holds what no query asks for, as a JSON object.
CREATE TABLE traces (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    status      TEXT NOT NULL,
    start_ns    INTEGER NOT NULL,
    end_ns      INTEGER,            -- null while it runs, and for ever if its writer died
    session_id  TEXT,
    user_id     TEXT,
    span_count  INTEGER NOT NULL,
    writer      INTEGER NOT NULL REFERENCES writers (number),
    body        TEXT NOT NULL
);
CREATE INDEX traces_by_start ON traces (start_ns);

-- Input and output of a run, apart from its row, which is written again and again while it runs.
CREATE TABLE trace_values (
    trace       INTEGER PRIMARY KEY REFERENCES traces (number),
    input       TEXT,               -- JSON
    output      TEXT                -- JSON
);

-- One step of a run. Open steps are here too, with a null end; their end replaces the row.
CREATE TABLE spans (
    trace       INTEGER NOT NULL REFERENCES traces (number),
    span_id     TEXT NOT NULL,
    seq         INTEGER NOT NULL,   -- start order within the trace, where start_ns is the same
    parent_id   TEXT,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    status      TEXT NOT NULL,
    start_ns    INTEGER NOT NULL,
    end_ns      INTEGER,
    input       TEXT,               -- JSON
    output      TEXT,               -- JSON
    changes     TEXT,               -- JSON
    body        TEXT NOT NULL,      -- JSON object: the other fields that are not empty
    UNIQUE (trace, span_id)
);

-- Where a network sink sends to. Never a secret: `account` is a public key, or a hash.
CREATE TABLE destinations (
    number      INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL,      -- which sink
    host        TEXT NOT NULL,
    account     TEXT NOT NULL,
    UNIQUE (kind, host, account)
);

-- What a destination has not confirmed yet; the row goes when it has.
CREATE TABLE outbox (
    destination INTEGER NOT NULL REFERENCES destinations (number),
    trace       INTEGER NOT NULL REFERENCES traces (number),
    span_id     TEXT NOT NULL,      -- '' stands for the trace itself
    attempts    INTEGER NOT NULL DEFAULT 0,
    leased_by   INTEGER REFERENCES writers (number),
    lease_ns    INTEGER NOT NULL DEFAULT 0,     -- taken until then, ns since the epoch
    PRIMARY KEY (destination, trace, span_id)
) WITHOUT ROWID;
CREATE INDEX outbox_by_trace ON outbox (trace);

-- What happened to this file as a whole: 'pruned_undelivered' counts traces that went unsent.
CREATE TABLE counters (
    name        TEXT PRIMARY KEY,
    value       INTEGER NOT NULL
) WITHOUT ROWID;
"""

VERSION_2 = """
-- Nothing was sent before this version, so nothing is lost with the first form of the outbox.
DROP TABLE outbox;

-- What a destination has not confirmed yet; the row goes when it has confirmed the last span. It is
-- there from the start of a run, and waits until the run has ended or its process is gone.
CREATE TABLE outbox (
    destination INTEGER NOT NULL REFERENCES destinations (number),
    trace       INTEGER NOT NULL REFERENCES traces (number),
    spans       INTEGER,            -- how many there are to send; null until `exports` has them
    sent        INTEGER NOT NULL DEFAULT 0,     -- how many of them are confirmed, in that order
    attempts    INTEGER NOT NULL DEFAULT 0,     -- how often sending failed
    leased_by   INTEGER REFERENCES writers (number),
    lease_ns    INTEGER NOT NULL DEFAULT 0,     -- taken until then, ns since the epoch
    PRIMARY KEY (destination, trace)
) WITHOUT ROWID;
CREATE INDEX outbox_by_trace ON outbox (trace);
CREATE INDEX outbox_by_attempts ON outbox (destination, attempts, trace DESC);

-- How the spans of a trace are exported, worked out once: a span that is sent again is the same.
CREATE TABLE exports (
    trace       INTEGER NOT NULL REFERENCES traces (number),
    position    INTEGER NOT NULL,   -- in start order, from 0
    span_id     TEXT NOT NULL,
    start_ns    INTEGER NOT NULL,   -- shifted, so that siblings stay in order where only ms count
    end_ns      INTEGER NOT NULL,
    step        INTEGER,            -- of a node: which step of the run it is, from 1
    flow_path   TEXT NOT NULL,      -- names of the flows around the span, joined by "/"
    PRIMARY KEY (trace, position)
) WITHOUT ROWID;

-- What became of the spans of a destination, for people to look at.
ALTER TABLE destinations ADD COLUMN sent_spans INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destinations ADD COLUMN rejected_spans INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destinations ADD COLUMN sent_ns INTEGER;
ALTER TABLE destinations ADD COLUMN failure TEXT;
ALTER TABLE destinations ADD COLUMN failure_ns INTEGER;
"""

VERSION_3 = """
-- What lists, statistics and filters ask for; null in rows that an older version wrote, until somebody
-- asks. `project` and `tags` (a JSON array, null for none) stand in `body` too.
ALTER TABLE traces ADD COLUMN project TEXT;
ALTER TABLE traces ADD COLUMN tags TEXT;
ALTER TABLE traces ADD COLUMN nodes INTEGER;
ALTER TABLE traces ADD COLUMN retries INTEGER;
ALTER TABLE traces ADD COLUMN errors INTEGER;
ALTER TABLE traces ADD COLUMN warnings INTEGER;
ALTER TABLE traces ADD COLUMN tokens INTEGER;
ALTER TABLE traces ADD COLUMN cost REAL;

-- Each filter finds the newest traces that it lets through without looking at the others.
CREATE INDEX traces_by_name ON traces (name, start_ns);
CREATE INDEX traces_by_status ON traces (status, start_ns);
CREATE INDEX traces_by_session ON traces (session_id, start_ns) WHERE session_id IS NOT NULL;
CREATE INDEX traces_by_user ON traces (user_id, start_ns) WHERE user_id IS NOT NULL;
CREATE INDEX traces_by_project ON traces (project, start_ns) WHERE project IS NOT NULL;
CREATE INDEX traces_by_tags ON traces (start_ns, tags) WHERE tags IS NOT NULL;
CREATE INDEX traces_open ON traces (start_ns) WHERE end_ns IS NULL;
CREATE INDEX traces_uncounted ON traces (number) WHERE nodes IS NULL;
"""

VERSION_4 = """
-- How the spans of a trace are exported, worked out once: a span that is sent again is the same. What
-- the table held before comes out of the same spans again.
DROP TABLE exports;
UPDATE outbox SET spans = NULL;
CREATE TABLE exports (
    trace       INTEGER NOT NULL REFERENCES traces (number),
    first       INTEGER NOT NULL,   -- position of the first of these spans, in start order, from 0
    count       INTEGER NOT NULL,   -- how many there are
    spans       TEXT NOT NULL,      -- JSON: [[span_id, start_ns, end_ns, step, flow_path], …], times shifted
                                    -- so that siblings stay in order where only ms count; the step is
                                    -- that of a node in the run, from 1
    PRIMARY KEY (trace, first)
) WITHOUT ROWID;
"""

MIGRATIONS = [VERSION_1, VERSION_2, VERSION_3, VERSION_4]
"""The steps from an empty file to this version; step n leads to version n. Never change one: add."""


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of an open file; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether this database was made by another program."""
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if owner == APPLICATION_ID:
        return False
    filled = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    return owner != 0 or filled or version_of(connection) != 0


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an open file to this version, in one transaction; nothing happens where it has it already."""
    if version_of(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again: another process may have done it while this one waited for the lock.
        for number in range(version_of(connection), len(MIGRATIONS)):
            for statement in _statements(MIGRATIONS[number]):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _statements(script: str) -> Iterator[str]:
    # `executescript` commits before it starts, so it cannot be part of a transaction.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
