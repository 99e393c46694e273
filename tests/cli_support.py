"""Running the command line as a user does: in a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
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


def child(
    command: Sequence[str],
    folder: Path,
    *,
    stdin: str = "",
    environment: dict[str, str] | None = None,
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
        timeout=DEADLINE,
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
