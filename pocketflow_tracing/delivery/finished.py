"""What ran as the model has it: spans and traces with their values as masked JSON.

Loaded with the first trace, since all that renders and masks comes with it.
"""

from __future__ import annotations

from typing import Any

from ..live import LiveSpan, LiveTrace, span_hex, trace_hex
from ..model import JSON, Span, Status, Trace
from ..values.redaction import Policy
from ..values.rendering import render


def finished(live: LiveSpan, policy: Policy) -> Span:
    """The model's span for `live`, its values as masked JSON. Also for open spans."""
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
        node_key=live.node_key if live.step is None else live.step.span.node_key,
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
    """The model's trace for `trace`, without its spans. Also for a running trace."""
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
