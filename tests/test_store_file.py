"""The file of the local store: private, of one version, sound or moved aside."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_support import in_read_only, made_trace, run_child

from pocketflow_tracing.errors import StoreError
from pocketflow_tracing.model import (
    Status,
    Trace,
)
from pocketflow_tracing.store import Store, StoreDamaged, StoreLocked, pruning, schema

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

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
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


READER = """
import sys
from pocketflow_tracing.errors import StoreError
from pocketflow_tracing.store import Store
store = Store(sys.argv[1])
print([trace.name for trace in store.traces()])
try:
    store.delete_all()
except StoreError as failure:
    print(failure)
"""


def test_a_store_that_nobody_can_write_to_is_read(path: Path) -> None:
    """On a file system that is mounted read-only, traces are shown all the same."""
    kept(path, made_trace(1))
    done = subprocess.run(
        [*in_read_only(path.parent), sys.executable, "-c", READER, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "['Flow 1']",
        f"the trace store {path} cannot be used: attempt to write a readonly database",
    ]


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


def test_sqlite_comes_with_the_first_store() -> None:
    """Neither the package nor the worker loads SQLite before there is something to keep."""
    program = "import sys, pocketflow_tracing.delivery; print('sqlite3' in sys.modules)"
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
    assert store._call(schema.version_of) == len(schema.MIGRATIONS)
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
            StoreError, match=r"written by a newer version .* \(schema 5; this one knows 4\): upgrade"
        ):
            act()
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_left_untouched(path: Path) -> None:
    """A path that leads to some application's database harms nothing."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (name)")
    connection.close()
    path.chmod(0o664)
    before = path.read_bytes()

    with pytest.raises(StoreError, match=f"{path} is a database of another program"):
        Store(path).end(made_trace(1))
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_a_file_that_is_no_database_stays_as_it_is(path: Path) -> None:
    """Its rights too, also where a command only looks."""
    path.parent.mkdir()
    path.write_text("remember the milk")
    path.chmod(0o644)

    for act in (lambda store: store.end(made_trace(1)), lambda store: list(store.traces())):
        with pytest.raises(StoreError):
            act(Store(path))
    assert path.read_text() == "remember the milk"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


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
