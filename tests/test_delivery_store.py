"""The worker when the store is in trouble."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from live_support import (
    Run,
    config,
    stored,
    traced,
    warnings,
)
from store_support import locked_by_another, made_trace, until

from pocketflow_tracing.config import TracingConfig
from pocketflow_tracing.delivery import Delivery, keeper, worker
from pocketflow_tracing.model import Status
from pocketflow_tracing.store import Store, schema


def test_a_store_that_cannot_be_made_is_told_once_and_memory_serves(
    delivery: Delivery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The program's own views still show its traces."""
    (tmp_path / "file").write_text("")
    settings = config(tmp_path / "file" / "traces.db")
    ids = [traced(delivery, settings) for _ in range(3)]

    assert delivery.flush() == 6
    assert [trace.id for trace in delivery.load(ids, settings)] == ids
    assert [len(trace.spans) for trace in delivery.load(ids, settings)] == [2, 2, 2]
    assert warnings(caplog) == [
        f"[TRACING] the trace store {settings.store} cannot be used: Not a directory; "
        "traces stay in memory while this lasts"
    ]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that nobody can write to")
def test_a_read_only_folder_is_told_once(delivery: Delivery, caplog: pytest.LogCaptureFixture) -> None:
    """/proc is read-only even for root."""
    settings = config(Path("/proc/self/traces.db"))
    id = traced(delivery, settings)
    assert delivery.flush() == 2
    assert [trace.id for trace in delivery.load([id], settings)] == [id]
    assert len(warnings(caplog)) == 1
    assert "/proc/self/traces.db cannot be used: " in warnings(caplog)[0]


