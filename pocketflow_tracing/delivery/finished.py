"""What ran as the model has it: spans and traces with their values as masked JSON.

Loaded with the first trace, since all that renders and masks comes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ..jsontext import utf8_size
from ..live import LiveSpan, LiveTrace, span_hex, trace_hex
from ..model import JSON, Generation, Graph, Span, Status, Trace
from ..values import Snapshot
from ..values.redaction import Policy
from ..values.rendering import Rendered, render
from .allowance import HEADER, Allowance

T = TypeVar("T")


Texts = dict[str, str]


def finished(
    live: LiveSpan, policy: Policy, allowance: Allowance, texts: Texts, *, again: bool = False
) -> Span:
    """The model's span for `live`, its values as masked JSON. Also for those that come `again` later.

    `texts` is given the JSON text of its input, output and changes, which is known by then.
    """
    policy = policy.within(live.capture.config)

    def make() -> Span:
        return _once_more_if_learned(policy, allowance, lambda: _span(live, policy, allowance, texts))

    return allowance.spent(live.seq, make, again=again)


def _once_more_if_learned(policy: Policy, allowance: Allowance, make: Callable[[], T]) -> T:
    """What `make` gives, made again where a secret came to light that may have been shown before it."""
    state, left = policy.state, allowance.left
    made = make()
    if policy.state is state:
        return made
    allowance.left = left
    return make()


def _span(live: LiveSpan, policy: Policy, allowance: Allowance, texts: Texts) -> Span:
    trace = live.trace
    span = Span(
        trace_hex(trace.id),
        span_hex(live.span_id),
        None if live.parent is None else span_hex(live.parent.span_id),
        policy.masked(live.name)[0],
        live.kind,
        live.start + trace.epoch_ns,
        live.end + trace.epoch_ns if live.end else None,
        live.status,
        "" if live.failure is None else live.failure.status_message(policy),
        None if live.step is None else live.step.key,
        generation=None if live.generation is None else _generation(live.generation, policy),
        seq=live.seq,
    )
    if live.input is not None:
        span.input = _shown(span, "input", live.inputs(), policy, allowance, texts)
    if live.output is not None:
        span.output = _shown(span, "output", live.outputs(), policy, allowance, texts)
    changes = None if live.changes is None else live.changes.changes()
    if changes is not None:
        span.changes = _shown(span, "changes", changes, policy, allowance, texts)
        if "changes" in span.truncated:
            span.changes = {**span.changes, "partial": True}
            del texts["changes"]
    for name, value in live.described().items():
        if type(value) is Snapshot:
            span.attributes.update([_given(span, name, value, policy, allowance)])
        else:
            span.attributes[name] = _attribute(span, name, value, policy, allowance)
    if live.failure is not None:
        span.error = live.failure.info(policy)
        if live.failure.locals is not None:
            span.error.locals = _shown(span, "error.locals", live.failure.locals, policy, allowance)
    return span


def _shown(
    span: Span, field: str, value: Any, policy: Policy, allowance: Allowance, texts: Texts | None = None
) -> JSON:
    result = allowance.fitting(render(value, policy, field), field)
    span.redacted += result.redacted
    span.truncated += result.truncated
    if texts is not None:
        texts[field] = result.text
    return result.value


def _generation(generation: Generation, policy: Policy) -> Generation:
    model, parameters = generation.model, generation.parameters
    return replace(
        generation,
        model=None if model is None else policy.mask_text(model, "generation.model"),
        parameters=render(parameters, policy, "generation.parameters").value if parameters else {},
    )


def _attribute(span: Span, name: str, value: Any, policy: Policy, allowance: Allowance) -> JSON:
    kind = type(value)
    if kind is str:
        return policy.mask_text(value, f"attributes.{name}")
    if value is None or kind is int or kind is bool:
        return value
    return _shown(span, f"attributes.{name}", value, policy, allowance)


def _given(span: Span, name: str, value: Snapshot, policy: Policy, allowance: Allowance) -> tuple[str, JSON]:
    """An attribute that the program named: its name may hold a secret, or tell that its value is one."""
    result = render({name: value}, policy, "attributes")
    shown = policy.name(name)[0]
    if type(result.value) is dict:
        result = Rendered(result.value.get(shown), None, result.redacted, result.truncated)
    result = allowance.fitting(result, f"attributes.{shown}")
    span.redacted += result.redacted
    span.truncated += result.truncated
    return shown, result.value


def keep_room(trace: LiveTrace, policy: Policy, allowance: Allowance) -> None:
    """Set aside what the input of a run takes, in its span and in the header, which are written last."""
    root = trace.root
    if root is not None and root.input is not None:
        size = utf8_size(render(root.inputs(), policy, "input").text)
        allowance.keep(HEADER, size)
        allowance.keep(root.seq, size)


def header(trace: LiveTrace, policy: Policy, allowance: Allowance) -> Trace:
    """The model's trace for `trace`, without its spans. Also for a running trace."""

    def make() -> Trace:
        return _once_more_if_learned(policy, allowance, lambda: _header(trace, policy, allowance))

    return allowance.spent(HEADER, make, again=True)


def _header(trace: LiveTrace, policy: Policy, allowance: Allowance) -> Trace:
    root = trace.root
    config = trace.config

    def value(field: str, value: Any) -> JSON:
        return None if value is None else allowance.fitting(render(value, policy, field), field).value

    def text(field: str, text: str | None) -> str | None:
        return None if text is None else policy.mask_text(text, field)

    def name(text: str | None) -> str | None:  # a mask of the user's own is for values, not for these
        return None if text is None else policy.masked(text)[0]

    return Trace(
        id=trace_hex(trace.id),
        trace_id=trace_hex(trace.trace_id),
        parent_span_id=None if trace.parent_span_id is None else span_hex(trace.parent_span_id),
        name=policy.masked(trace.name)[0],
        start_ns=trace.start + trace.epoch_ns,
        end_ns=trace.end + trace.epoch_ns if trace.end else None,
        status=root.status if root is not None else Status.UNSET,
        graph=_graph(trace.graph, policy),
        input=None if root is None else value("input", root.inputs()),
        output=None if root is None else value("output", root.outputs()),
        session_id=text("session_id", trace.session_id),
        user_id=text("user_id", trace.user_id),
        tags=[policy.mask_text(tag, "tags") for tag in trace.tags],
        metadata=value("metadata", trace.metadata) if trace.metadata else {},
        variant=name(trace.variant),
        environment=config.environment,
        release=name(config.release),
        project=name(trace.project),
        scores=[value("scores", score) for score in list(trace.scores)],
        span_count=trace.span_count,
        dropped_spans=trace.dropped_spans,
        complete=trace.complete,
    )


def _graph(graph: Graph, policy: Policy) -> Graph:
    """The flows as wired; an action is any text that a program likes to return."""
    edges = list(graph.edges)
    shown = [policy.masked(edge.action)[0] for edge in edges]
    if all(edge.action == action for edge, action in zip(edges, shown, strict=True)):
        return graph
    masked = [replace(edge, action=action) for edge, action in zip(edges, shown, strict=True)]
    return Graph(graph.nodes, masked)
