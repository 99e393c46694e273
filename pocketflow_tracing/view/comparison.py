"""Two traces side by side: which step of one is which of the other, and what differs between them.

`compare` is all there is to call; the command line and the dashboard show what it gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..model import JSON, Span, SpanKind, Trace
from ..tally import Tally
from .index import PHASES, Index, number

MAX_DIFFERENCES = 20
"""How many places are named at which two values differ; the last one then stands for the rest."""

Key = tuple[object, ...]
_SIDE_KINDS = (*PHASES, SpanKind.GENERATION)


@dataclass(frozen=True, slots=True)
class Difference:
    """A place at which two steps differ, such as `status` or `changes.added.team`; None for "not there"."""

    what: str
    a: JSON
    b: JSON


@dataclass(slots=True)
class Step:
    """A flow, iteration, node or step of the program's own, in one of the traces or in both.

    `label` tells it apart from its siblings: node key and visit, or the item. `depth` is the level,
    0 for the outermost run. Durations always differ a little, so that they are no difference.
    """

    label: str
    kind: SpanKind
    depth: int
    a: Span | None
    b: Span | None
    differences: list[Difference] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether it is in one trace only, or did something else there."""
        return self.a is None or self.b is None or bool(self.differences)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two traces, and their steps in the order in which they ran, parents first."""

    a: Trace
    b: Trace
    steps: list[Step]

    @property
    def differing(self) -> int:
        """How many steps differ."""
        return sum(step.differs for step in self.steps)

    def to_dict(self) -> dict[str, JSON]:
        """The JSON form: both traces in short, and every step with what differs."""
        return {
            "a": _header(self.a),
            "b": _header(self.b),
            "differing": self.differing,
            "steps": [_form(step) for step in self.steps],
        }


def compare(a: Trace, b: Trace) -> Comparison:
    """What the steps of two traces have in common and what not.

    Steps are the same where they have the same node key and the same visit (or item) beneath the same
    step; the outermost runs are compared whatever their names. Phases and calls of models are no steps
    of their own: what came of them stands with their node.
    """
    sides = _Side(a), _Side(b)
    steps: list[Step] = []
    waiting = [(pair, 0) for pair in reversed(list(_paired(sides[0].tops(), sides[1].tops())))]
    while waiting:
        ((key, left, right), depth) = waiting.pop()
        span = left or right
        assert span is not None
        differences = _differences(sides, left, right) if left and right else []
        steps.append(Step(_label(span, key), span.kind, depth, left, right, differences))
        below = _paired(
            sides[0].steps_beneath(left) if left else [], sides[1].steps_beneath(right) if right else []
        )
        waiting.extend((pair, depth + 1) for pair in reversed(list(below)))
    return Comparison(a, b, steps)


class _Side:
    """One of the two traces."""

    def __init__(self, trace: Trace) -> None:
        self._index = Index(trace)

    def tops(self) -> list[tuple[Key, Span]]:
        """What has no parent; the root is the root, whatever it is called."""
        return [(("root", place), span) for place, span in enumerate(self._index.tops)]

    def steps_beneath(self, span: Span) -> list[tuple[Key, Span]]:
        """The steps that a step consists of, each with what it is told apart by."""
        keyed: list[tuple[Key, Span]] = []
        seen: Counter[Key] = Counter()
        waiting = list(reversed(self._index.children(span)))
        while waiting:
            child = waiting.pop()
            if child.kind in _SIDE_KINDS:
                waiting.extend(reversed(self._index.children(child)))
                continue
            name: Key = _name(child)
            seen[name] += 1
            keyed.append(((*name, seen[name]), child))
        return keyed

    def given(self, node: Span) -> JSON:
        """What exec gave in the end: a list by item for a batch, None where it has no phase."""
        execs = [child for child in self._index.children(node) if child.kind in _GIVING]
        by_item = {
            number(child, "item"): child.output for child in execs if not child.attributes.get("recovered")
        }
        if not execs or None in by_item:
            return by_item.get(None)
        return [by_item[item] for item in sorted(by_item, key=lambda item: item or 0)]

    def told(self, span: Span) -> dict[str, JSON]:
        """What can be compared of a step."""
        return {
            "status": span.status.value,
            "action": span.attributes.get("action"),
            "attempts": number(span, "attempts"),
            "error": f"{span.error.type}: {span.error.message}" if span.error else None,
            "params": span.attributes.get("params"),
            "changes": _without_empty(span.changes),
            "output": self.given(span) if span.kind is SpanKind.NODE else span.output,
        }


_GIVING = (SpanKind.EXEC, SpanKind.FALLBACK)


def _name(span: Span) -> Key:
    if span.kind is SpanKind.ITERATION:
        return ("iteration", number(span, "item"))
    return ("step", span.node_key or span.name)


def _label(span: Span, key: Key) -> str:
    if span.kind is SpanKind.ITERATION:
        item = number(span, "item")
        return "iteration" if item is None else f"iteration {item}"
    visit = number(span, "visit") or (key[-1] if key[0] == "step" else 1)
    name = span.node_key if span.node_key and key[0] == "step" else span.name
    return name if visit == 1 else f"{name} · visit {visit}"


def _paired(
    a: Sequence[tuple[Key, Span]], b: Sequence[tuple[Key, Span]]
) -> Iterator[tuple[Key, Span | None, Span | None]]:
    """Both lists as one, in the order of both as far as they agree, else in that of the first."""
    left, right = dict(a), dict(b)
    order = list(right)
    place_of = {key: place for place, key in enumerate(order)}
    reached = 0
    for key, span in left.items():
        place = place_of.get(key, -1)
        if place >= reached:
            yield from ((other, None, right[other]) for other in order[reached:place] if other not in left)
            reached = place + 1
        yield key, span, right.get(key)
    yield from ((other, None, right[other]) for other in order[reached:] if other not in left)


def _differences(sides: tuple[_Side, _Side], a: Span, b: Span) -> list[Difference]:
    told = sides[0].told(a), sides[1].told(b)
    found: list[Difference] = []
    for what in told[0]:
        _add_differences(what, told[0][what], told[1][what], found)
    return found


def _add_differences(what: str, a: JSON, b: JSON, found: list[Difference]) -> None:
    """Where two values differ, one entry a place, and one for the whole rest where there are many."""
    if len(found) >= MAX_DIFFERENCES or a == b:
        return
    if isinstance(a, dict) and isinstance(b, dict):
        for key in {**a, **b}:
            _add_differences(f"{what}.{key}", a.get(key), b.get(key), found)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for place, (one, other) in enumerate(zip(a, b, strict=True)):
            _add_differences(f"{what}[{place}]", one, other, found)
    else:
        found.append(Difference(what, a, b))


def _without_empty(changes: JSON) -> JSON:
    if not isinstance(changes, dict):
        return changes
    return {kind: entries for kind, entries in changes.items() if entries} or None


def _header(trace: Trace) -> dict[str, JSON]:
    tally = Tally.of(trace)
    return {
        "id": trace.id,
        "name": trace.name,
        "status": trace.status.value,
        "start_ns": trace.start_ns,
        "duration_ns": trace.duration_ns,
        "nodes": tally.nodes,
        "retries": tally.retries,
        "errors": tally.errors,
        "tokens": tally.tokens,
        "cost": tally.cost,
    }


def _form(step: Step) -> dict[str, JSON]:
    return {
        "label": step.label,
        "kind": step.kind.value,
        "depth": step.depth,
        "differs": step.differs,
        "a": _side_form(step.a),
        "b": _side_form(step.b),
        "differences": [
            {"what": difference.what, "a": difference.a, "b": difference.b} for difference in step.differences
        ],
    }


def _side_form(span: Span | None) -> JSON:
    if span is None:
        return None
    return {
        "span_id": span.span_id,
        "status": span.status.value,
        "duration_ns": span.duration_ns,
        "attempts": number(span, "attempts"),
        "action": span.attributes.get("action"),
    }
