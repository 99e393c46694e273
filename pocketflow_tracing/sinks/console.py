"""The tree of each run on stderr, as the run ends."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from ..model import Span, SpanKind, Status, Trace
from ..tally import Tally
from ..view.changes import condensed
from ..view.folding import is_telling
from ..view.output import rendered
from ..view.terminal import Look, TraceTree, closer_look
from .base import Sink

if TYPE_CHECKING:
    from .livelines import LiveLines

MAX_FIRST = 1_000
MAX_LAST = 200
MAX_RUNS = 200
MAX_LINES = 150
MAX_SIBLINGS = 24
MAX_STACKTRACE = 4_000
WAIT_SECONDS = 1.0
PAUSE_SECONDS = 0.02
PAUSE_EVERY_SECONDS = 0.5


class ConsoleSink(Sink):
    """Prints the tree of every run to `stream`, by default the stderr of now.

    The stream is taken when the sink is made: a program that redirects `sys.stderr` for a while
    means its own output, not ours. `kept` is asked once for each run that ended: whether it is in
    the store, so that there is a command to look at it again. Where it is `live`, there is a line for
    each step that takes a while and each attempt that fails, as long as the run goes on.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        kept: Callable[[], bool] = lambda: True,
        live: bool = False,
    ) -> None:
        self.stream: TextIO | None = sys.stderr if stream is None else stream
        self._held: deque[str] = deque()
        self._paused_at = -PAUSE_EVERY_SECONDS
        self._kept = kept
        self._runs: dict[str, _Run] = {}
        self._live: LiveLines | None = None
        if live and self.stream is not None:
            from .livelines import LiveLines

            self._live = LiveLines(self.stream)

    def trace_started(self, trace: Trace) -> None:
        """Begin to collect the spans of a run."""
        if self._live is not None:
            self._live.started(trace)
        self._runs[trace.id] = _Run()
        while len(self._runs) > MAX_RUNS:
            # More runs at once than anyone reads: the oldest shows its header and counts only.
            del self._runs[next(iter(self._runs))]

    def span_ended(self, span: Span) -> None:
        """Keep what the tree shows of `span`."""
        run = self._runs.get(span.trace_id)
        if run is not None:
            run.add(span)
        if self._live is not None:
            self._show(self._live.ended(span))

    def span_open(self, span: Span) -> None:
        """Show what has been going on for a while, where somebody looks on."""
        if self._live is not None:
            self._show(self._live.opened(span))

    def _show(self, line: str) -> None:
        # A traceback of the program may be on its way, in many pieces.
        if line and is_in_program():
            write(self.stream, line)

    def trace_ended(self, trace: Trace) -> None:
        """Print the tree of the run that ended, in one write, from a fresh line."""
        if self._live is not None:
            self._live.over(trace)
        run = self._runs.pop(trace.id, None) or _Run()
        look = Look(
            folded=True,
            max_siblings=MAX_SIBLINGS,
            max_lines=MAX_LINES,
            next_step=closer_look(trace) if self._kept() else None,
        )
        if self.stream is not None:
            tree = TraceTree(replace(trace, spans=run.spans()), look, run.tally)
            # Whatever the program has half written there ends before the tree begins.
            self._held.append(f"\n{rendered(tree, self.stream)}\n")
            if trace.status is Status.OK or self._program_goes_on():
                self.flush(0)

    def _program_goes_on(self) -> bool:
        """False where the main thread left its program, and may be printing a traceback just now.

        Python writes a traceback in many pieces, so a tree has to wait until it is through. Of runs
        that fail one after the other only one is waited for.
        """
        now = time.monotonic()
        if is_in_program() and now > self._paused_at + PAUSE_EVERY_SECONDS:
            self._paused_at = now
            time.sleep(PAUSE_SECONDS)  # an exception may be on its way up
        return is_in_program()

    def flush(self, timeout: float) -> bool:
        """Print the trees that were held back."""
        while self._held:
            write(self.stream, self._held.popleft())
        return True

    def close(self) -> None:
        """Print what was held back, and forget the runs that never ended."""
        self.flush(0)
        self._runs.clear()


class _Run:
    """What is kept of a run until it ends: its first spans, its last ones, and what holds them up.

    Children end before their parents, so the parent of a span that was kept early is kept too,
    however late it comes. Flows and what tells of trouble are kept longer than others, and everything is
    counted.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._first: list[Span] = []
        self._flows = 0
        self._telling = 0
        self._last: deque[Span] = deque(maxlen=MAX_LAST)
        self._awaited: set[str] = set()

    def add(self, span: Span) -> None:
        self.tally.add(span)
        if not self._stays(span):
            self._last.append(_slim(span))
            return
        self._first.append(_slim(span))
        self._awaited.discard(span.span_id)
        if span.parent_id is not None:
            self._awaited.add(span.parent_id)

    def _stays(self, span: Span) -> bool:
        if len(self._first) < MAX_FIRST or span.parent_id is None or span.span_id in self._awaited:
            return True
        if span.kind is SpanKind.FLOW and self._flows < MAX_FIRST:
            self._flows += 1
            return True
        if is_telling(span) and self._telling < MAX_FIRST:
            self._telling += 1
            return True
        return False

    def spans(self) -> list[Span]:
        """What was kept, in start order; a parent that started together with its child comes first."""
        kept = [*self._first, *self._last]
        kept.reverse()
        return sorted(kept, key=lambda span: (span.parent_id is not None, span.start_ns, span.seq))


def _slim(span: Span) -> Span:
    """`span` without the data that the tree does not show; the span itself belongs to all sinks."""
    error = span.error
    if error is not None and len(error.stacktrace) > MAX_STACKTRACE:
        error = replace(error, stacktrace=error.stacktrace[-MAX_STACKTRACE:])
    return replace(span, input=None, output=None, changes=condensed(span.changes), error=error)


def is_in_program() -> bool:
    """Whether the main thread is somewhere inside its program.

    Once it has left, it has no frame, or those of a function that prints a traceback (from 3.13 on
    Python does that in Python) or cleans up at exit.
    """
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name in ("<module>", "_run_module_as_main")


def write(stream: TextIO | None, text: str) -> None:
    """Write `text` to `stream` in one piece; a stream that is closed or broken gets nothing.

    A real stream is written below Python's buffer: what the program has half written stays its
    own, and what fails here cannot come up again when the interpreter flushes at exit.
    """
    try:
        if type(stream) is io.TextIOWrapper:
            _write_bytes(stream.fileno(), text.encode(stream.encoding or "ascii", "backslashreplace"))
        elif stream is not None:
            stream.write(text)
            stream.flush()
    except (OSError, ValueError):
        pass


def _write_bytes(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            # The program made its stderr non-blocking, and nobody reads it fast enough.
            if not select.select([], [descriptor], [], WAIT_SECONDS)[1]:
                return