def test_what_waited_in_memory_is_written_when_the_trouble_is_over(
    delivery: Delivery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that began in memory ends in the file, whole."""
    place = tmp_path / "place"
    place.write_text("in the way")
    settings = config(place / "traces.db")
    early = traced(delivery, settings)
    run = Run(delivery, settings, value="question")
    run.step("First", 1)
    assert delivery.flush() > 0
    place.unlink()
    run.step("Second", 2)
    run.finish()

    assert delivery.flush() == 0
    first, late = stored(place / "traces.db")
    assert first.id == early
    assert [span.name for span in late.spans] == ["Flow", "First", "Second"]
    assert (late.input, late.status, late.complete) == ("question", Status.OK, True)
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("damage", ["header", "everything", "schema"])
def test_a_damaged_store_is_moved_aside_and_a_new_one_started(
    delivery: Delivery, settings: TracingConfig, path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """One line names the old file; the trace is in the new one."""
    store = Store(path)
    for number in range(50):
        store.end(made_trace(number, spans=20))
    store.close()
    content = bytearray(path.read_bytes())
    spoiled = {"header": slice(0, 100), "everything": slice(0, len(content)), "schema": slice(100, 4096)}[
        damage
    ]
    content[spoiled] = b"\xa5" * len(content[spoiled])
    path.write_bytes(content)

    id = traced(delivery, settings)
    assert delivery.flush() == 0
    assert [trace.id for trace in stored(path)] == [id]
    [aside] = path.parent.glob("traces.db.corrupt-*[0-9]")
    assert aside.read_bytes() == content
    [line] = warnings(caplog)
    assert line.startswith(f"[TRACING] the trace store {path} is damaged: ")
    assert line.endswith(f"; it was moved to {aside} and a new one started")


def test_a_store_damaged_during_a_run_is_replaced_and_the_run_goes_on_in_the_new_one(
    delivery: Delivery, settings: TracingConfig, path: Path
) -> None:
    """The new file has the run's header, its open spans and all that ends from then on."""
    run = Run(delivery, settings, value="question")
    run.step("Before", 1)
    delivery.flush()
    # While the worker is held up: it would not look again at pages that it had just read or written.
    with delivery._worker.lock:
        store = Store(path)
        for number in range(50):
            store.end(made_trace(number, spans=20))
        store.close()
        for name in (f"{path}-wal", str(path)):
            length = os.stat(name).st_size
            with open(name, "r+b") as file:
                file.write(b"\xa5" * length)
    long = run.start("Long")
    run.step("After", 2)
    until(lambda: list(path.parent.glob("traces.db.corrupt-*")))
    run.end(long)
    run.finish()
    assert delivery.flush() == 0

    [trace] = stored(path)
    assert (trace.id, trace.input, trace.status) == (run.id, "question", Status.OK)
    assert {span.name for span in trace.spans} >= {"Flow", "Long", "After"}


def test_a_store_of_a_newer_version_stays_untouched_and_memory_serves(
    delivery: Delivery,
    settings: TracingConfig,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line says to upgrade; the file keeps its bytes."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, "CREATE TABLE future (a);"])
        store = Store(path)
        store.end(made_trace(1))
        store.close()
    before = path.read_bytes()
    id = traced(delivery, settings)

    assert delivery.flush() == 2
    assert [trace.id for trace in delivery.load([id], settings)] == [id]
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*corrupt*"))
    [line] = warnings(caplog)
    assert "was written by a newer version" in line and "upgrade" in line


def test_a_locked_store_is_written_when_the_lock_is_gone(
    delivery: Delivery,
    settings: TracingConfig,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While another process holds the file, memory does; one line, and nothing is lost."""
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(keeper, "LOCKED_TOLD_SECONDS", 0.2)
    store = Store(path)
    store.end(made_trace(1))
    store.close()
    locker = locked_by_another(path)
    ids = [traced(delivery, settings) for _ in range(3)]
    until(lambda: warnings(caplog))
    ids.append(traced(delivery, settings))
    assert delivery.flush() == 8
    assert [trace.id for trace in delivery.load(ids, settings)] == ids

    locker.communicate("go\n")
    until(lambda: len(stored(path)) == 5, "the worker's return to the file")  # without being asked
    assert delivery.flush() == 0
    assert {trace.id for trace in stored(path)} == {f"{1:032x}", *ids}
    assert warnings(caplog) == [
        f"[TRACING] the trace store {path} is locked by another process; "
        "traces stay in memory while this lasts"
    ]


def test_memory_that_stands_in_for_the_store_is_bounded(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest ended runs go; a run too big for it counts what it loses."""
    monkeypatch.setattr(keeper, "MEMORY_BYTES", 1_000_000)
    (tmp_path / "file").write_text("")
    settings = config(tmp_path / "file" / "traces.db")
    ids = []
    for _ in range(40):
        run = Run(delivery, settings)
        for _ in range(10):
            run.step("Node", "x" * 3000)
        ids.append(run.finish())
        delivery.flush()
    kept = [trace.id for trace in delivery.load(ids, settings)]
    assert 0 < len(kept) < 40
    assert kept == ids[-len(kept) :]

    run = Run(delivery, settings)
    for _ in range(50):
        for _ in range(10):
            run.step("Node", "x" * 3000)
        delivery.flush()
    run.finish()
    delivery.flush()
    [trace] = delivery.load([run.id], settings)
    assert not trace.complete
    assert trace.dropped_spans > 0
    ended = [span for span in trace.spans if span.end_ns is not None]  # an end may be lost, too
    assert trace.dropped_spans + len(ended) == 501


def test_a_deleted_store_is_made_again(delivery: Delivery, settings: TracingConfig, path: Path) -> None:
    """A run whose file was deleted under it goes on in a new one, with its header and open spans."""
    run = Run(delivery, settings, value="question")
    run.step("Before")
    delivery.flush()
    for companion in ("", "-wal", "-shm"):
        os.unlink(f"{path}{companion}")
    run.step("After")
    run.finish()
    assert delivery.flush() == 0
    [trace] = stored(path)
    assert (trace.input, trace.status) == ("question", Status.OK)
    assert {span.name for span in trace.spans} == {"Flow", "After"}


def test_old_traces_are_pruned_in_the_background(delivery: Delivery, path: Path) -> None:
    """What is too old goes some time after a run, without being asked."""
    store = Store(path)
    now = made_trace(0).start_ns
    store.end(made_trace(1, start_ns=now - 10 * 24 * 3600 * 10**9))
    id = traced(delivery, config(path, store_max_days=5))
    until(lambda: [trace.id for trace in store.traces()] == [id])
    store.close()


def test_a_living_process_renews_its_sign_of_life(
    delivery: Delivery, settings: TracingConfig, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a run goes on with nothing to write, readers on other hosts see that it lives."""
    monkeypatch.setattr(worker, "RENEW_SECONDS", 0.1)
    run = Run(delivery, settings)
    until(lambda: path.exists() and len(stored(path)) == 1)

    def renewed() -> int:
        connection = sqlite3.connect(path)
        try:
            return int(connection.execute("SELECT max(renewed_ns) FROM writers").fetchone()[0])
        finally:
            connection.close()

    first = renewed()
    until(lambda: renewed() > first + 10**8)
    run.finish()
