"""Running the command line as a user does: in a child process."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from click.testing import Result
from view_support import MS, TraceBuilder

from pocketflow_tracing.model import Trace
from pocketflow_tracing.store import Store

Command = Callable[..., Result]
"""Runs a command in this process; given as a fixture."""

DAY_NS = 24 * 3600 * 1_000_000_000
DEADLINE = 60
OURS = [sys.executable, "-m", "pocketflow_tracing"]


FLOW = """
from pocketflow import Flow, Node

class Greet(Node):
    def exec(self, prep_res):
        return "hello"

    def post(self, shared, prep_res, exec_res):
        shared["greeting"] = exec_res

class Welcome(Flow):
    pass

def run():
    Welcome(start=Greet()).run({"name": "Ada"})
"""


def child(
    command: Sequence[str],
    folder: Path,
    *,
    stdin: str = "",
    environment: dict[str, str] | None = None,
    deadline: float = DEADLINE,
) -> subprocess.CompletedProcess[str]:
    """What a command printed and how it ended, run in `folder` with these variables added."""
    return subprocess.run(
        command,
        cwd=folder,
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=deadline,
    )


def tracing_cli(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`pocketflow-tracing` with these arguments."""
    return child([*OURS, *arguments], folder, environment=environment)


def written(folder: Path, files: dict[str, str]) -> Path:
    """The folder, with these files in it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def keep(store: Store, build: TraceBuilder, id: str, age_days: float = 0, **given: object) -> Trace:
    """A trace in the store under this id, begun so long ago."""
    trace = build.trace(**given)
    shift = time.time_ns() - int(age_days * DAY_NS)
    trace.id = trace.trace_id = id.ljust(32, "0")
    trace.start_ns, trace.end_ns = shift, shift + 12 * MS
    for span in trace.spans:
        span.trace_id = trace.id
        span.start_ns += shift
        span.end_ns = None if span.end_ns is None else span.end_ns + shift
    store.begin(trace)
    store.end(trace)
    return trace


def environment_of(folder: Path) -> dict[str, str]:
    """The variables that make the store of the test."""
    return {"POCKETFLOW_TRACING_STORE": str(folder / "traces.db")}


@contextmanager
def on_terminal(
    command: Sequence[str], folder: Path, *, environment: dict[str, str], stdout: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    """A command whose stderr, and stdout unless given, is a terminal; ended when the block is left."""
    main, side = pty.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **environment}
    process = subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.PIPE,
        stdout=side if stdout is None else stdout, stderr=side,
    )  # fmt: skip
    os.close(side)
    with open(main, "rb", buffering=0) as file, process:
        try:
            yield process, Terminal(file)
        finally:
            process.kill()


class Terminal:
    """What is written to a terminal."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.shown = b""

    def until(self, text: str = "") -> str:
        """Everything so far, as soon as `text` is in it; without one, when its last writer is gone."""
        deadline = time.monotonic() + DEADLINE
        while not (text and text.encode() in self.shown):
            if not select.select([self._file], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{text!r} was not shown: {self.shown.decode()}")
            try:
                self.shown += self._file.read(65_536)
            except OSError:  # EIO: nobody has it open any more
                break
        return self.shown.decode()
