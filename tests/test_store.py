"""The local store: what it keeps, what it refuses, how it shares."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_support import made_span, made_trace, run_child, start_child, until

from pocketflow_tracing.errors import StoreError
from pocketflow_tracing.model import (
    ErrorInfo,
    Generation,
    Graph,
    GraphEdge,
    GraphNode,
    Span,
    SpanKind,
    Status,
    Trace,
)
from pocketflow_tracing.store import Store, StoreDamaged, StoreLocked, pruning, schema
from pocketflow_tracing.store.writer import SILENCE_NS, Writer

DAY_NS = pruning.DAY_NS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "traces.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


def kept(path: Path, *traces: Trace) -> None:
    """Write traces and close the file."""
    store = Store(path)
    for trace in traces:
        store.end(trace)
    store.close()


# What comes back


def test_a_trace_comes_back_as_it_was_written(store: Store) -> None:
    """Every field of a trace and of its spans survives the file."""
    trace = made_trace(1, spans=4)
    trace.graph = Graph(
        [GraphNode("Node1", "Node1", "Node 1", "node", "Flow")],
        [GraphEdge("default", "Node1", "Node1", "Flow")],
    )
    trace.scores = [{"name": "good", "value": 1.0}]
    trace.user_id, trace.variant, trace.release, trace.project = "ann", "b", "1.2", "shop"
    trace.parent_span_id, trace.trace_id = "12" * 8, "ab" * 16
    trace.dropped_spans, trace.complete = 3, False
    trace.spans[2] = dataclasses.replace(
        trace.spans[2],
        kind=SpanKind.GENERATION,
        status=Status.ERROR,
        status_message="ValueError: no",
        node_key="Node2#2",
        changes={"added": {"key": 1}},
        error=ErrorInfo("ValueError", "no", "Traceback …", ["a note"], ["KeyError: 'x'"], "34" * 8),
        generation=Generation("gpt", {"temperature": 0}, {"input": 10}, {"input": 0.5}),
        redacted=["input.shared.key"],
        truncated=["output"],
    )
    store.end(trace)

    assert store.load(trace.id) == trace
    assert store.last() == trace
    assert store.traces() == [dataclasses.replace(trace, spans=[])]


def test_values_that_are_no_valid_unicode_come_back(store: Store) -> None:
    """A lone surrogate, which UTF-8 cannot hold, survives in values; in a name it is replaced."""
    trace = made_trace(1)
    trace.name = "broken \ud800 name"
    trace.spans[1].output = {"key \udfff": ["\ud800", "日本語", "é"]}
    store.end(trace)

    found = store.load(trace.id)
    assert found.spans[1].output == {"key \udfff": ["\ud800", "日本語", "é"]}
    assert found.name == "broken ? name"


def test_spans_come_in_start_order_also_within_one_instant(store: Store) -> None:
    """Spans are written as they end, children first, and read as they began."""
    trace = made_trace(1, spans=5)
    for span in trace.spans:
        span.start_ns = trace.start_ns
    store.begin(trace)
    store.write(list(reversed(trace.spans)))

    assert [span.seq for span in store.load(trace.id).spans] == [0, 1, 2, 3, 4]


def test_spans_made_by_hand_need_no_sequence(store: Store) -> None:
    """Spans that all have the sequence 0 stay apart, by their ids."""
    trace = made_trace(1, spans=3)
    for span in trace.spans:
        span.seq = 0
    store.end(trace)

    assert store.load(trace.id).spans == trace.spans


def test_the_end_of_a_span_replaces_its_open_row_and_never_the_reverse(store: Store) -> None:
    """A span is written while it runs; what is written late about that time changes nothing."""
    trace = made_trace(1, spans=1, ended=False)
    done = made_span(trace, 0)
    store.begin(trace)
    store.write([trace.spans[0]])
    assert store.load(trace.id).spans == [trace.spans[0]]

    store.write([done])
    store.write([trace.spans[0]])
    assert store.load(trace.id).spans == [done]


def test_input_and_output_of_a_run_are_kept_when_its_row_is_written_again(store: Store) -> None:
    """A later header without values does not take away the values of an earlier one."""
    trace = made_trace(1, spans=0, ended=False)
    store.begin(trace)
    store.begin(dataclasses.replace(trace, input=None, span_count=7))

    found = store.load(trace.id)
    assert (found.input, found.output, found.span_count) == (trace.input, None, 7)


def test_traces_are_listed_newest_first_page_by_page(store: Store) -> None:
    """`traces` goes by start time, whatever the order of writing."""
    for number in (2, 5, 1, 4, 3):
        store.end(made_trace(number))

    assert [trace.name for trace in store.traces(limit=2)] == ["Flow 5", "Flow 4"]
    assert [trace.name for trace in store.traces(limit=9, offset=2)] == ["Flow 3", "Flow 2", "Flow 1"]
    assert all(trace.spans == [] for trace in store.traces())


def test_a_trace_is_found_by_the_start_of_its_id(store: Store) -> None:
    """A start that fits one trace is enough; one that fits several, or none, is told apart."""
    first, second = made_trace(1), made_trace(2)
    first.id, second.id = "abc1" + "0" * 28, "abc2" + "0" * 28
    for trace in (first, second):
        trace.spans = []
        store.end(trace)

    assert store.load("abc1").id == first.id
    with pytest.raises(StoreError, match="'abc' stands for more than one trace: abc10000, abc20000"):
        store.load("abc")
    with pytest.raises(StoreError, match="no trace 'x%'"):
        store.load("x%")
    with pytest.raises(StoreError, match="no trace ''"):
        store.load("")


def test_reading_where_there_is_no_store_makes_none(store: Store, path: Path) -> None:
    """Looking at traces leaves no file and no folder behind."""
    assert store.traces() == []
    assert store.last() is None
    assert store.delete_all() == 0
    assert store.delete([]) == 0
    with pytest.raises(StoreError, match="there is no trace store at"):
        store.load("abc")
    assert not path.parent.exists()


# Deleting


def test_delete_takes_away_what_is_named_and_nothing_else(store: Store) -> None:
    """Traces go by id or start of one; an unknown one deletes nothing at all."""
    for number in (1, 2, 3):
        store.end(made_trace(number))

    with pytest.raises(StoreError, match="no trace 'ff'"):
        store.delete([f"{1:032x}", "ff"])
    assert store.delete([f"{1:032x}", f"{3:032x}", f"{3:032x}"]) == 2
    assert [trace.name for trace in store.traces()] == ["Flow 2"]
    assert len(store.load(f"{2:032x}").spans) == 2


def test_delete_by_age_and_delete_all(store: Store) -> None:
    """`delete_older_than` looks at the start of a run."""
    now = made_trace(1).start_ns
    store.end(made_trace(1, start_ns=now - 10 * DAY_NS))
    store.end(made_trace(2, start_ns=now - 2 * DAY_NS))
    store.end(made_trace(3, start_ns=now))

    assert store.delete_older_than(5) == 1
    assert [trace.name for trace in store.traces()] == ["Flow 3", "Flow 2"]
    assert store.delete_all() == 2
    assert store.traces() == []


def test_what_was_deleted_is_nowhere_on_the_disk(store: Store, path: Path) -> None:
    """The file and its log shrink, and hold no byte of a deleted trace while still open."""
    trace = made_trace(1, spans=300)
    for span in trace.spans:
        span.output = "confidential " * 50
    store.end(trace)
    store.end(made_trace(2))
    size = path.stat().st_size
    store.delete([trace.id])

    content = subprocess.run(["cat", path, f"{path}-wal"], capture_output=True, check=True).stdout
    assert b"confidential" not in content
    assert len(content) < max(size, 150_000)
    assert [trace.name for trace in store.traces()] == ["Flow 2"]


def test_spans_of_a_deleted_trace_that_still_runs_are_let_go(store: Store) -> None:
    """What is written for a trace that is gone leaves no orphans."""
    trace = made_trace(1, ended=False)
    store.begin(trace)
    store.delete_all()
    store.write(trace.spans)

    assert store.traces() == []
    assert store._call(lambda found: found.execute("SELECT count(*) FROM spans").fetchone()) == (0,)


# Pruning


def test_pruning_goes_by_age(store: Store) -> None:
    """What is older than `max_days` goes; what still runs stays."""
    now = made_trace(1).start_ns
    store.max_days = 30
    store.end(made_trace(1, start_ns=now - 31 * DAY_NS))
    store.end(made_trace(2, start_ns=now - 29 * DAY_NS))
    store.begin(made_trace(3, start_ns=now - 31 * DAY_NS, ended=False))

    assert store.prune() == 1
    assert [trace.name for trace in store.traces()] == ["Flow 2", "Flow 3"]


def test_pruning_goes_by_size_oldest_first_and_gives_the_room_back(store: Store, path: Path) -> None:
    """Above `max_bytes`, the oldest traces go until the file and its log are below it."""
    store.max_bytes = 400_000
    for number in range(20):
        trace = made_trace(number, spans=30)
        for span in trace.spans:
            span.input = "x" * 1000
        store.end(trace)

    pruned = store.prune()
    left = [trace.name for trace in store.traces()]
    assert pruned and left == [f"Flow {number}" for number in reversed(range(pruned, 20))]
    assert len(left) > 5
    assert path.stat().st_size + Path(f"{path}-wal").stat().st_size < 400_000
    assert store.prune() == 0


def test_undelivered_traces_go_last_and_are_counted(store: Store) -> None:
    """Size takes delivered traces first, then undelivered ones; age spares these."""
    now = made_trace(1).start_ns
    for number in range(6):
        trace = made_trace(number, spans=20, start_ns=now - 40 * DAY_NS + number)
        for span in trace.spans:
            span.input = "x" * 1000
        store.end(trace)
    store._call(lambda found: found.execute("INSERT INTO destinations VALUES (1, 'langfuse', 'host', 'pk')"))
    for number in (1, 2, 3):
        store._call(
            lambda found, number=number: found.execute(
                "INSERT INTO outbox (destination, trace, span_id) "
                "SELECT 1, number, '' FROM traces WHERE name = ?",
                (f"Flow {number}",),
            )
        )

    assert store.prune() == 3
    assert [trace.name for trace in store.traces()] == ["Flow 3", "Flow 2", "Flow 1"]
    store.max_bytes = 140_000
    assert store.prune() == 1
    assert [trace.name for trace in store.traces()] == ["Flow 3", "Flow 2"]
    count = store._call(lambda found: found.execute("SELECT name, value FROM counters").fetchall())
    assert count == [("pruned_undelivered", 1)]


def test_a_long_reader_does_not_make_pruning_delete_everything(store: Store, path: Path) -> None:
    """While somebody reads, the log cannot shrink; only what the traces take counts then."""
    for number in range(10):
        store.end(made_trace(number, spans=50))
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM spans").fetchone()
    store.max_bytes = 300_000
    store.prune()
    reader.close()

    assert len(store.traces()) >= 5


# The file


def test_only_the_owner_can_read_the_store_whatever_the_umask(path: Path) -> None:
    """Folder 0700, file and companions 0600, with the loosest umask and with a useless one."""
    for umask in (0o000, 0o777):
        place = path.parent / f"{umask:o}" / "traces.db"
        before = os.umask(umask)
        try:
            os.makedirs(path.parent, mode=0o700, exist_ok=True)
            if umask == 0o777:
                os.umask(0o022)
                os.makedirs(place.parent, mode=0o700)
                os.umask(umask)
            store = Store(place)
            store.end(made_trace(1))
        finally:
            os.umask(before)
        modes = {
            name: stat.S_IMODE((place.parent / name).stat().st_mode) for name in os.listdir(place.parent)
        }
        store.close()
        assert modes == {"traces.db": 0o600, "traces.db-wal": 0o600, "traces.db-shm": 0o600}
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


def test_the_store_is_private_from_its_first_byte(path: Path) -> None:
    """The mode is given when the file is made, not set afterwards."""
    made: list[tuple[str, int]] = []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "sqlite3.connect" and watching:
            made.append((os.fsdecode(arguments[0]), stat.S_IMODE(os.stat(path).st_mode)))

    watching = True
    sys.addaudithook(audit)
    before = os.umask(0)
    try:
        kept(path, made_trace(1))
    finally:
        os.umask(before)
        watching = False
    assert made[0] == (str(path), 0o600)


def test_rights_that_others_got_are_taken_away(path: Path) -> None:
    """A store that was made readable for all is private again when it is opened."""
    kept(path, made_trace(1))
    path.chmod(0o644)
    kept(path, made_trace(2))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_that_another_user_made_is_refused(path: Path, tmp_path: Path) -> None:
    """In a folder that others can write to, a planted link leads nowhere; one's own link works."""
    target = tmp_path / "target.db"
    kept(target, made_trace(1))
    path.parent.mkdir()
    path.symlink_to(target)
    store = Store(path)
    assert len(store.traces()) == 1
    store.close()

    if os.geteuid() != 0:
        pytest.skip("only root can make a link of another user")
    os.chown(path, 12345, 12345, follow_symlinks=False)
    with pytest.raises(StoreError, match="is a link that another user made"):
        store.traces()


