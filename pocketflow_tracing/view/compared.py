"""A comparison of two traces as lines: every step with both durations, and beneath it what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model import SpanKind, Status, Trace
from .brief import brief, complete
from .comparison import Comparison, Difference, Step
from .lines import DOT, LEADS_TO, MARKS, Block, Line, Segment
from .tables import Column, table
from .terminal import short_id
from .text import clip, counted, duration, local_time, visible

MAX_LABEL = 60
MAX_VALUE = 40
QUIET_STEPS = 5
"""So many steps in a row without a difference are shown one by one; of more, only their number."""

_COLUMNS = (
    Column("step", "name", least=20),
    Column("A", right=True),
    Column("B", right=True),
    Column("B / A", "dim", right=True),
)


class ComparedTraces(Block):
    """The steps of two traces side by side; with `whole`, all of them, and nothing clipped."""

    def __init__(self, comparison: Comparison, whole: bool = False) -> None:
        self._comparison = comparison
        self._whole = whole

    def lines(self, columns: int | None = None) -> list[Line]:
        """The two traces, a table of their steps with the differences between, and the sum."""
        shown = list(self._shown())
        rows = [_row(one) if isinstance(one, Step) else [f"… {counted(one, 'step')} alike", "", "", ""]
                for one in shown]  # fmt: skip
        styles = [_styles(one) if isinstance(one, Step) else {"step": "dim"} for one in shown]
        titles, *lines = table(_COLUMNS, rows, styles, columns)
        found = [Line(_heading(label, trace)) for label, trace in zip("AB", self._traces(), strict=True)]
        found += [Line([]), titles]
        for one, line in zip(shown, lines, strict=True):
            found.append(line)
            if isinstance(one, Step):
                indent = "  " * (one.depth + 2)
                found += [Line(self._told(each), indent, indent) for each in one.differences]
        return [*found, Line([]), Line(self._sum())]

    def _traces(self) -> Sequence[Trace]:
        return self._comparison.a, self._comparison.b

    def _shown(self) -> Iterator[Step | int]:
        """The steps, and in place of many that do not differ their number."""
        quiet: list[Step] = []
        for step in self._comparison.steps:
            if not (step.differs or self._whole):
                quiet.append(step)
                continue
            yield from _few(quiet)
            quiet = []
            yield step
        yield from _few(quiet)

    def _told(self, difference: Difference) -> list[Segment]:
        label = visible(clip(difference.what, None if self._whole else MAX_LABEL))
        before, after = (
            "–" if value is None else complete(value) if self._whole else brief(value, MAX_VALUE)
            for value in (difference.a, difference.b)
        )
        return [Segment(f"{label} ", "changed"), Segment(f"{before} {LEADS_TO} {after}", "value")]

    def _sum(self) -> list[Segment]:
        differing = self._comparison.differing
        if not differing:
            return [Segment("no difference but in the durations", "ok")]
        verb = "differs" if differing == 1 else "differ"
        return [Segment(f"{counted(differing, 'step')} of {len(self._comparison.steps):,} {verb}", "changed")]


def _few(steps: list[Step]) -> Iterator[Step | int]:
    if len(steps) > QUIET_STEPS:
        yield len(steps)
    else:
        yield from steps


def _heading(label: str, trace: Trace) -> list[Segment]:
    status = "running" if trace.status is Status.UNSET else trace.status.value
    told = [short_id(trace), visible(clip(trace.name, MAX_LABEL)), local_time(trace.start_ns)]
    mark = Segment(f"{MARKS[trace.status]} {status}", trace.status.value)
    return [Segment(f"{label}  ", "dim"), Segment(f" {DOT} ".join(told)), Segment(f" {DOT} ", "dim"), mark]


def _row(step: Step) -> list[str]:
    label = visible(clip(step.label, MAX_LABEL))
    kind = "" if step.kind in (SpanKind.NODE, SpanKind.ITERATION) else f"{step.kind.value} "
    before, after = (span.duration_ns if span else None for span in (step.a, step.b))
    sides = [
        f"{MARKS[span.status]} {duration(span.duration_ns)}" if span else "not there"
        for span in (step.a, step.b)
    ]
    return ["  " * step.depth + kind + label, *sides, f"{after / before:.2f}x" if before and after else ""]


def _styles(step: Step) -> dict[str, str]:
    styles = {"step": "name" if step.differs else ""}
    for title, span in (("A", step.a), ("B", step.b)):
        styles[title] = span.status.value if span else "warning"
    return styles
