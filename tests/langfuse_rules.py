"""What Langfuse makes of the spans it gets: what it does not understand, and the tree that it shows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pocketflow_tracing import __version__
from pocketflow_tracing.model import ErrorInfo, SpanKind, Status, Trace
from pocketflow_tracing.model import Span as Kept

SCOPE = "langfuse-sdk.pocketflow"
PLAIN_SCOPE = "pocketflow-tracing"
"""Where it goes elsewhere than to Langfuse."""
OBSERVATION = "langfuse.observation."
METADATA = "langfuse.observation.metadata."
TYPES = {"span", "generation", "chain", "agent", "tool", "retriever", "evaluator", "guardrail", "embedding"}
LEVELS = {"DEBUG", "DEFAULT", "WARNING", "ERROR"}
ON_EVERY_SPAN = {"langfuse.trace.name", "langfuse.environment"}
OF_THE_TRACE = {*ON_EVERY_SPAN, "langfuse.trace.tags", "langfuse.release", "user.id", "session.id"}
TEXTS = {"input", "output"}
NUMBERS = {"usage_details", "cost_details"}
JSON_TEXTS = {*TEXTS, *NUMBERS, "model.parameters"}
OWN = {*JSON_TEXTS, "type", "level", "status_message", "model.name", "completion_start_time"}
KNOWN = {
    *OF_THE_TRACE,
    *(OBSERVATION + name for name in OWN),
    "langfuse.internal.as_root",
    "langfuse.internal.is_app_root",
}
SHOWN_ANYWAY = {"node", "phase", "flow_path", "langgraph_node", "langgraph_step", "start_ns"}
"""Metadata that says what the tree shows by itself, or differs from run to run."""


def decoded(value: Any) -> Any:
    """An attribute's value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [decoded(item) for item in value.array_value.values]
    return None if kind is None else getattr(value, kind)


def attributes_of(holder: Any) -> dict[str, Any]:
    """The attributes of a span, a resource or an event, each name once."""
    names = Counter(attribute.key for attribute in holder.attributes)
    assert max(names.values(), default=1) == 1, f"an attribute twice: {names.most_common(1)}"
    return {attribute.key: decoded(attribute.value) for attribute in holder.attributes}


def of_observation(span: Span) -> dict[str, Any]:
    """What a span says of itself as an observation, metadata apart."""
    return {
        name.removeprefix(OBSERVATION): value
        for name, value in attributes_of(span).items()
        if name.startswith(OBSERVATION) and not name.startswith(METADATA)
    }


def metadata_of(span: Span) -> dict[str, Any]:
    """The metadata of a span, by which it is filtered."""
    found = attributes_of(span).items()
    return {name.removeprefix(METADATA): value for name, value in found if name.startswith(METADATA)}


# What is wrong


def wrong_in(scope: Any, span: Span) -> Iterator[str]:
    """What a server would trip over; of our own spans also what it would not understand."""
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in (0, 8):
        yield f"{span.name}: ids"
    if not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
        yield f"{span.name}: times"
    if len(span.attributes) > 128 or not span.name:
        yield f"{span.name}: too many attributes, or no name"
    names = attributes_of(span)
    if scope.name == SCOPE:
        yield from (f"{span.name}: {what}" for what in _not_understood(span))
        yield from (f"{span.name}: no {name}" for name in ON_EVERY_SPAN - set(names))
    elif scope.name == PLAIN_SCOPE:
        yield from (f"{span.name}: {name} elsewhere than in Langfuse" for name in names if "langfuse" in name)
    else:
        return  # what comes from others is their affair
    if scope.version != __version__:
        yield f"{span.name}: the scope's version is {scope.version!r}"


def _not_understood(span: Span) -> Iterator[str]:
    for name, value in attributes_of(span).items():
        if name.startswith((METADATA, "langfuse.trace.metadata.")):
            if not isinstance(value, (str, int, float)):
                yield f"{name} is nothing to filter by: {value!r:.60}"
        elif name not in KNOWN:
            yield f"{name} is unknown"
    found = of_observation(span)
    if found.get("type") not in TYPES:
        yield f"the type is {found.get('type')!r}"
    if found.get("level", "DEFAULT") not in LEVELS:
        yield f"the level is {found['level']!r}"
    if (found.get("level") == "ERROR") != (span.status.code == 2):
        yield f"the level is {found.get('level')!r}, the status {span.status.code}"
    for name in JSON_TEXTS & set(found):
        try:
            value = json.loads(found[name])
        except ValueError:
            yield f"{name} is no JSON text: {found[name]!r:.60}"
            continue
        if name in NUMBERS and not all(isinstance(number, (int, float)) for number in value.values()):
            yield f"{name} are no numbers: {value}"
    if "completion_start_time" in found:
        datetime.fromisoformat(found["completion_start_time"].replace("Z", "+00:00"))
    if not re.fullmatch(r"(?!langfuse)[a-z0-9_-]{1,40}", attributes_of(span)["langfuse.environment"]):
        yield "the environment becomes `default`"