def test_a_link_that_leads_nowhere_is_refused(path: Path, tmp_path: Path) -> None:
    """Nothing is created through a link."""
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=f"the trace store {path} cannot be used: No such file"):
        Store(path).begin(made_trace(1))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_file_of_another_user_is_refused() -> None:
    """A file that somebody put where the store should be is neither read nor written."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = Path(folder) / "traces.db"
        kept(path, made_trace(1))
        path.chmod(0o666)
        out, _ = run_child(OTHER_USER, path)
    assert out == f"the trace store {path} belongs to another user; name another file\n"


OTHER_USER = """
import os, sys
from pocketflow_tracing.errors import StoreError
from pocketflow_tracing.store import Store
import sqlite3, json, platform
os.setuid(12345)
try:
    Store(sys.argv[1]).traces()
except StoreError as failure:
    print(failure)
"""


def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    """What is no file is named as such."""
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match=f"the trace store {path} is not a file"):
        Store(path).begin(made_trace(1))


def test_a_path_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The message names the file and the reason."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "sub" / "traces.db"
    with pytest.raises(StoreError, match=f"the trace store {path} cannot be used: Not a directory"):
        Store(path).begin(made_trace(1))


def test_a_store_that_was_deleted_or_replaced_is_begun_anew(store: Store, path: Path, tmp_path: Path) -> None:
    """Writing goes on under the path, not into a file without a name."""
    store.end(made_trace(1))
    for companion in ("", "-wal", "-shm"):
        os.unlink(f"{path}{companion}")
    store.end(made_trace(2))
    assert [trace.name for trace in store.traces()] == ["Flow 2"]

    other = tmp_path / "other.db"
    kept(other, made_trace(3))
    store.close()
    store.traces()
    os.replace(other, path)
    assert [trace.name for trace in store.traces()] == ["Flow 3"]


def test_importing_the_store_imports_no_sqlite() -> None:
    """SQLite is loaded when a store is opened."""
    program = "import sys, pocketflow_tracing.store; print('sqlite3' in sys.modules)"
    assert run_child(program) == ("False\n", "")


# Versions


VERSION_1 = Path(__file__).parent / "store_version_1.sql"
"""The dump of a file as the first version made it; never to be changed."""


def unpacked(path: Path) -> Path:
    """The file of version 1, at `path`."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()
    return path


