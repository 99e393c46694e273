"""What is running now: spans and traces while they are open.

The recorder writes these on the program's own threads, so they hold only what is cheap to take:
integers for ids, the monotonic clock, snapshots of values. The worker turns them into the model.
"""

from __future__ import annotations

import itertools
import os
import time
from _random import Random  # what `random` is built on, without the milliseconds of its import
from typing import TYPE_CHECKING, Any

from .capture import Capture
from .failures import Failure
from .model import JSON, Generation, Graph, SpanKind, Status

if TYPE_CHECKING:
    from .config import TracingConfig
    from .sinks.base import Sink
    from .values import Difference

clock = time.perf_counter_ns

# Our own generator: the program's random sequence must not move because it is watched.
_random = Random()
new_id = _random.getrandbits


def _sow() -> None:
    _random.seed(int.from_bytes(os.urandom(32), "big"))


_sow()
os.register_at_fork(after_in_child=_sow)


_SCATTER = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio
_MASK = 2**64 - 1
_UNSET, _OK = Status.UNSET, Status.OK
PHASE_FIELDS = 9
"""Kind, name, seq, start, end, input, output, changes and attributes: what a step keeps of a phase."""


_STORE = ("shared",)
_INPUTS = {
    SpanKind.PREP: _STORE,
    SpanKind.EXEC: ("prep_res",),
    SpanKind.FALLBACK: ("prep_res",),
    SpanKind.POST: ("shared", "prep_res", "exec_res"),
}
_OUTPUTS = ("result", "shared")


def _named(values: Any, names: tuple[str, ...]) -> Any:
    return dict(zip(names, values)) if type(values) is tuple else values  # noqa: B905


class LiveSpan:
    """A span from its start until the worker has taken it. Times are of the monotonic clock, in ns."""

    # Slots, filled at once: what only the class has takes ten times as long to read. The rest is rare.
    __slots__ = (
        "__dict__", "attributes", "capture", "changes", "end", "input", "kind", "name", "output", "parent",
        "seq", "size", "start", "status", "step", "trace",
    )  # fmt: skip

    failure: Failure | None = None
    generation: Generation | None = None
    bridged: tuple[Any, Any] | None = None
    """OpenTelemetry's context before this span, and the one with it, while that is current."""
    failed_below: tuple[int, int] | None = None
    """The id of the exception that last ended a child, and of the span that keeps its stack trace."""

    def __init__(
        self,
        trace: LiveTrace,
        parent: LiveSpan | None,
        kind: SpanKind,
        name: str,
        start: int,
        step: Any = None,
    ) -> None:
        """A span that begins; `opened` makes those that do not belong to an open step."""
        self.trace = trace
        self.parent = parent
        self.kind = kind
        self.name = name
        self.start = start
        self.end = 0
        self.size = 0
        """About how many bytes it keeps in memory, once it is handed to the worker."""
        self.seq = next(trace.sequence)
        self.step = step
        """The recorder's step this span belongs to, None for spans of the program's own."""
        self.capture: Capture = trace.capture if parent is None else parent.capture
        """The switches that hold beneath this span."""
        self.status = _UNSET
        self.input: Any = None
        """A snapshot, or some by name in a dict, or in the order of their names in a tuple, or None."""
        self.output: Any = None
        self.changes: Difference | None = None
        self.attributes: dict[str, Any] | None = None
        """Of a step's own span only what its step does not say itself."""

    @property
    def span_id(self) -> int:
        """64 bits, unique within the trace: its id and the span's number, scattered by an odd factor."""
        return (self.trace.id ^ (self.seq + 1) * _SCATTER) & _MASK or 1

    def inputs(self) -> Any:
        """What the span was given: a snapshot, some by name, or None where nothing was captured."""
        return _named(self.input, _INPUTS.get(self.kind, _STORE))

    def outputs(self) -> Any:
        """What came of it, in the same ways."""
        return _named(self.output, _OUTPUTS)

    def phases(self) -> list[LiveSpan]:
        """The phases of this node that its step kept, since they went as they nearly always do."""
        step = self.step
        if step is None or step.span is not self or not step.phases:
            return []
        kept = step.phases
        return [self._phase(*kept[at : at + PHASE_FIELDS]) for at in range(0, len(kept), PHASE_FIELDS)]

    def _phase(
        self, kind: str, name: str, seq: int, start: int, end: int,
        given: Any, output: Any, changes: Any, attributes: dict[str, Any] | None,
    ) -> LiveSpan:  # fmt: skip
        phase: LiveSpan = LiveSpan.__new__(LiveSpan)
        phase.trace, phase.parent, phase.step, phase.capture = self.trace, self, self.step, self.capture
        phase.kind, phase.name, phase.seq, phase.status = SpanKind(kind), name, seq, _OK
        phase.start, phase.end = start, end
        phase.input, phase.output, phase.changes, phase.attributes = given, output, changes, attributes
        return phase

    def described(self) -> dict[str, Any]:
        """All attributes: what its step says of it, and what was added."""
        step, added = self.step, self.attributes or {}
        return {**step.attributes(), **added} if step is not None and step.span is self else added


