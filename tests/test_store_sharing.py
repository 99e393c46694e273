"""The local store shared: by processes, by threads, by forks, by writers that are gone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_support import made_trace, run_child, start_child, until

from pocketflow_tracing.model import (
    Span,
    SpanKind,
    Status,
    Trace,
)
from pocketflow_tracing.store import Store, pruning
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
def test_a_writer_out_of_sight_is_gone_after_a_minute_of_silence(change: dict[str, Any]) -> None:
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