def test_a_file_of_the_first_version_is_read_and_written(path: Path) -> None:
    """Files of version 1 are out there and go on working."""
    store = Store(unpacked(path))
    trace = store.last()
    assert trace is not None
    assert (trace.name, trace.status, trace.tags, len(trace.spans)) == ("Flow 1", Status.OK, ["nightly"], 2)
    assert trace.spans[1].output == [1, None, True, 1.5, "text"]
    store.end(made_trace(2))
    assert [trace.name for trace in store.traces()] == ["Flow 2", "Flow 1"]
    assert store._call(schema.version_of) == len(schema.MIGRATIONS)
    store.close()


def test_a_store_of_an_older_version_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file becomes one of the next version when it is opened, keeping what it holds."""
    step = "ALTER TABLE traces ADD COLUMN price REAL;\nCREATE INDEX by_price ON traces (price);"
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, step])

    store = Store(unpacked(path))
    assert [trace.name for trace in store.traces()] == ["Flow 1"]
    assert store._call(schema.version_of) == len(schema.MIGRATIONS)
    assert store._call(lambda found: found.execute("SELECT price FROM traces").fetchall()) == [(None,)]
    store.end(made_trace(2))
    assert len(store.traces()) == 2
    store.close()


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is taken whole or not at all."""
    kept(path, made_trace(1))
    with monkeypatch.context() as patch:
        patch.setattr(
            schema, "MIGRATIONS", [*schema.MIGRATIONS, "CREATE TABLE new (a);\nCREATE TABLE new (b);"]
        )
        with pytest.raises(StoreError, match="table new already exists"):
            Store(path).traces()

    store = Store(path)
    assert len(store.traces()) == 1
    assert store._call(schema.version_of) == 1
    store.close()


