"""A store that is opened for reading only."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from store_support import made_trace

from pocketflow_tracing.errors import StoreError
from pocketflow_tracing.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one trace."""
    path = tmp_path / "a folder" / "traces?.db"
    with contextlib.closing(Store(path)) as store:
        store.end(made_trace(1))
    return path


def test_a_store_opened_for_reading_never_writes(path: Path) -> None:
    """What is there can be read while others write; SQLite itself refuses to change it."""
    with contextlib.closing(Store(path, read_only=True)) as reader, contextlib.closing(Store(path)) as writer:
        assert [trace.name for trace in reader.traces()] == ["Flow 1"]
        writer.end(made_trace(2))
        assert [trace.name for trace in reader.traces()] == ["Flow 2", "Flow 1"]
        with pytest.raises(StoreError, match="readonly"):
            reader.delete_all()
        with pytest.raises(StoreError, match="readonly"):
            reader.end(made_trace(3))


def test_a_store_opened_for_reading_is_not_made(tmp_path: Path) -> None:
    """Where there is no file, there are no traces, and no file afterwards."""
    assert Store(tmp_path / "none.db", read_only=True).traces() == []
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_being_made_holds_nothing_yet(tmp_path: Path) -> None:
    """Its file is there a moment before its tables."""
    (tmp_path / "traces.db").touch(0o600)

    with contextlib.closing(Store(tmp_path / "traces.db", read_only=True)) as reader:
        assert reader.traces() == []


def test_a_store_opened_for_reading_leaves_an_older_file_as_it_is(path: Path) -> None:
    """It is not migrated; the error says what would do it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")

    with pytest.raises(StoreError, match=r"older version of .*: pocketflow-tracing list"):
        Store(path, read_only=True).traces()
