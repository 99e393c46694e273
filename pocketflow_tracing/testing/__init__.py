"""For tests: the traces of a block as a list, and a trace as text that can be asserted on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..delivery import delivery
from ..model import Span, SpanKind, Status, Trace
from ..sinks.memory import MemorySink
from ..tracing import tracing

_NAMELESS = frozenset({SpanKind.PREP, SpanKind.EXEC, SpanKind.FALLBACK, SpanKind.POST, SpanKind.ITERATION})


@contextmanager
def capture_traces(**keywords: Any) -> Iterator[list[Trace]]:
    """Trace the block into a list and nowhere else: no store, no network.

    Takes the keywords of `tracing`, `sinks` apart. The list fills as traces end and is complete once
    the block is left, also by an exception.
    """
    memory = MemorySink()
    try:
        with tracing(sinks=[memory], **keywords):
            yield memory.traces
    finally:
        delivery.flush(ships=False)


def outline(trace: Trace) -> str:
    """The tree of a trace as plain text, a line for each span, without times, ids and values.

    >>> print(outline(trace))                                           # doctest: +SKIP
    flow SupportFlow ok
      node Classify ok -> route_ticket
        exec error TimeoutError attempt=1 recovered
        exec ok attempt=2
        post ok
    """
    children: dict[str | None, list[Span]] = {}
    known = {span.span_id for span in trace.spans}
    for span in trace.spans:
        children.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    retried = _retried(trace)
    lines: list[str] = []
    waiting = [(span, 0) for span in reversed(children.get(None, []))]
    while waiting:
        span, depth = waiting.pop()
        lines.append("  " * depth + _line(span, retried))
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    return "\n".join(lines) + "\n" if lines else ""


def _retried(trace: Trace) -> set[tuple[str | None, Any]]:
    """The (parent, item) pairs that took more than one attempt."""
    return {
        (span.parent_id, span.attributes.get("item"))
        for span in trace.spans
        if span.kind is SpanKind.EXEC and span.attributes.get("attempt", 1) > 1
    }


def _line(span: Span, retried: set[tuple[str | None, Any]]) -> str:
    attributes = span.attributes
    words = [span.kind.value]
    if span.kind not in _NAMELESS:
        words.append(span.node_key if span.kind is SpanKind.NODE and span.node_key else span.name)
    words.append(span.status.value)
    if span.status is Status.ERROR and span.error is not None:
        words.append(span.error.type)
    action = attributes.get("action")
    if action is not None:
        words.append(f"-> {action}")
    if attributes.get("visit", 1) > 1:
        words.append(f"visit={attributes['visit']}")
    item = attributes.get("item")
    if item is not None:
        words.append(f"item={item}")
    recovered = bool(attributes.get("recovered"))
    if span.kind is SpanKind.EXEC and (recovered or (span.parent_id, item) in retried):
        words.append(f"attempt={attributes['attempt']}")
    if recovered:
        words.append("recovered")
    return " ".join(words)