def test_a_store_of_a_newer_version_is_left_untouched(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to do; the file stays byte for byte the same."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, "CREATE TABLE future (a);"])
        kept(path, made_trace(1))
    before = path.read_bytes()

    store = Store(path)
    for act in (store.traces, lambda: store.end(made_trace(2)), store.delete_all):
        with pytest.raises(
            StoreError, match=r"written by a newer version .* \(schema 2; this one knows 1\): upgrade"
        ):
            act()
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_left_untouched(path: Path) -> None:
    """A path that leads to some application's database harms nothing."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (name)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match=f"{path} is a database of another program"):
        Store(path).end(made_trace(1))
    assert path.read_bytes() == before


# Trouble


def test_a_damaged_file_is_told_and_moved_aside_only_when_asked(path: Path) -> None:
    """A reader says what is wrong; a writer may rename the file and begin a new one."""
    path.parent.mkdir()
    path.write_bytes(b"garbage " * 1000)
    store = Store(path)
    with pytest.raises(StoreDamaged, match=f"the trace store {path} is damaged: file is not a database"):
        store.traces()
    assert path.read_bytes() == b"garbage " * 1000

    aside = store.move_aside()
    assert aside is not None and aside.read_bytes() == b"garbage " * 1000
    assert aside.name.startswith("traces.db.corrupt-2")
    store.end(made_trace(1))
    assert len(store.traces()) == 1
    store.close()


def test_only_the_file_that_was_found_damaged_is_moved(path: Path) -> None:
    """Where another process was faster, its new store stays."""
    path.parent.mkdir()
    path.write_bytes(b"garbage " * 1000)
    slow, fast = Store(path), Store(path)
    for store in (slow, fast):
        with pytest.raises(StoreDamaged):
            store.traces()
    assert fast.move_aside() is not None
    fast.end(made_trace(1))

    assert slow.move_aside() is None
    assert len(slow.traces()) == 1
    slow.close()
    fast.close()


def test_a_file_that_never_was_a_store_is_not_moved(tmp_path: Path) -> None:
    """A wrong path in the settings does not rename the user's notes."""
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 100)
    store = Store(path)
    with pytest.raises(StoreDamaged):
        store.traces()
    with pytest.raises(StoreError, match="is not a trace store and was left alone"):
        store.move_aside()
    assert path.read_text() == "remember the milk\n" * 100


