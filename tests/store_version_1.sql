PRAGMA application_id = 1346786418;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE counters (
    name        TEXT PRIMARY KEY,
    value       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE destinations (
    number      INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL,      -- which sink
    host        TEXT NOT NULL,
    account     TEXT NOT NULL,
    UNIQUE (kind, host, account)
);
CREATE TABLE outbox (
    destination INTEGER NOT NULL REFERENCES destinations (number),
    trace       INTEGER NOT NULL REFERENCES traces (number),
    span_id     TEXT NOT NULL,      -- '' stands for the trace itself
    attempts    INTEGER NOT NULL DEFAULT 0,
    leased_by   INTEGER REFERENCES writers (number),
    lease_ns    INTEGER NOT NULL DEFAULT 0,     -- taken until then, ns since the epoch
    PRIMARY KEY (destination, trace, span_id)
) WITHOUT ROWID;
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
INSERT INTO "spans" VALUES(1,'0000000000000001',0,NULL,'flow','Flow','ok',1767225600001000000,1767225600001000500,'{"shared":{"seq":0}}','[0,null,true,1.5,"text"]',NULL,'{"attributes":{"visit":1,"action":"next"}}');
INSERT INTO "spans" VALUES(1,'0000000000000002',1,'0000000000000001','node','Node1','ok',1767225600001000001,1767225600001000501,'{"shared":{"seq":1}}','[1,null,true,1.5,"text"]',NULL,'{"attributes":{"visit":1,"action":"next"}}');
CREATE TABLE trace_values (
    trace       INTEGER PRIMARY KEY REFERENCES traces (number),
    input       TEXT,               -- JSON
    output      TEXT                -- JSON
);
INSERT INTO "trace_values" VALUES(1,'{"shared":{"question":"why?"}}','{"result":"done"}');
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
INSERT INTO "traces" VALUES(1,'00000000000000000000000000000001','Flow 1','ok',1767225600001000000,1767225600001001000,'session',NULL,2,1,'{"trace_id":"00000000000000000000000000000001","parent_span_id":null,"graph":{"nodes":[],"edges":[]},"tags":["nightly"],"metadata":{"run":1},"variant":null,"environment":"default","release":null,"project":null,"scores":[],"dropped_spans":0,"complete":true}');
CREATE TABLE writers (
    number      INTEGER PRIMARY KEY,
    host        TEXT NOT NULL,
    boot        TEXT NOT NULL,      -- boot id and pid namespace: where `pid` means something
    pid         INTEGER NOT NULL,
    started     INTEGER NOT NULL,   -- start of the process, in clock ticks since boot
    renewed_ns  INTEGER NOT NULL,   -- last sign of life, ns since the epoch
    UNIQUE (host, boot, pid, started)
);
INSERT INTO "writers" VALUES(1,'host','boot/1',1,1,1767225600000000000);
CREATE INDEX traces_by_start ON traces (start_ns);
CREATE INDEX outbox_by_trace ON outbox (trace);
COMMIT;
