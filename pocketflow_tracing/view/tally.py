"""How much of what a trace holds, counted as its spans come."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Span, SpanKind, Status, Trace
from .index import number


@dataclass(slots=True)
class Tally:
    """Counts over the spans of a trace, whether or not the spans themselves are kept."""

    spans: int = 0
    nodes: int = 0
    retries: int = 0
    errors: int = 0
    warnings: int = 0

    @classmethod
    def of(cls, trace: Trace) -> Tally:
        """The counts of a trace that has its spans at hand."""
        tally = cls()
        for span in trace.spans:
            tally.add(span)
        return tally

    def add(self, span: Span) -> None:
        """Count one span. An error counts where it was raised, not again at each level it passed."""
        self.spans += 1
        self.nodes += span.kind is SpanKind.NODE
        self.retries += span.kind is SpanKind.EXEC and (number(span, "attempt") or 1) > 1
        if span.error is None:  # whoever switched errors off
            raised_here = not span.attributes.get("passed_on")
        else:
            raised_here = span.error.raised_in in (None, span.span_id)
        self.errors += span.status is Status.ERROR and raised_here and not span.attributes.get("recovered")
        self.warnings += len(span.attributes.get("warnings") or ())
