"""Long loops and big batches: their first and last rounds are shown, what lies between is told in a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..model import Span, SpanKind, Status
from .index import Index, number
from .lines import DOT, Entry, Segment
from .text import clip, counted, duration, visible

LONG = 8
"""So many rounds are shown one by one."""
HEAD, TAIL = 3, 1
"""How many rounds of a longer loop are shown at its start and at its end."""
MAX_NAMES = 6
MAX_NAME = 40


@dataclass(slots=True)
class Fold:
    """Neighbouring spans that went well and are like those around them."""

    spans: list[Span] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    """The last visit of each node before them; in between may be some that are not at hand."""
    after: dict[str, int] = field(default_factory=dict)
    """The first visit after them, where that is shown."""


class Folder:
    """Folds what repeats beneath one span. What failed, runs or warns inside is never folded away.

    A retry that went well makes up for the attempts before it; a fallback does not, and stands beside them.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        spans = index.by_id.values()
        caught = {_whose(span) for span in spans if span.kind is SpanKind.FALLBACK}
        self._troubled = index.with_those_above(span for span in spans if _is_troubled(span, caught))
        self._retried = index.with_those_above(span for span in spans if _is_retry(span))

    def folded(self, children: Sequence[Span]) -> list[Span | Fold]:
        """The children in order, with folds in place of what is left out."""
        if len(children) <= LONG:
            return list(children)
        rounds: dict[str, dict[object, int]] = {}
        for child in children:
            known = rounds.setdefault(_group(child), {})
            known.setdefault(_round(child), len(known))
        shown: list[Span | Fold] = []
        visits: dict[str, int] = {}
        fold = Fold()
        for child in children:
            group = _group(child)
            known = rounds[group]
            visit = number(child, "visit")
            if not self._folds(child, known[_round(child)], len(known)):
                shown.append(child)
                if visit is not None:
                    fold.after.setdefault(group, visit)
            elif shown and shown[-1] is fold:
                fold.spans.append(child)
            else:
                fold = Fold([child], dict(visits))
                shown.append(fold)
            if visit is not None:
                visits[group] = visit
        return [one.spans[0] if isinstance(one, Fold) and len(one.spans) == 1 else one for one in shown]

    def entry(self, fold: Fold) -> Entry:
        """What stands in place of the spans, such as `… Decide ×48, 3 retried`."""
        groups: dict[str, list[Span]] = {}
        for span in fold.spans:
            groups.setdefault(_group(span), []).append(span)
        head = [Segment("… ", "dim")]
        for position, (group, spans) in enumerate(groups.items()):
            if position == MAX_NAMES:
                head.append(Segment(f" {DOT} {counted(len(groups) - position, 'other step')}", "dim"))
                break
            head.extend([Segment(f" {DOT} ", "dim")] if position else [])
            head.extend(self._told(group, spans, fold))
        taken = max((span.end_ns or 0) for span in fold.spans) - fold.spans[0].start_ns
        return Entry(head, duration(max(taken, 0)), steps=len(fold.spans))

    def _folds(self, child: Span, place: int, rounds: int) -> bool:
        if rounds <= LONG or not HEAD <= place < rounds - TAIL:
            return False
        return child.span_id not in self._troubled and _can_repeat(child)

    def _told(self, group: str, spans: list[Span], fold: Fold) -> list[Segment]:
        present = len({_round(span) for span in spans})
        # Of a very long loop not every round is at hand, but the first and the last say where it is.
        first, last = _position(spans[0]), _position(spans[-1])
        if first is not None and last is not None:
            first, last = fold.before.get(group, first - 1) + 1, fold.after.get(group, last + 1) - 1
        total = max(present, last - first + 1) if first is not None and last is not None else present
        told = [Segment(visible(clip(group, MAX_NAME)), "name"), Segment(f" ×{total:,}", "dim")]
        retried = len({_round(span) for span in spans if span.span_id in self._retried})
        if retried:
            least = "" if total == present else "at least "
            told.append(Segment(f", {least}{retried:,} retried", "recovered"))
        return told


def is_telling(span: Span) -> bool:
    """Whether a fold of rounds would say something of this span, or leave its round out of the fold."""
    return _is_troubled(span, set()) or span.status is not Status.OK or _is_retry(span)


def _is_retry(span: Span) -> bool:
    return (number(span, "attempt") or 1) > 1


_Whose = tuple["str | None", "int | None"]


def _is_troubled(span: Span, caught: set[_Whose]) -> bool:
    if span.attributes.get("warnings") or span.kind is SpanKind.FALLBACK:
        return True
    if span.status is Status.OK:
        return False
    return not span.attributes.get("recovered") or (span.kind is SpanKind.EXEC and _whose(span) in caught)


def _whose(span: Span) -> _Whose:
    """The node and the item that an attempt or a fallback is for."""
    return span.parent_id, number(span, "item")


def _can_repeat(span: Span) -> bool:
    """Attempts of one item do not: they tell one story together."""
    return span.kind is not SpanKind.EXEC or number(span, "item") is not None


def _group(span: Span) -> str:
    if span.kind is SpanKind.ITERATION:
        return "iteration"
    if span.kind is SpanKind.EXEC and number(span, "item") is not None:
        return "item"
    return span.node_key if span.node_key and span.kind is SpanKind.NODE else span.name


def _round(span: Span) -> object:
    return number(span, "item") if span.kind is SpanKind.EXEC else span.span_id


def _position(span: Span) -> int | None:
    return number(span, "item" if span.kind in (SpanKind.EXEC, SpanKind.ITERATION) else "visit")
