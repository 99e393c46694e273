"""How much of what a trace holds, counted as its spans come."""

from __future__ import annotations

from .model import Generation, Span, SpanKind, Status, Trace


class Tally:
    """Counts over the spans of a trace, whether or not the spans themselves are kept.

    `nodes` counts node runs, `retries` the attempts after the first, `errors` what was raised and not
    recovered, `tokens` and `cost` (in US dollars) what calls of models took.
    """

    # No dataclass: this comes with the first trace, and a dataclass is made by executing text, after
    # which CPython forgets that Ctrl-C is what ended a program.
    __slots__ = ("cost", "errors", "nodes", "retries", "spans", "tokens", "warnings")

    def __init__(
        self,
        spans: int = 0,
        nodes: int = 0,
        retries: int = 0,
        errors: int = 0,
        warnings: int = 0,
        tokens: int = 0,
        cost: float = 0.0,
    ) -> None:
        self.spans = spans
        self.nodes = nodes
        self.retries = retries
        self.errors = errors
        self.warnings = warnings
        self.tokens = tokens
        self.cost = cost

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tally):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        return f"Tally({', '.join(f'{name}={getattr(self, name)}' for name in self.__slots__)})"

    @classmethod
    def of(cls, trace: Trace) -> Tally:
        """The counts of a trace that has its spans at hand."""
        tally = cls()
        for span in trace.spans:
            tally.add(span)
        return tally

    def add(self, span: Span) -> None:
        """Count one span. An error counts where it was raised, not again at each level it passed."""
        kind, attributes = span.kind, span.attributes
        self.spans += 1
        if kind is SpanKind.NODE:
            self.nodes += 1
        elif kind is SpanKind.EXEC:
            attempt = attributes.get("attempt")
            self.retries += isinstance(attempt, int) and attempt > 1
        if span.status is Status.ERROR:
            if span.error is None:  # whoever switched errors off
                raised_here = not attributes.get("passed_on")
            else:
                raised_here = span.error.raised_in in (None, span.span_id)
            self.errors += raised_here and not attributes.get("recovered")
        warnings = attributes.get("warnings")
        if isinstance(warnings, list):
            self.warnings += len(warnings)
        if span.generation is not None:
            self.tokens += tokens(span.generation)
            self.cost += cost(span.generation)


def tokens(generation: Generation) -> int:
    """All tokens of a call: their total where it was told, else the sum of the kinds."""
    usage = generation.usage
    return usage.get("total", sum(usage.values()))


def cost(generation: Generation) -> float:
    """What a call cost in US dollars: the total where it is known, else the sum of the kinds."""
    return generation.cost.get("total", sum(generation.cost.values()))
