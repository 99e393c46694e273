"""Traces built by hand, for what shows traces."""

from __future__ import annotations

from typing import Any

from pocketflow_tracing.model import JSON, ErrorInfo, Span, SpanKind, Status, Trace

TRACE_ID = "a1b2c3d4" * 4
MS = 1_000_000


class TraceBuilder:
    """Collects the spans of one trace; `clock` ticks a millisecond per span."""

    def __init__(self, name: str = "Support") -> None:
        self.spans: list[Span] = []
        self.name = name

    def add(self, parent: Span | None, kind: SpanKind, name: str, **given: Any) -> Span:
        """A span of 2 ms under `parent`; keywords that are no fields of Span are its attributes."""
        number = len(self.spans) + 1
        fields = {key: given.pop(key) for key in list(given) if key in Span.__dataclass_fields__}
        span = Span(
            trace_id=TRACE_ID,
            span_id=f"{number:016x}",
            parent_id=None if parent is None else parent.span_id,
            name=name,
            kind=kind,
            start_ns=number * MS,
            end_ns=number * MS + 2 * MS,
            status=Status.OK,
            attributes=given,
        )
        for key, value in fields.items():
            setattr(span, key, value)
        self.spans.append(span)
        return span

    def node(self, parent: Span | None, name: str, *phases: str, **given: Any) -> Span:
        """A node with phases of these kinds that all went well."""
        node = self.add(parent, SpanKind.NODE, name, **given)
        for phase in phases:
            self.add(node, SpanKind(phase), f"{name}.{phase}")
        return node

    def failed(self, parent: Span, kind: SpanKind, name: str, error: ErrorInfo, **given: Any) -> Span:
        """A span that ended with `error`."""
        return self.add(parent, kind, name, status=Status.ERROR, error=error, **given)

    def trace(self, **given: Any) -> Trace:
        """The trace of all spans so far; its status is the root's."""
        values: dict[str, JSON] = {
            "status": self.spans[0].status if self.spans else Status.UNSET,
            "start_ns": MS,
            "end_ns": 13 * MS,
            "span_count": len(self.spans),
        }
        return Trace(id=TRACE_ID, trace_id=TRACE_ID, name=self.name, spans=self.spans, **(values | given))


def stacktrace(file: str = "/srv/app.py", line: int = 31, function: str = "exec") -> str:
    """What a stack trace that ends at this place looks like."""
    return (
        "Traceback (most recent call last):\n"
        '  File "/srv/main.py", line 3, in <module>\n    flow.run(shared)\n'
        f'  File "{file}", line {line}, in {function}\n    call()\n'
        "TimeoutError: slow"
    )


def support_flow() -> TraceBuilder:
    """A flow with a retried node, changes of the store, an iteration that failed, and a warning."""
    build = TraceBuilder()
    warning = "Flow ends: 'route_ticket' not found in ['default']"
    flow = build.add(None, SpanKind.FLOW, "Support", warnings=[warning])
    changes = {
        "added": {"classification": {"category": "billing"}},
        "changed": {"steps": [[0] * 30, [0] * 31], "count": [1, 2]},
        "removed": {"draft": "x"},
    }
    node = build.node(flow, "Classify", "prep", action="route_ticket", attempts=2, changes=changes)
    slow = ErrorInfo("TimeoutError", "slow", stacktrace())
    build.failed(node, SpanKind.EXEC, "Classify.exec", slow, attempt=1, max_attempts=3, recovered=True)
    build.add(node, SpanKind.EXEC, "Classify.exec", attempt=2, max_attempts=3)
    build.add(node, SpanKind.POST, "Classify.post", changes=changes)
    iteration = build.add(flow, SpanKind.ITERATION, "iteration", item=0, params={"file": "a.txt"})
    lost = build.node(iteration, "Read", visit=3, node_key="Read#2", status=Status.ERROR)
    bad = build.failed(lost, SpanKind.EXEC, "Read.exec", ErrorInfo("OSError", "no file", stacktrace()))
    lost.error = ErrorInfo("OSError", "no file", raised_in=bad.span_id)
    return build


def long_loop(steps: int) -> TraceBuilder:
    """A flow that ran a node with its three phases `steps` times."""
    build = TraceBuilder("Loop")
    flow = build.add(None, SpanKind.FLOW, "Loop")
    for visit in range(1, steps + 1):
        build.node(flow, "Step", "prep", "exec", "post", visit=visit)
    return build
