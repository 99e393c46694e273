"""Traces made by hand, child processes, and a wait that ends: what the store's and worker's tests share."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pocketflow_tracing.model import Span, SpanKind, Status, Trace

DEADLINE_SECONDS = 60.0
_BEGAN = time.time_ns()
_children: list[subprocess.Popen[str]] = []


def made_trace(number: int, spans: int = 2, *, ended: bool = True, start_ns: int | None = None) -> Trace:
    """A trace with the id `number` and spans in start order; the root is open where it has not `ended`."""
    id = f"{number:032x}"
    start = _BEGAN + number * 1_000_000 if start_ns is None else start_ns
    trace = Trace(
        id=id,
        trace_id=id,
        name=f"Flow {number}",
        start_ns=start,
        end_ns=start + 1_000 if ended else None,
        status=Status.OK if ended else Status.UNSET,
        input={"shared": {"question": "why?"}},
        output={"result": "done"} if ended else None,
        session_id="session",
        tags=["nightly"],
        metadata={"run": number},
        span_count=spans,
    )
    trace.spans = [made_span(trace, seq) for seq in range(spans)]
    if spans and not ended:
        trace.spans[0].end_ns, trace.spans[0].status = None, Status.UNSET
    return trace


def made_span(trace: Trace, seq: int) -> Span:
    """The span number `seq` of a trace; the first is the root."""
    return Span(
        trace_id=trace.id,
        span_id=f"{seq + 1:016x}",
        parent_id=None if seq == 0 else f"{1:016x}",
        name="Flow" if seq == 0 else f"Node{seq}",
        kind=SpanKind.FLOW if seq == 0 else SpanKind.NODE,
        start_ns=trace.start_ns + seq,
        end_ns=trace.start_ns + 500 + seq,
        status=Status.OK,
        input={"shared": {"seq": seq}},
        output=[seq, None, True, 1.5, "text"],
        attributes={"visit": 1, "action": "next"},
        seq=seq,
    )


def until(condition: Callable[[], object], what: str = "what the test waits for") -> None:
    """Wait until `condition` holds; fails after a while."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = 0.001
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def start_child(program: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process that runs `program` and can be talked to by lines; it never outlives its test."""
    child = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its own children can be ended with it
    )
    _children.append(child)
    return child


def end_children() -> None:
    """Kill the children that still run, and whatever they started; close the pipes to them."""
    for child in _children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
    _children.clear()


def run_child(program: str, *arguments: object, status: int = 0) -> tuple[str, str]:
    """What a Python process that runs `program` prints on stdout and stderr; it must end with `status`."""
    child = start_child(program, *arguments)
    out, err = child.communicate(timeout=60)
    assert child.returncode == status, f"status {child.returncode}\n{out}\n{err}"
    return out, err


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
connection.close()
"""


def locked_by_another(path: Path) -> subprocess.Popen[str]:
    """A process that holds the store at `path` for itself until it is given a line."""
    child = start_child(LOCKER, path)
    assert child.stdout is not None and child.stdout.readline() == "locked\n"
    return child


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def in_read_only(folder: Path) -> list[str]:
    """What to put before a command to run it where nothing can be written to `folder`, not even by root."""
    command = ["unshare", "-m", "sh", "-c", READ_ONLY, str(folder)]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        import pytest  # its children import this module, and need no pytest

        pytest.skip("only root can mount")
    return command