class LiveTrace:
    """A trace from its start until its root and all its spans have ended."""

    def __init__(
        self, name: str, config: TracingConfig, sinks: tuple[Sink, ...] = (), capture: Capture | None = None
    ) -> None:
        self.id: int = new_id(128) or 1
        self.trace_id = self.id
        self.parent_span_id: int | None = None
        self.name = name
        self.config = config
        """The settings of this run, never changed after its start."""
        self.capture = Capture(config) if capture is None else capture
        self.debug = config.debug
        self.is_bridged = False
        """Whether OpenTelemetry is told of the spans in which code of the program runs."""
        self.sinks = sinks
        """The in-process sinks this trace goes to, beside the store its config names."""
        self.start = clock()
        self.epoch_ns = time.time_ns() - self.start
        """Add this to a monotonic time to get nanoseconds since the epoch."""
        self.end = 0
        self.session_id: str | None = None
        self.user_id: str | None = None
        self.tags: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.variant: str | None = None
        self.node_types: dict[int | str, str] = {}
        """What nodes are declared as, by `id` or name of their class, or of one that it inherits from."""
        self.project: str | None = None
        """Where it ran: the name of the working directory at the start."""
        self.graph = Graph()
        self.scores: list[dict[str, JSON]] = []
        self.sequence = itertools.count()
        self.open: dict[int, LiveSpan] = {}
        """The spans that have started and not been handed over, by number, parents before their children.

        An attempt that failed is among them until its outcome is known. See also `under_way`.
        """
        self.root: LiveSpan | None = None
        self.span_count = 0
        """The spans the worker has taken."""
        self.dropped_spans = 0
        self.complete = True
        self.pid = os.getpid()
        self.origin: Any = None
        """The scope this trace began in."""
        self.on_end: list[Any] = []
        """Called with this trace when it ends, for every scope that it began in."""
        self.flows: dict[Any, Any] = {}
        """The recorder's names for the nodes of each flow."""
        self.pending = [True]
        """Emptied by whoever reports the end of the trace, so that it is reported once."""

    def under_way(self) -> list[LiveSpan]:
        """What is open, and the phase that each node's step is in, parents before their children."""
        found: list[LiveSpan] = []
        for span in list(self.open.values()):
            found.append(span)
            activation = None if span.step is None or span.step.span is not span else span.step.activation
            phase = None if activation is None else activation.phase
            if phase is not None and not phase.end and phase.seq not in self.open:
                found.append(phase)
        return found


def opened(
    trace: LiveTrace, parent: LiveSpan | None, kind: SpanKind, name: str, start: int, step: Any = None
) -> LiveSpan:
    """A span that begins, and is open in its trace."""
    span = LiveSpan(trace, parent, kind, name, start, step)
    trace.open[span.seq] = span
    return span


def span_hex(span_id: int) -> str:
    """A span id as 16 lower-case hex digits."""
    return f"{span_id:016x}"


def trace_hex(trace_id: int) -> str:
    """A trace id as 32 lower-case hex digits."""
    return f"{trace_id:032x}"
