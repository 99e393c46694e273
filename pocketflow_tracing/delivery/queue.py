"""What the program's threads hand over to the worker, and what happens when it is too much."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from typing import Any

from ..live import PHASE_FIELDS, LiveSpan
from .bell import Bell

STARTED, ENDED, FLUSH = range(3)
Record = LiveSpan | tuple[int, Any]
"""A span that ended; or what else happened, and to which trace."""

SPAN_BYTES = 400
FIELD_BYTES = SPAN_BYTES // PHASE_FIELDS
"""What each field takes of the phases that a step kept."""
NAMES_BYTES = 200
"""The names of the inputs of a step, and what holds them together."""
ROOM_SECONDS = 0.001
"""How long one span waits for the worker when the queue is nearly full."""
STALL_SECONDS = 1.0
"""After this long without progress of the worker, spans do not wait for it any more."""


class Queue:
    """Records on their way to the worker, and their size in bytes.

    The program's side takes no lock that is held from one step to the next: a signal handler or the
    garbage collector may break in anywhere and hand over records of its own.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, empty."""
        self.records: deque[Record] = deque()
        self.bell = Bell()
        self.pid = os.getpid()
        self.worker_thread: int | None = None
        """The thread id of the worker: it never waits for itself."""
        self.alarm = 0
        """The worker is called when the queue gets fuller than this; otherwise it comes by itself."""
        self._bytes_in = 0
        self._bytes_out = 0
        self._stall: tuple[int, float] | None = None

    @property
    def filled(self) -> int:
        """Bytes that wait for the worker."""
        return self._bytes_in - self._bytes_out

    def span_ended(self, span: LiveSpan, value_bytes: int | None = None) -> None:
        """Hand over a span. Costs less than a microsecond, unless the worker cannot keep up."""
        trace = span.trace
        if trace.pid != self.pid:
            return  # the parent's, before a fork
        if span.size:  # handed over before, as far as it had come then: that is what is taken off for it
            size = span.size
        elif value_bytes is None:
            size = size_of(span)
        else:
            size = SPAN_BYTES + len(span.step.phases) * FIELD_BYTES + value_bytes
        if self._bytes_in - self._bytes_out + size > self.alarm:
            size = self._squeeze(span, size)
            if not size:
                trace.dropped_spans += count_of(span)
                trace.span_count += count_of(span)
                trace.complete = False
                return
        # One step for CPython: it switches threads, and runs handlers, at calls and jumps only.
        self._bytes_in += size
        span.size = size
        self.records.append(span)

    def call_worker(self) -> None:
        """Have the worker come now."""
        self.bell.ring()

    # The worker's side.

    def taken(self, size: int) -> None:
        """The worker is done with a span of `size` bytes."""
        self._bytes_out += size

    # A full queue.

    def _squeeze(self, span: LiveSpan, size: int) -> int:
        """What `span` may take, 0 where there is no room for it; above three quarters, no values."""
        self.call_worker()
        limit = span.trace.config.max_queue_bytes
        if self.filled + size > limit * 3 // 4:
            if has_values(span):
                drop_values(span)
            size = SPAN_BYTES * count_of(span)
        # Before it is full, so that what is left takes in the spans that come while the worker writes.
        if self.filled + size > limit * 7 // 8 and self._may_wait():
            time.sleep(ROOM_SECONDS)
        is_root = span.parent is None  # one for each run: that much room there is
        return size if self.filled + size <= limit or is_root else 0

    def _may_wait(self) -> bool:
        """Whether waiting helps, and harms nobody."""
        if threading.get_ident() == self.worker_thread or on_event_loop():
            return False
        now = time.monotonic()
        if self._stall is None or self._stall[0] != self._bytes_out:
            self._stall = (self._bytes_out, now)
        return now - self._stall[1] <= STALL_SECONDS


def count_of(span: LiveSpan) -> int:
    """How many spans `span` stands for: itself, and the phases that its step kept."""
    step = span.step
    return 1 if step is None or step.span is not span else 1 + len(step.phases) // PHASE_FIELDS


def size_of(span: LiveSpan) -> int:
    """About how many bytes `span` keeps in memory, with the phases that its step kept."""
    size = SPAN_BYTES
    step = span.step
    values: tuple[Any, ...] = (span.input, span.output, span.changes)
    if step is not None and step.span is span and step.phases:
        kept = step.phases
        size += SPAN_BYTES * (len(kept) // PHASE_FIELDS)
        values += kept[5::PHASE_FIELDS] + kept[6::PHASE_FIELDS] + kept[7::PHASE_FIELDS]
    for value in values:
        if type(value) is dict or type(value) is tuple:
            size += NAMES_BYTES
            for part in value.values() if type(value) is dict else value:
                size += part.size
        elif value is not None:
            size += value.size
    return size


def has_values(span: LiveSpan) -> bool:
    """Whether anything was captured of what flowed through `span`."""
    return span.input is not None or span.output is not None or span.changes is not None


def drop_values(span: LiveSpan) -> None:
    """Keep the structure of `span` only, and that of the phases its step kept, and say so in it."""
    span.input = span.output = span.changes = None
    span.attributes = {**(span.attributes or {}), "values_dropped": True}
    if span.step is not None and span.step.span is span:
        span.step.drop_values()


def on_event_loop() -> bool:
    """Whether this thread runs an event loop, which must never wait."""
    asyncio = sys.modules.get("asyncio.events")
    running = getattr(asyncio, "_get_running_loop", None)
    if running is not None and running() is not None:
        return True
    trio = sys.modules.get("trio.lowlevel")
    token = getattr(trio, "current_trio_token", None)
    if token is None:
        return False
    try:
        token()
    except RuntimeError:
        return False
    return True
