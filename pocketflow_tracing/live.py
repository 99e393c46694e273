"""What is running now: spans and traces while they are open, and how they become finished ones.

The recorder writes these on the program's own threads, so they hold only what is cheap to take:
integers for ids, the monotonic clock, snapshots of values. The worker turns them into the model.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import TYPE_CHECKING, Any

from .capture import Capture
from .failures import Failure
from .model import JSON, Generation, Graph, Span, SpanKind, Status, Trace
from .values import Policy, render

if TYPE_CHECKING:
    from .config import TracingConfig
    from .sinks.base import Sink

clock = time.perf_counter_ns

# Our own generator: the program's random sequence must not move because it is watched.
_random = random.Random(os.urandom(16))
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(16)))
new_id = _random.getrandbits


class LiveSpan:
    """A span from its start until the worker has taken it. Times are of the monotonic clock, in ns."""

    # Most spans never have these; a class attribute costs nothing until one does.
    end = 0
    node_key: str | None = None
    status = Status.UNSET
    status_message = ""
    input: Any = None
    """A snapshot, or a dict of snapshots by parameter name, or None where nothing was captured."""
    output: Any = None
    changes: Any = None
    attributes: dict[str, Any] | None = None
    failure: Failure | None = None
    generation: Generation | None = None
    step: Any = None
    """The recorder's step this span belongs to, None for spans of the program's own."""
    failed_below: tuple[int, int] | None = None
    """The id of the exception that last ended a child, and of the span that keeps its stack trace."""

    def __init__(
        self, trace: LiveTrace, parent: LiveSpan | None, kind: SpanKind, name: str, start: int
    ) -> None:
        self.trace = trace
        self.parent = parent
        self.kind = kind
        self.name = name
        self.start = start
        self.seq = next(trace.sequence)
        self.capture: Capture = trace.capture if parent is None else parent.capture
        """The switches that hold beneath this span."""
        self.span_id = span_id = new_id(64) or 1
        trace.open[span_id] = self

    @property
    def is_open(self) -> bool:
        """Whether the span still runs."""
        return self.end == 0


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
        self.project: str | None = None
        """Where it ran: the name of the working directory at the start."""
        self.graph = Graph()
        self.scores: list[dict[str, JSON]] = []
        self.sequence = itertools.count()
        self.open: dict[int, LiveSpan] = {}
        """The spans that have started and not ended, by id, in start order."""
        self.root: LiveSpan | None = None
        self.span_count = 0
        self.dropped_spans = 0
        self.complete = True
        self.pid = os.getpid()
        self.origin: Any = None
        """The scope this trace began in."""
        self.flows: dict[Any, Any] = {}
        """The recorder's names for the nodes of each flow."""
        self.pending = [True]
        """Emptied by whoever reports the end of the trace, so that it is reported once."""


def span_hex(span_id: int) -> str:
    """A span id as 16 lower-case hex digits."""
    return f"{span_id:016x}"


def trace_hex(trace_id: int) -> str:
    """A trace id as 32 lower-case hex digits."""
    return f"{trace_id:032x}"


def finished(live: LiveSpan, policy: Policy) -> Span:
    """The model's span for `live`, its values as masked JSON. For the worker; also for open spans."""
    trace = live.trace
    redacted: list[str] = []
    truncated: list[str] = []

    def shown(field: str, value: Any) -> JSON:
        if value is None:
            return None
        result = render(value, policy, field)
        redacted.extend(result.redacted)
        truncated.extend(result.truncated)
        return result.value

    def plain(name: str, value: Any) -> JSON:
        if value is None or type(value) in (bool, int):
            return value
        return policy.mask_text(value) if type(value) is str else shown(f"attributes.{name}", value)

    return Span(
        trace_id=trace_hex(trace.id),
        span_id=span_hex(live.span_id),
        parent_id=None if live.parent is None else span_hex(live.parent.span_id),
        name=live.name,
        kind=live.kind,
        start_ns=live.start + trace.epoch_ns,
        end_ns=live.end + trace.epoch_ns if live.end else None,
        status=live.status,
        status_message=policy.mask_text(live.status_message),
        node_key=live.node_key,
        input=shown("input", live.input),
        output=shown("output", live.output),
        changes=shown("changes", live.changes),
        attributes={name: plain(name, value) for name, value in (live.attributes or {}).items()},
        error=None if live.failure is None else policy.mask_error(live.failure.info()),
        generation=live.generation,
        redacted=redacted,
        truncated=truncated,
        seq=live.seq,
    )


def header(trace: LiveTrace, policy: Policy) -> Trace:
    """The model's trace for `trace`, without its spans. For the worker; also for a running trace."""
    root = trace.root
    config = trace.config
    metadata = render(trace.metadata, policy, "metadata").value if trace.metadata else {}
    return Trace(
        id=trace_hex(trace.id),
        trace_id=trace_hex(trace.trace_id),
        parent_span_id=None if trace.parent_span_id is None else span_hex(trace.parent_span_id),
        name=trace.name,
        start_ns=trace.start + trace.epoch_ns,
        end_ns=trace.end + trace.epoch_ns if trace.end else None,
        status=root.status if root is not None else Status.UNSET,
        graph=trace.graph,
        input=None if root is None or root.input is None else render(root.input, policy, "input").value,
        output=None if root is None or root.output is None else render(root.output, policy, "output").value,
        session_id=trace.session_id,
        user_id=trace.user_id,
        tags=list(trace.tags),
        metadata=metadata,
        variant=trace.variant,
        environment=config.environment,
        release=config.release,
        project=trace.project,
        scores=list(trace.scores),
        span_count=trace.span_count,
        dropped_spans=trace.dropped_spans,
        complete=trace.complete,
    )