def test_a_lock_held_by_another_process_is_told_as_such(path: Path) -> None:
    """After a short wait the error says that the file is locked; then everything works again."""
    kept(path, made_trace(1))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store = Store(path, patience=0.1)
    assert len(store.traces()) == 1
    with pytest.raises(StoreLocked, match=f"the trace store {path} is locked by another process"):
        store.end(made_trace(2))
    holder.close()
    store.end(made_trace(2))
    assert len(store.traces()) == 2
    store.close()


def test_a_full_store_takes_all_of_a_batch_or_nothing(store: Store) -> None:
    """When there is no room, what was there before stays readable."""
    store.end(made_trace(1))
    store.limit(1)
    big = made_trace(2, spans=2000)
    with pytest.raises(StoreError, match="cannot be used: database or disk is full"):
        store.end(big)
    assert [trace.name for trace in store.traces()] == ["Flow 1"]


# Many writers

WRITER = """
import sys
sys.path.insert(0, sys.argv[3])
from store_support import made_trace
from pocketflow_tracing.store import Store
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    trace = made_trace(int(sys.argv[2]) * 100 + number, spans=40)
    store.begin(trace)
    for span in trace.spans:
        store.write([span])
    store.end(trace)
store.close()
"""


def test_eight_processes_write_at_once_and_nothing_is_lost(path: Path) -> None:
    """Processes that begin with no file at all make one together and fill it together."""
    folder = os.path.dirname(__file__)
    children = [start_child(WRITER, path, number, folder) for number in range(1, 9)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    ended = [(*child.communicate(timeout=120), child.returncode) for child in children]
    assert ended == [("", "", 0)] * 8, "\n".join(err for _, err, _ in ended)

    store = Store(path)
    traces = store.traces(limit=1000)
    assert len(traces) == 8 * 15
    assert all(len(store.load(trace.id).spans) == 40 for trace in traces)
    assert store._call(lambda found: found.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
    store.close()


def test_threads_share_one_store(store: Store) -> None:
    """Calls from several threads take turns."""
    failures: list[BaseException] = []

    def write(first: int) -> None:
        try:
            for number in range(first, first + 20):
                store.end(made_trace(number))
                store.traces(limit=3)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.traces(limit=1000)) == 60


# Writers that are gone

RUNNING = """
import sys
sys.path.insert(0, sys.argv[2])
from store_support import made_trace
from pocketflow_tracing.store import Store
store = Store(sys.argv[1])
trace = made_trace(7, spans=3, ended=False)
store.begin(trace)
store.write(trace.spans)
print("written", flush=True)
sys.stdin.readline()
"""


def test_a_trace_is_interrupted_when_its_writer_was_killed(store: Store, path: Path) -> None:
    """While the process lives its trace runs; when it is killed, trace and open spans are interrupted."""
    child = start_child(RUNNING, path, os.path.dirname(__file__))
    assert child.stdout is not None and child.stdout.readline() == "written\n"
    running = store.load(f"{7:032x}")
    assert (running.status, running.complete, running.end_ns) == (Status.UNSET, True, None)
    assert [span.status for span in running.spans] == [Status.UNSET, Status.OK, Status.OK]

    child.kill()
    until(lambda: store.load(f"{7:032x}").status is Status.INTERRUPTED)  # also before it was waited for
    child.communicate()
    killed = store.load(f"{7:032x}")
    assert (killed.status, killed.complete, killed.end_ns) == (Status.INTERRUPTED, False, None)
    assert [span.status for span in killed.spans] == [Status.INTERRUPTED, Status.OK, Status.OK]
    assert [trace.status for trace in store.traces()] == [Status.INTERRUPTED]


def test_a_writer_is_told_from_another_process_with_its_pid() -> None:
    """The start time tells whether a pid was given out again."""
    me = Writer.this_process()
    assert not me.is_gone(0)
    assert me._replace(started=me.started - 1).is_gone(0)
    assert me._replace(pid=2**22 + 5).is_gone(0)


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"boot": "before"}, {"boot": ""}])
def test_a_writer_out_of_sight_is_gone_after_a_minute_of_silence(change: dict[str, str]) -> None:
    """On another host, in another container or before a reboot, the last sign of life counts."""
    writer = Writer.this_process()._replace(**change)
    now = time.time_ns()
    assert not writer.is_gone(now)
    assert writer.is_gone(now - SILENCE_NS * 2)


# Forks

FORKING = """
import os, sys, sqlite3
sys.path.insert(0, sys.argv[2])
from store_support import made_trace
from pocketflow_tracing.store import Store
store = Store(sys.argv[1])
store.end(made_trace(1))
for number in range(2, 12):
    child = os.fork()
    if child == 0:
        store.end(made_trace(number))
        store.close()
        os._exit(0)
    store.end(made_trace(number + 100))
    assert os.waitpid(child, 0)[1] == 0
assert store._call(lambda found: found.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
print(len(store.traces(limit=100)))
"""


def test_an_open_store_survives_forks_on_both_sides(path: Path) -> None:
    """Parent and child both go on writing after a fork, each with its own connection."""
    assert run_child(FORKING, path, os.path.dirname(__file__)) == ("21\n", "")


def test_a_span_of_a_lost_parent_is_still_read(store: Store) -> None:
    """Rows stand for themselves: a span whose parent was never written is there."""
    trace = made_trace(1, spans=0)
    store.begin(trace)
    lonely = Span(trace.id, "0f" * 8, "0e" * 8, "Node", SpanKind.NODE, trace.start_ns)
    store.write([lonely])
    assert store.load(trace.id).spans == [lonely]
