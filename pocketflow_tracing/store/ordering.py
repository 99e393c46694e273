"""How the spans of a trace are exported: times that keep siblings in order, steps of the run, paths.

Langfuse cuts timestamps to milliseconds and sorts siblings by their start alone, so what began
within one millisecond would come out in any order. Each start is shifted to come a whole
millisecond after that of its elder sibling, as long as it stays within `MAX_SHIFT_NS` of the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from ..model import SpanKind

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:
    from .record import Record

APART_NS = 1_000_000
MAX_SHIFT_NS = 5_000_000


class Timing(Record):
    """What the order of a span depends on; `end_ns` of a span that never ended is the trace's last moment."""

    span_id: str
    parent_id: str | None
    kind: str
    name: str
    start_ns: int
    end_ns: int


class Export(Record):
    """How one span is exported; `position` counts from 0 in start order."""

    position: int
    span_id: str
    start_ns: int
    end_ns: int
    step: int | None
    flow_path: str


class _Open:
    """A span whose end lies ahead while the trace is gone through in start order."""

    __slots__ = (
        "end_ns", "free_ns", "inner_path", "is_node", "parent", "path", "position", "span_id", "start_ns",
        "step", "true_end_ns",
    )  # fmt: skip

    def __init__(self, position: int, timing: Timing, parent: _Open | None) -> None:
        span_id, _, kind, name, true_start_ns, true_end_ns = timing
        self.position = position
        self.span_id: str = span_id
        self.parent = parent
        start_ns: int = true_start_ns
        if parent is not None:
            start_ns = max(start_ns, parent.free_ns)
            # Past the limit, later siblings crowd together, but none comes before its elder one.
            start_ns = min(start_ns, true_start_ns + MAX_SHIFT_NS)
            parent.free_ns = start_ns + APART_NS
        self.start_ns: int = start_ns
        self.free_ns: int = start_ns
        """The earliest start of the next child."""
        self.true_end_ns: int = true_end_ns
        self.end_ns = true_end_ns + start_ns - true_start_ns
        self.path: str = "" if parent is None else parent.inner_path
        self.inner_path: str = self.path
        if kind == SpanKind.FLOW.value:
            self.inner_path = f"{self.path}/{name}" if self.path else name
        self.is_node = kind == SpanKind.NODE.value
        self.step: int = 0 if parent is None else parent.step

    def settled(self) -> Export:
        """The span's export, now that all its children have one; a parent's end covers theirs."""
        parent = self.parent
        if parent is not None and parent.end_ns < self.end_ns and self.true_end_ns <= parent.true_end_ns:
            parent.end_ns = self.end_ns
        step = self.step if self.is_node else None
        return Export(self.position, self.span_id, self.start_ns, self.end_ns, step, self.path)


def exports(timings: Iterable[Timing]) -> Iterator[Export]:
    """The export of each span, as they end; `timings` come in start order.

    Nothing is held but what is open at a time, so the length of a trace does not matter. Steps count
    the nodes from 1; one that starts while others run shares their step.
    """
    open_spans: dict[str, _Open] = {}
    ends: list[tuple[int, int, _Open]] = []
    last_step = 0
    for position, timing in enumerate(timings):
        while ends and ends[0][0] < timing[4] and ends[0][2].span_id != timing[1]:
            ended = heappop(ends)[2]
            del open_spans[ended.span_id]
            if ended.is_node and ended.step > last_step:
                last_step = ended.step
            yield ended.settled()
        began = _Open(position, timing, open_spans.get(timing[1]) if timing[1] else None)
        if began.is_node:
            began.step = max(last_step, began.step) + 1
        open_spans[began.span_id] = began
        # Of spans that end together, the inner ones come first.
        heappush(ends, (timing[5], -position, began))
    while ends:
        yield heappop(ends)[2].settled()
