"""Which steps of a trace are worth a look: those that had trouble, and those that took long."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Span, SpanKind, Status
from .index import Index


def in_trouble(index: Index) -> set[str]:
    """Ids of the spans that failed, were retried, were cut short or warned, and of all above them.

    The attempts that worked in the end stand with those that failed.
    """
    chosen = [
        span
        for span in index.by_id.values()
        if span.status in (Status.ERROR, Status.CANCELLED, Status.INTERRUPTED)
        or span.attributes.get("warnings")
    ]
    kept = index.with_those_above(chosen)
    for id in list(kept):
        kept.update(child.span_id for child in index.eventful(index.by_id[id]) if child.kind is SpanKind.EXEC)
    return kept


def slowest(index: Index, number: int) -> set[str]:
    """Ids of the spans that took the most time by themselves, and of all above them.

    What a span's children took is theirs; an open span has taken nothing yet.
    """
    ended = [span for span in index.by_id.values() if span.end_ns is not None]
    ended.sort(key=lambda span: own_ns(span, index.children(span)), reverse=True)
    return index.with_those_above(ended[:number])


def slower_than(index: Index, least_ns: int) -> set[str]:
    """Ids of the spans that took so long at least, and of all above them."""
    return index.with_those_above(
        span for span in index.by_id.values() if (span.duration_ns or 0) >= least_ns
    )


def own_ns(span: Span, children: Iterable[Span]) -> int:
    """How long a span took beside what its children did; children at the same time count once."""
    if span.end_ns is None:
        return 0
    taken, reached = 0, span.start_ns
    for child in sorted(children, key=lambda child: child.start_ns):
        end = min(span.end_ns if child.end_ns is None else child.end_ns, span.end_ns)
        taken += max(0, end - max(child.start_ns, reached))
        reached = max(reached, end)
    return span.end_ns - span.start_ns - taken
