"""Finished traces as a list, for tests and for looking at a run from inside the program."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ..model import Span, Trace
from .base import Sink


class MemorySink(Sink):
    """Keeps every finished trace in `traces`, the last `keep` of them where that is given.

    With `max_spans`, a longer trace keeps its first and its last ones (a root ends last);
    `Trace.span_count` tells how many there were.
    """

    def __init__(self, keep: int | None = None, max_spans: int | None = None) -> None:
        self.traces: list[Trace] = []
        """The traces that ended, oldest first, each with its spans in start order."""
        self._keep = keep
        self._half = None if max_spans is None else max_spans // 2
        self._spans: dict[str, tuple[list[Span], deque[Span]]] = {}

    def trace_started(self, trace: Trace) -> None:
        """Begin to collect the spans of a run."""
        self._spans[trace.id] = ([], deque(maxlen=self._half))

    def span_ended(self, span: Span) -> None:
        """Keep a span until its run ends."""
        kept = self._spans.get(span.trace_id)
        if kept is not None:
            first, last = kept
            (first if self._half is None or len(first) < self._half else last).append(span)

    def trace_ended(self, trace: Trace) -> None:
        """Put the run and its spans together."""
        first, last = self._spans.pop(trace.id, ([], deque()))
        spans = sorted([*first, *last], key=lambda span: (span.start_ns, span.seq))
        self.traces.append(replace(trace, spans=spans))
        if self._keep is not None and len(self.traces) > self._keep:
            del self.traces[: len(self.traces) - self._keep]
