"""What goes on in a run, as lines on a terminal that the program writes to as well."""

from __future__ import annotations

import os
from typing import TextIO

from ..model import Span, SpanKind, Trace
from ..view import happenings
from ..view.index import PHASES
from ..view.lines import Line, Lines, Segment
from ..view.output import rendered

MAX_OPEN = 1_000
"""Of spans that are open at the same time, so many are remembered to tell where one stands."""


class LiveLines:
    """Makes the lines of the runs that go on; nothing is drawn in place, so nothing can be drawn over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._traces: dict[str, Trace] = {}
        self._open: dict[str, Span] = {}
        self._told: set[str] = set()
        """Attempts that were told before the worker was handed them for good."""

    def started(self, trace: Trace) -> None:
        """Remember what the run is called."""
        self._traces[trace.id] = trace

    def opened(self, span: Span) -> str:
        """The line of a step that has been at it for a while; nothing for what only holds steps.

        A phase that has ended in a node that goes on comes here too.
        """
        if span.end_ns is not None:
            line = "" if span.span_id in self._told else self._retried(span)
            if line and len(self._told) < MAX_OPEN:
                self._told.add(span.span_id)
            return line
        if len(self._open) < MAX_OPEN:
            self._open[span.span_id] = span
        trace = self._traces.get(span.trace_id)
        if trace is None or not (span.kind in PHASES or span.kind is SpanKind.GENERATION):
            return ""
        path = [span]
        while (above := self._open.get(path[0].parent_id or "")) is not None:
            path.insert(0, above)
        return self._line(happenings.running(trace, path))

    def ended(self, span: Span) -> str:
        """The line of an attempt that failed and was made up for; nothing for other spans."""
        self._open.pop(span.span_id, None)
        if span.span_id in self._told:
            self._told.remove(span.span_id)
            return ""
        return self._retried(span)

    def _retried(self, span: Span) -> str:
        trace = self._traces.get(span.trace_id)
        if trace is None or span.kind is not SpanKind.EXEC or not span.attributes.get("recovered"):
            return ""
        return self._line(happenings.retried(trace, span))

    def over(self, trace: Trace) -> None:
        """Forget a run."""
        self._traces.pop(trace.id, None)
        self._open = {id: span for id, span in self._open.items() if span.trace_id != trace.id}

    def _line(self, segments: list[Segment]) -> str:
        return f"{self._fresh()}{rendered(Lines([Line(segments)]), self._stream)}\n"

    def _fresh(self) -> str:
        """What leads to the beginning of a line, wherever the program has left the cursor.

        As many blanks as the screen is wide wrap to the next line unless the cursor stands at the
        beginning of one; shells do so before their prompt.
        """
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        return " " * columns + "\r\x1b[K" if columns else "\n"
