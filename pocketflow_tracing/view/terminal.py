"""A trace as a tree on a terminal: styled lines for rich, plain ones for everything else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..model import Span, Status, Trace
from ..tally import Tally
from .folding import Fold, Folder
from .heading import facts, heading
from .index import Index
from .lines import BLANK, BRANCH, DOT, LAST, MARKS, PIPE, Block, Entry, Line, Segment
from .steps import MAX_NAME, Describer
from .text import clip, counted, duration, money, visible, width
from .valuelines import leaves_out, value_lines

SHORT_ID = 8
MAX_DEPTH = 60
DURATION_COLUMN = 76
_INTERRUPTED = "interrupted: its process ended before the run did; this is what was kept"


@dataclass(frozen=True, slots=True)
class Look:
    """How much of a trace is shown.

    `folded` leaves out the phases that went well and have nothing beneath them. `values` puts
    inputs and outputs under each span, `whole` clips and folds nothing; without it, the middle of long
    loops and big batches is told in a line. `max_depth` is how many levels there are beneath the top.
    More than `max_siblings` spans under one are cut in the middle, more than `max_lines` at the end;
    both say how many are missing. `heading` puts the id and the start of the trace on top, `next_step`
    names a command at the end, `unfold` one where rounds were left out, and `in_full` the one that takes
    the place of the next step where values were shortened.
    """

    folded: bool = False
    values: bool = False
    whole: bool = False
    max_depth: int | None = None
    max_siblings: int | None = None
    max_lines: int | None = None
    heading: bool = False
    next_step: tuple[str, str] | None = None
    unfold: tuple[str, str] | None = None
    in_full: tuple[str, str] | None = None


class TraceTree(Block):
    """The tree of a trace.

    `tally` gives the counts where `trace.spans` holds only some of the spans. `tops` are the spans
    to show in place of the whole tree, `only` the ids of the spans to show of it.
    """

    def __init__(
        self,
        trace: Trace,
        look: Look | None = None,
        tally: Tally | None = None,
        tops: list[Span] | None = None,
        only: set[str] | None = None,
    ) -> None:
        self._trace = trace
        self._look = look or Look()
        self._tally = tally or Tally.of(trace)
        self._index = Index(trace)
        self._tops = self._index.tops if tops is None else tops
        self._only = only
        self._has_folds = False
        self._leaves_out = False
        self._folder = None if self._look.whole or only is not None else Folder(self._index)
        self._unfinished = "still running" if trace.end_ns is None else "end not seen"
        self._facts = facts(trace, self._look.whole)
        self._describer = Describer(self._index, self._unfinished, self._look.whole)

    def lines(self, columns: int | None = None) -> list[Line]:
        """Every line, top to bottom; durations in a column of their own, within `columns` if given."""
        lines: list[Line] = []
        most = self._look.max_lines
        cut = 0
        for line, steps in self._body():
            if most is None or len(lines) < most:
                lines.append(line)
            else:
                cut += steps
        _align_durations(lines, columns)
        top = [Line(heading(self._trace, self._look.whole))] if self._look.heading else []
        return [*top, *lines, *(Line(segments) for segments in self._footer(cut))]

    def _body(self) -> Iterator[tuple[Line, int]]:
        """The lines of the tree itself, each with how many steps begin with it."""
        waiting: list[tuple[Span | Entry, str, str]] = []
        tops: list[Span | Entry] = list(self._tops) or [self._headless()]
        waiting.extend((top, "", "") for top in reversed(tops))
        while waiting:
            step, lead, follow = waiting.pop()
            below = self._below(step, follow) if isinstance(step, Span) else []
            entry = self._described(step) if isinstance(step, Span) else step
            under = follow + (PIPE if below else BLANK)
            yield Line(entry.head, lead, under + "  ", entry.duration), entry.steps
            yield from ((Line(detail, under, under + "  "), 0) for detail in entry.details)
            for number, child in enumerate(reversed(below)):
                branch, beneath = (LAST, BLANK) if number == 0 else (BRANCH, PIPE)
                waiting.append((child, follow + branch, follow + beneath))

    def _described(self, span: Span) -> Entry:
        entry = self._describer.entry(span)
        if span.parent_id is None:
            entry.details[:0] = self._facts
        if self._look.values:
            entry.details.extend(value_lines(span, self._index.parent(span), self._look.whole))
            self._leaves_out = self._leaves_out or leaves_out(span, entry.details)
        return entry

    def _headless(self) -> Entry:
        """What stands in place of the tree where no span was kept."""
        trace = self._trace
        mark = Segment(MARKS[trace.status], trace.status.value)
        name = Segment(visible(clip(trace.name, MAX_NAME)), "name")
        return Entry([mark, Segment(" "), name], duration(trace.duration_ns), self._facts)

    def _below(self, span: Span, follow: str) -> list[Span | Entry]:
        children = self._index.eventful(span) if self._look.folded else self._index.children(span)
        if self._only is not None:
            children = [child for child in children if child.span_id in self._only]
        if children and len(follow) >= self._deepest() * len(PIPE):
            return [*self._deeper(span, children), *self._describer.warnings(span)]
        return [*self._thinned(self._without_repeats(children)), *self._describer.warnings(span)]

    def _deeper(self, span: Span, children: list[Span]) -> list[Entry]:
        """How many steps there are further down, unless they are the quiet phases of a node."""
        if self._look.max_depth is not None and not self._index.eventful(span):
            return []
        deeper = sum(1 for _ in self._index.within(children))
        return [_note(f"{counted(deeper, 'more step')} further down")]

    def _deepest(self) -> float:
        """How many levels are shown beneath the top; guides of too many would be longer than the text."""
        if self._look.max_depth is not None:
            return self._look.max_depth
        return math.inf if self._look.whole else MAX_DEPTH

    def _without_repeats(self, children: list[Span]) -> list[Span | Entry]:
        if self._folder is None:
            return list(children)
        shown: list[Span | Entry] = []
        for one in self._folder.folded(children):
            shown.append(self._folder.entry(one) if isinstance(one, Fold) else one)
            self._has_folds = self._has_folds or isinstance(one, Fold)
        return shown

    def _thinned(self, children: list[Span | Entry]) -> list[Span | Entry]:
        most = self._look.max_siblings
        if most is None or len(children) <= most:
            return children
        tail = most // 4
        head = most - tail
        middle = children[head : len(children) - tail]
        # What went wrong is what the reader came for, so it stays, as far as there is room.
        wrong = [child for child in middle if isinstance(child, Span) and child.status is not Status.OK][
            :most
        ]
        left_out = len(middle) - len(wrong)
        well = len(wrong) < most
        note = _note(f"{left_out:,} more of these went well" if well else counted(left_out, "more step"))
        return [*children[:head], *wrong, note, *children[len(children) - tail :]]

    def _footer(self, cut: int) -> Iterator[list[Segment]]:
        trace = self._trace
        lost = trace.dropped_spans
        absent = max(trace.span_count - lost - len(trace.spans), 0)
        if cut or absent:
            yield [Segment(f"… {counted(cut + absent, 'more step')} not shown here", "dim")]
        if self._only is not None and (others := len(trace.spans) - len(self._only)):
            yield [Segment(f"… {counted(others, 'other step')} left out", "dim")]
        if cut and trace.root and (failure := self._describer.failure(trace.root)):
            yield failure
        yield self._summary()
        if trace.status is Status.INTERRUPTED:
            yield [Segment(_INTERRUPTED, "interrupted")]
        elif lost or not trace.complete:
            what = f"{counted(lost, 'step')} lost" if lost else "some steps never saw their end"
            yield [Segment(f"incomplete: {what}", "warning")]
        shortened = self._look.in_full if cut or self._leaves_out else None
        for step in (self._look.unfold if self._has_folds else None, shortened or self._look.next_step):
            if step is not None:
                yield [Segment(f"{step[0]}: ", "dim"), Segment(step[1], "command")]

    def _summary(self) -> list[Segment]:
        trace, tally = self._trace, self._tally
        state = self._unfinished if trace.status is Status.UNSET else trace.status.value
        line = [Segment(state, trace.status.value)]
        counts = [(duration(trace.duration_ns), "dim"), (counted(tally.nodes, "node"), "dim")]
        for number, noun, style in (
            (tally.retries, "retry", "recovered"),
            (tally.errors, "error", "error"),
            (tally.warnings, "warning", "warning"),
            (tally.tokens, "token", "dim"),
        ):
            counts.append((counted(number, noun) if number else "", style))
        counts.append((money(tally.cost) if tally.cost else "", "dim"))
        for text, style in counts:
            line.extend([Segment(f" {DOT} ", "dim"), Segment(text, style)] if text else [])
        return line


def _note(text: str) -> Entry:
    return Entry([Segment(f"… {text}", "dim")])


def _align_durations(lines: list[Line], columns: int | None) -> None:
    """Put the durations into one column, unless a line is too long for it."""
    timed = [(line, line.width()) for line in lines if line.duration]
    widest = max((width(line.duration) for line, _ in timed), default=0)
    most = DURATION_COLUMN if columns is None else min(DURATION_COLUMN, columns - widest - 2)
    column = min(max((taken for _, taken in timed), default=0), most)
    for line, taken in timed:
        gap = max(column - taken, 0) + 2 + widest - width(line.duration)
        line.segments.append(Segment(" " * gap + line.duration, "dim"))


def short_id(trace: Trace) -> str:
    """The first digits of the trace's id, enough to name it in a command."""
    return visible(trace.id[:SHORT_ID])


def closer_look(trace: Trace) -> tuple[str, str]:
    """The next step after a tree with its quiet phases folded."""
    return "closer look", f"pocketflow-tracing show {short_id(trace)}"
