"""How the benchmarks measure, and the Markdown they print."""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketflow_tracing import flush

Rows = list[tuple[str, str]]
"""The rows of a table: what was measured, and the figure with its unit."""


@dataclass
class Times:
    """What one run took, in seconds of processor time."""

    own: float
    """Of the program's own thread."""
    all: float
    """Of the process, until everything that was traced is written."""


def timed(run: Callable[[], object]) -> Times:
    """What `run` takes, by both clocks; nothing of earlier runs is left to do meanwhile."""
    flush()
    gc.collect()
    all_before, own_before = time.process_time(), time.thread_time()
    run()
    own = time.thread_time() - own_before
    flush()
    return Times(own, time.process_time() - all_before)


def own_time(run: Callable[[], object]) -> float:
    """Seconds of processor time that `run` takes of this thread."""
    gc.collect()
    before = time.thread_time()
    run()
    return time.thread_time() - before


def median(values: Iterable[float]) -> float:
    """The median of `values`."""
    return statistics.median(values)


def us(seconds: float) -> str:
    """Seconds as a figure in microseconds."""
    return f"{seconds * 1e6:,.1f} µs"


def ms(seconds: float) -> str:
    """Seconds as a figure in milliseconds."""
    return f"{seconds * 1e3:,.1f} ms"


def times(ratio: float) -> str:
    """A ratio as a figure."""
    return f"{ratio:.2f}x" if ratio < 9.95 else f"{ratio:.1f}x"


def mib(size: float) -> str:
    """Bytes as a figure in MiB."""
    return f"{size / 2**20:,.1f} MiB"


def child(script: str, *arguments: object) -> Any:
    """What another script of this folder prints, as JSON, in a fresh process."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def show(title: str, rows: Rows) -> None:
    """Print a table, headed by the version of Python that was measured."""
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"\n### {title}\n\n| | {version} |\n|---|---:|")
    for label, figure in rows:
        print(f"| {label} | {figure} |", flush=True)
