"""One trace of very many steps, and a program that is faster than the worker; each in its own process."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import sys
import tempfile
import time
from array import array
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Rows, child, median, mib, ms, times, us
from programs import RING, Ticket, ring, ticket_store

from pocketflow_tracing import Sink, Trace, TracingConfig, flush, tracing
from pocketflow_tracing.store import Store

LOOK_EVERY = 20
CATCH_UP_EVERY = 100
"""How many turns of the ring a paced run goes on before it waits for the worker."""
MIB = 2**20
FLUSH_SECONDS = 300


class Meter:
    """Watches a run from inside: times, and how much memory there is in use."""

    def __init__(self, steps: int, *, paced: bool) -> None:
        self._count = steps // RING
        self._turn = 0
        self._paced = paced
        self._waited = Clock(0.0, 0.0)
        self._last = time.perf_counter()
        self.turns = array("d", [0.0] * self._count)
        """Seconds of the wall clock for each turn of the ring; no objects, since those are counted."""
        self.tenths = [now()]
        """When each tenth of the run ended; waiting for the worker does not count."""
        self.blocks: list[int] = []
        """Objects in memory (blocks of CPython's allocator) at a fifth of the run, and at its end."""
        self.start_size = self.peak_size = resident_size()

    def turned(self) -> None:
        """Ten more steps are done."""
        self.turns[self._turn] = time.perf_counter() - self._last
        self._turn += 1
        if self._turn % LOOK_EVERY == 0:
            self.peak_size = max(self.peak_size, resident_size())
        if self._turn % (self._count // 10) == 0:
            self.tenths.append(now() - self._waited)
        if self._paced and self._turn % CATCH_UP_EVERY == 0:
            self._catch_up()
        self._last = time.perf_counter()

    def _catch_up(self) -> None:
        started = now()
        flush(FLUSH_SECONDS)
        if self._turn in (self._count // 5, self._count):
            gc.collect()
            self.blocks.append(sys.getallocatedblocks())
        self._waited += now() - started

    def step_times(self, steps: int) -> list[float]:
        """Seconds of this thread's processor time for a step, in each tenth of the run."""
        pairs = zip(self.tenths, self.tenths[1:], strict=False)
        return [(after - before).own * 10 / steps for before, after in pairs]


@dataclass(frozen=True)
class Clock:
    """Seconds of this thread's processor time, and of the wall clock."""

    own: float
    wall: float

    def __sub__(self, other: Clock) -> Clock:
        return Clock(self.own - other.own, self.wall - other.wall)

    def __add__(self, other: Clock) -> Clock:
        return Clock(self.own + other.own, self.wall + other.wall)


def now() -> Clock:
    """Both clocks."""
    return Clock(time.thread_time(), time.perf_counter())


class Counting(Sink):
    """Keeps nothing but the header of the trace."""

    header: Trace

    def trace_ended(self, trace: Trace) -> None:
        self.header = trace


def resident_size() -> int:
    """Bytes of memory that this process uses now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def long_run(steps: int, where: str, queue_mib: float, *, paced: bool) -> dict[str, Any]:
    """One run of so many steps that change a ticket, into a store or a sink.

    A paced one waits for the worker now and then, as a program does that waits for its models.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.db"
        config = TracingConfig(store=path, max_queue_bytes=int(queue_mib * MIB))
        sink = Counting()
        with tracing(config, sinks=[sink] if where == "sink" else None):
            ring(Ticket, RING * 10).run(ticket_store())
            flush()
            meter = Meter(steps, paced=paced)
            started, work = now(), time.process_time()
            ring(Ticket, steps, each_turn=meter.turned).run(ticket_store())
            ended = now()
            flush(FLUSH_SECONDS)
            written, work = now(), time.process_time() - work
        header = sink.header if where == "sink" else Store(path).traces(limit=1)[0]
        bare = 0 if where == "sink" else without_values(path)
    spans = header.span_count
    return {
        "spans": spans,
        "dropped": header.dropped_spans,
        "bare": bare,
        "tenths": meter.step_times(steps),
        "turns": meter.turns.tolist(),
        "blocks": meter.blocks,
        "peak": meter.peak_size - meter.start_size,
        "run": ended.wall - started.wall,
        "written": written.wall - started.wall,
        "worker": (work - (written.own - started.own)) / spans,
    }


def without_values(path: Path) -> int:
    """How many spans of a store were kept without their values."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT count(*) FROM spans WHERE body LIKE '%values_dropped%'")
        return int(found.fetchone()[0])


def long_rows(*, quick: bool) -> Rows:
    """A run of 100,000 steps at the pace of the worker: flat in time and memory, and whole."""
    steps = 10_000 if quick else 100_000
    rows: Rows = []
    for where in ("store", "sink"):
        found = child(Path(__file__).name, steps, where, 32, "paced")
        own = found["tenths"]
        blocks = found["blocks"]
        rows += [
            (f"{where}: a step, in the first tenth of the run", us(own[0])),
            (f"{where}: a step, the median of the tenths", us(median(own))),
            (f"{where}: a step, in the last tenth", us(own[-1])),
            (f"{where}: objects in memory at the end, over those at a fifth", times(blocks[1] / blocks[0])),
            (f"{where}: resident memory, most above the start", mib(found["peak"])),
            (f"{where}: spans dropped, of {found['spans']:,}", f"{found['dropped']:,}"),
            (f"{where}: the worker's time for a span", us(found["worker"])),
        ]
    return rows


def pressure_rows(*, quick: bool) -> Rows:
    """A program that never waits, and so is faster than the worker."""
    steps = 4_000 if quick else 20_000
    rows: Rows = []
    for queue_mib in (32, 4):
        found = child(Path(__file__).name, steps, "store", queue_mib, "full")
        turns = sorted(found["turns"])
        label = f"queue of {queue_mib} MiB"
        rows += [
            (f"{label}: ten steps, median", ms(median(turns))),
            (f"{label}: ten steps, 99 of 100 within", ms(turns[len(turns) * 99 // 100])),
            (f"{label}: ten steps, longest", ms(turns[-1])),
            (f"{label}: the run, {steps:,} steps", f"{found['run']:.1f} s"),
            (f"{label}: until all is written", f"{found['written']:.1f} s"),
            (f"{label}: resident memory, most above the start", mib(found["peak"])),
            (f"{label}: spans kept without values, of {found['spans']:,}", f"{found['bare']:,}"),
            (f"{label}: spans dropped, of {found['spans']:,}", f"{found['dropped']:,}"),
        ]
    return rows


if __name__ == "__main__":
    count, where, queue, pace = sys.argv[1:]
    print(json.dumps(long_run(int(count), where, float(queue), paced=pace == "paced")))
