"""Finished traces as a list, for tests and for looking at a run from inside the program."""

from __future__ import annotations

from dataclasses import replace

from ..model import Span, Trace
from .base import Sink


class MemorySink(Sink):
    """Keeps every finished trace in `traces`, the last `keep` of them where that is given."""

    def __init__(self, keep: int | None = None) -> None:
        self.keep = keep
        self.traces: list[Trace] = []
        """The traces that ended, oldest first, each with its spans in start order."""
        self._spans: dict[str, list[Span]] = {}

    def trace_started(self, trace: Trace) -> None:
        """Begin to collect the spans of a run."""
        self._spans[trace.id] = []

    def span_ended(self, span: Span) -> None:
        """Keep a span until its run ends."""
        self._spans.setdefault(span.trace_id, []).append(span)

    def trace_ended(self, trace: Trace) -> None:
        """Put the run and its spans together."""
        spans = sorted(self._spans.pop(trace.id, []), key=lambda span: (span.start_ns, span.seq))
        self.traces.append(replace(trace, spans=spans))
        if self.keep is not None and len(self.traces) > self.keep:
            del self.traces[: len(self.traces) - self.keep]
