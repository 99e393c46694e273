"""The inputs and outputs of a span as lines under it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..model import JSON, Span, SpanKind
from .brief import complete, excerpt
from .lines import Segment
from .text import clip, visible

MAX_VALUE = 240
MAX_LABEL = 40
_SHORTENED = re.compile(r"…|\band [\d,]+ more\b|[{\[][\d,]+ (?:key|item)s?[}\]]")
"""What stands in a line in place of what it has no room for: of texts, of entries, of containers."""
_OUTPUT_OF_RUN = {"result", "shared"}


def value_lines(span: Span, parent: Span | None, whole: bool = False) -> Iterator[list[Segment]]:
    """Parameters, input and output of `span`, one line each and clipped, or `whole` as indented JSON.

    A dict of named values, which is what the input of a step is, gets one line for each name.
    Parameters that only came down from `parent` are not repeated.
    """
    params = span.attributes.get("params")
    # The line of an iteration names its parameters already.
    told = not whole and span.kind is SpanKind.ITERATION
    told = told or (parent is not None and parent.attributes.get("params") == params)
    most = None if whole else MAX_LABEL
    for label, value in (("params", None if told else params), ("in", span.input), ("out", span.output)):
        if value is None:
            continue
        if isinstance(value, dict) and value and (label != "out" or value.keys() == _OUTPUT_OF_RUN):
            for name, part in value.items():
                yield from _shown(f"{label} {visible(clip(str(name), most))}", part, whole)
        else:
            yield from _shown(label, value, whole)
    if whole and span.error is not None:
        yield from _text("trace", span.error.stacktrace)
        for name, local in (span.error.locals or {}).items():
            yield from _shown(f"local {visible(name)}", local, whole)
    for label, paths in (("masked", span.redacted), ("cut", span.truncated)):
        if paths:
            listed = clip(visible(", ".join(paths)), None if whole else MAX_VALUE)
            yield [Segment(f"{label} ", "label"), Segment(listed, "dim")]


def leaves_out(span: Span, lines: Iterable[list[Segment]]) -> bool:
    """Whether the `lines` under `span` lack something that they have in full; better once too often."""
    if span.error is not None and span.error.stacktrace:
        return True
    return any(_SHORTENED.search(segment.text) for line in lines for segment in line)


def _shown(label: str, value: JSON, whole: bool) -> Iterator[list[Segment]]:
    if not whole:
        yield [Segment(f"{label} ", "label"), Segment(excerpt(value, MAX_VALUE), "value")]
    elif isinstance(value, str) and "\n" in value:
        yield from _text(label, value)
    else:
        yield from _text(label, complete(value, indent=2))


def _text(label: str, text: str) -> Iterator[list[Segment]]:
    """A text of several lines under its label, the lines below the first set in a little."""
    for number, line in enumerate(text.splitlines()):
        start = Segment(f"{label} ", "label") if number == 0 else Segment("  ")
        yield [start, Segment(visible(line), "value")]
