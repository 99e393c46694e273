"""A trace as Chrome's trace events, which ui.perfetto.dev and chrome://tracing open.

Those tools draw what is on one line as a stack, so that spans there must nest. What runs side by side
gets a line of its own.
"""

from __future__ import annotations

from typing import Any

from ..model import JSON, Span, Trace
from .brief import excerpt
from .index import Index

PROCESS = 1
MAX_VALUE = 400


def chrome_form(trace: Trace) -> dict[str, JSON]:
    """The events, in microseconds since the trace began: counted from 1970 they would not be exact."""
    lanes = _Lanes(trace)
    events = [_event(span, trace, lanes) for span in trace.spans]
    return {
        "displayTimeUnit": "ms",
        "otherData": {"trace_id": trace.trace_id, "id": trace.id, "start_ns": str(trace.start_ns)},
        "traceEvents": [*_names(trace, lanes), *events],
    }


class _Lanes:
    """Which line each span is drawn on: its parent's, unless something else is there at the time."""

    def __init__(self, trace: Trace) -> None:
        self._reach_ns = max((span.end_ns or span.start_ns for span in trace.spans), default=trace.start_ns)
        self._stacks: list[list[Span]] = []
        self._of: dict[str, int] = {}
        index = Index(trace)
        for span in sorted(trace.spans, key=lambda one: (one.start_ns, one.seq)):
            self._of[span.span_id] = self._free(span, index.parent(span))

    def of(self, span: Span) -> int:
        """The number of the line, from 1."""
        return self._of[span.span_id] + 1

    def end_ns(self, span: Span) -> int:
        """Where the span ends; one that runs reaches as far as anything that is known."""
        return self._reach_ns if span.end_ns is None else span.end_ns

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self._stacks)

    def _free(self, span: Span, parent: Span | None) -> int:
        known = range(len(self._stacks))
        above = None if parent is None else self._of.get(parent.span_id)
        for lane in known if above is None else (above, *known):
            stack = self._stacks[lane]
            while stack and self.end_ns(stack[-1]) <= span.start_ns:
                stack.pop()
            if not stack or (stack[-1] is parent and self.end_ns(parent) >= self.end_ns(span)):
                stack.append(span)
                return lane
        self._stacks.append([span])
        return len(self._stacks) - 1


def _names(trace: Trace, lanes: _Lanes) -> list[JSON]:
    named = [("process_name", 0, trace.name)]
    named += [
        ("thread_name", lane, "run" if lane == 1 else "side by side") for lane in range(1, lanes.count + 1)
    ]
    return [
        {"name": event, "ph": "M", "pid": PROCESS, "tid": lane, "args": {"name": name}}
        for event, lane, name in named
    ]


def _event(span: Span, trace: Trace, lanes: _Lanes) -> dict[str, JSON]:
    event: dict[str, JSON] = {
        "name": span.name,
        "cat": span.kind.value,
        "ph": "X",
        "ts": (span.start_ns - trace.start_ns) / 1_000,
        "dur": (lanes.end_ns(span) - span.start_ns) / 1_000,
        "pid": PROCESS,
        "tid": lanes.of(span),
        "args": _arguments(span),
    }
    if span.status.value == "error":
        event["cname"] = "bad" if span.attributes.get("recovered") else "terrible"
    return event


def _arguments(span: Span) -> dict[str, JSON]:
    told: dict[str, Any] = {"status": span.status.value, "span_id": span.span_id, **span.attributes}
    if span.error is not None:
        told["error"] = f"{span.error.type}: {span.error.message}"
    for name in ("input", "output", "changes"):
        value = getattr(span, name)
        if value is not None:
            told[name] = excerpt(value, MAX_VALUE)
    return told