def disagreeing(spans: Iterable[Span]) -> list[str]:
    """The fields of a trace that spans of one run in it do not agree on: the server takes them from any."""
    said: dict[tuple[str, str], set[str]] = {}
    for span in spans:
        found = attributes_of(span)
        if "langfuse.trace.name" in found:  # the others are not ours
            for name in OF_THE_TRACE:
                said.setdefault((found["langfuse.trace.name"], name), set()).add(repr(found.get(name)))
    return [f"{run}: {name} is {values}" for (run, name), values in said.items() if len(values) > 1]


# What is shown


def shown(spans: Iterable[Span]) -> Iterator[tuple[int, Span]]:
    """The spans as Langfuse shows them, each with its depth.

    Starts are cut to milliseconds, and siblings sorted by them alone. Those of one millisecond come
    in any order there; here in the wrong one.
    """
    known = list(spans)
    ids = {span.span_id for span in known}
    children: dict[bytes, list[Span]] = {}
    for span in sorted(known, key=lambda span: -span.start_time_unix_nano):
        children.setdefault(span.parent_span_id if span.parent_span_id in ids else b"", []).append(span)
    for siblings in children.values():
        siblings.sort(key=lambda span: span.start_time_unix_nano // 1_000_000)
    waiting = [(0, span) for span in reversed(children.get(b"", []))]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(children.get(span.span_id, []))]


def tree(spans: Iterable[Span]) -> str:
    """The tree that Langfuse shows, as text: name, type, level and metadata of each observation."""
    found = list(shown(spans))
    titles = _titles([(depth, span.name) for depth, span in found])
    width = max(map(len, titles), default=0)
    lines = []
    for title, (_, span) in zip(titles, found, strict=True):
        about = of_observation(span)
        metadata = {key: value for key, value in metadata_of(span).items() if key not in SHOWN_ANYWAY}
        words = [f"{title:{width}} {about['type']:5}"]
        if "level" in about:
            words.append(f"{about['level']} {about['status_message']!r}")
        words += [f"{key}={value}" for key, value in sorted(metadata.items())]
        lines.append(" ".join(words).rstrip())
    return "\n".join(lines) + "\n"


def _titles(found: list[tuple[int, str]]) -> list[str]:
    """The names, with lines that lead to them."""
    titles = []
    goes_on: set[int] = set()
    for depth, name in reversed(found):
        goes_on = {level for level in goes_on if level <= depth}
        lines = ["│  " if level in goes_on else "   " for level in range(1, depth)]
        turn = [] if depth == 0 else ["├─ " if depth in goes_on else "└─ "]
        titles.append("".join([*lines, *turn, name]))
        goes_on.add(depth)
    return titles[::-1]


def read_back(spans: Iterable[Span]) -> Trace:
    """The trace as one reads it in Langfuse, for an outline: from names, types, levels and metadata alone."""
    kept = []
    for _, span in shown(spans):
        found, metadata = of_observation(span), metadata_of(span)
        message = found.get("status_message", "")
        is_failed = found.get("level") == "ERROR" or "recovered" in metadata
        kept.append(
            Kept(
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex() or None,
                name=span.name,
                kind=_kind(found["type"], metadata),
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                status=Status.ERROR if is_failed else Status.OK,
                error=ErrorInfo(message.partition(":")[0], message) if is_failed else None,
                node_key=metadata.get("langgraph_node"),
                attributes=metadata,
            )
        )
    return Trace(id="", trace_id="", name=kept[0].name, start_ns=kept[0].start_ns, spans=kept)


def _kind(type: str, metadata: dict[str, Any]) -> SpanKind:
    if "phase" in metadata:
        return SpanKind(metadata["phase"])
    if "langgraph_node" in metadata:
        return SpanKind.NODE
    if type == "chain":
        return SpanKind.FLOW
    if type == "generation":
        return SpanKind.GENERATION
    return SpanKind.ITERATION if "item" in metadata else SpanKind.SPAN
