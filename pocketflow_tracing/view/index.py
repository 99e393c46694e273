"""A trace's spans by parent, so that a tree of any size is walked in one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ..model import Span, SpanKind, Status, Trace

PHASES = frozenset((SpanKind.PREP, SpanKind.EXEC, SpanKind.FALLBACK, SpanKind.POST))


class Index:
    """Who stands beneath whom. Spans whose parent was lost stand at the top, after the root."""

    def __init__(self, trace: Trace) -> None:
        self.by_id = {span.span_id: span for span in trace.spans}
        self._beneath: defaultdict[str, list[Span]] = defaultdict(list)
        self.tops: list[Span] = []
        self._attempts: dict[tuple[str | None, int | None], int] = {}
        self._fell_back: set[tuple[str | None, int | None]] = set()
        for span in trace.spans:
            if span.parent_id is not None and span.parent_id in self.by_id:
                self._beneath[span.parent_id].append(span)
            else:
                self.tops.append(span)
            if span.kind is SpanKind.EXEC:
                tries = (span.parent_id, number(span, "item"))
                self._attempts[tries] = max(self._attempts.get(tries, 0), number(span, "attempt") or 1)
            elif span.kind is SpanKind.FALLBACK:
                self._fell_back.add((span.parent_id, number(span, "item")))

    def children(self, span: Span) -> list[Span]:
        """The spans directly beneath `span`, in start order."""
        return self._beneath.get(span.span_id, [])

    def parent(self, span: Span) -> Span | None:
        """The span above, or None at the top."""
        return None if span.parent_id is None else self.by_id.get(span.parent_id)

    def eventful(self, span: Span) -> list[Span]:
        """The children that tell more than their parent does by itself.

        A phase that went well, with nothing beneath it, tells only its duration; an attempt that
        went well counts as news when another attempt at the same item failed.
        """
        children = self.children(span)
        failed = {
            number(child, "item")
            for child in children
            if child.kind is SpanKind.EXEC and not went_well(child)
        }
        return [
            child
            for child in children
            if child.kind not in PHASES
            or not went_well(child)
            or self.children(child)
            or child.attributes.get("warnings")
            or (child.kind is SpanKind.FALLBACK)
            or (child.kind is SpanKind.EXEC and number(child, "item") in failed)
        ]

    def tried_again(self, attempt: Span) -> bool:
        """Whether another attempt followed this one at the same item."""
        last = self._attempts.get((attempt.parent_id, number(attempt, "item")), 0)
        return last > (number(attempt, "attempt") or 1)

    def recovery(self, attempt: Span) -> str:
        """How the program got over an attempt that failed, "" where that is not known.

        Of a process that was killed early in the next attempt, there is none.
        """
        if self.tried_again(attempt):
            return "retried"
        if (attempt.parent_id, number(attempt, "item")) in self._fell_back:
            return "caught by the fallback"
        node = self.parent(attempt)
        is_over = node is not None and node.end_ns is not None
        left = (number(attempt, "max_attempts") or 1) - (number(attempt, "attempt") or 1)
        return "retried" if left > 0 and not is_over else ""

    def items(self, node: Span) -> int:
        """How many items a batch node worked on; 0 for any other node."""
        execs = (child for child in self.children(node) if child.kind is SpanKind.EXEC)
        return len({number(child, "item") for child in execs} - {None})

    def with_those_above(self, spans: Iterable[Span]) -> set[str]:
        """The ids of these spans and of all spans above them."""
        ids: set[str] = set()
        for span in spans:
            above: Span | None = span
            while above is not None and above.span_id not in ids:
                ids.add(above.span_id)
                above = self.parent(above)
        return ids

    def within(self, tops: list[Span]) -> Iterator[Span]:
        """These spans and all beneath them, parents first."""
        waiting = list(reversed(tops))
        while waiting:
            span = waiting.pop()
            yield span
            waiting.extend(reversed(self.children(span)))


def went_well(span: Span) -> bool:
    """Whether a span ended as it should, without an error of its own."""
    return span.status is Status.OK


def number(span: Span, attribute: str) -> int | None:
    """A whole number among the attributes of `span`, or None where there is none."""
    value = span.attributes.get(attribute)
    return value if isinstance(value, int) else None
