"""What the page is given: a trace as JSON that a browser reads exactly, its values apart from it.

`page_form` is the trace without its values, small and read at once. `values_form` is what one span was
given, gave and changed, read when it is looked at. Times are nanoseconds since the start of the trace,
since JavaScript counts exactly to 2^53 only.

    {"schema": 1, "id", "name", "status", "started_ms", "duration_ns" (null while it runs), "reach_ns"
     (how far its spans reach), "project", "session_id", "user_id", "tags", "metadata", "variant",
     "environment", "release", "scores", "span_count", "dropped_spans", "complete",
     "flows": [{"path", "label", "holder", "walks", "nodes": […], "edges": […]}]  (see view/walked.py),
     "spans": [{"id", "parent", "name", "kind", "start", "end", "status", "key", "place", "message",
                "attributes", "error", "generation", "redacted", "truncated", "changed", "holds"}]}

What is empty is left out of a span. `place` is the id of the node of the graph that it is a run of,
`changed` the names of what it changed in the store, `holds` the names of its values.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ...model import JSON, ErrorInfo, Span, Status, Trace
from ..walked import Walked

SCHEMA = 1
MAX_CHANGED = 6
MAX_CHANGED_NAME = 40
_OWN = ("name", "session_id", "user_id", "tags", "metadata", "variant", "environment", "release", "project")
_COUNTED = ("scores", "span_count", "dropped_spans", "complete")
_SIGNS = (("+", "added"), ("~", "changed"), ("-", "removed"))


def page_form(trace: Trace, spans: Iterable[Span] | None = None) -> dict[str, JSON]:
    """Everything of a trace but its values; of its spans only `spans`, where these are given."""
    walked = Walked(trace)
    return {
        "schema": SCHEMA,
        "id": trace.id,
        "status": trace.status.value,
        "started_ms": trace.start_ns // 1_000_000,
        "duration_ns": trace.duration_ns,
        "reach_ns": _reach_ns(trace),
        **{name: getattr(trace, name) for name in (*_OWN, *_COUNTED)},
        "flows": [asdict(flow) for flow in walked.flows.values()],
        "spans": [_span_form(span, trace, walked) for span in (trace.spans if spans is None else spans)],
    }


def _reach_ns(trace: Trace) -> int:
    """How far the spans reach: to now for a trace that runs."""
    if trace.end_ns is None and trace.status is Status.UNSET:
        return max(time.time_ns() - trace.start_ns, 0)
    ends = [span.end_ns or span.start_ns for span in trace.spans]
    return max([trace.end_ns or trace.start_ns, *ends]) - trace.start_ns


def _span_form(span: Span, trace: Trace, walked: Walked) -> dict[str, JSON]:
    form: dict[str, JSON] = {
        "id": span.span_id,
        "parent": span.parent_id,
        "name": span.name,
        "kind": span.kind.value,
        "start": span.start_ns - trace.start_ns,
        "end": None if span.end_ns is None else span.end_ns - trace.start_ns,
        "status": span.status.value,
        "key": span.node_key,
        "place": walked.place_of.get(span.span_id),
        "message": span.status_message,
        "attributes": span.attributes,
        "error": None if span.error is None else _error_form(span.error),
        "generation": None if span.generation is None else asdict(span.generation),
        "redacted": span.redacted,
        "truncated": span.truncated,
        "changed": _changed(span.changes),
        "holds": list(values_form(span)),
    }
    return {name: value for name, value in form.items() if value not in (None, "", [], {})}


def _error_form(error: ErrorInfo) -> dict[str, JSON]:
    form: dict[str, JSON] = {
        "type": error.type,
        "message": error.message,
        "notes": error.notes,
        "causes": error.causes,
        "raised_in": error.raised_in,
    }
    return {name: value for name, value in form.items() if value}


def _changed(changes: Any) -> list[str]:
    """The names of what was added, changed and removed, each with its sign."""
    if not isinstance(changes, dict):
        return []
    names = [
        sign + (key if len(key) <= MAX_CHANGED_NAME else key[:MAX_CHANGED_NAME] + "…")
        for sign, kind in _SIGNS
        if isinstance(changes.get(kind), dict)
        for key in changes[kind]
    ]
    more = len(names) - MAX_CHANGED
    return names if more <= 0 else [*names[:MAX_CHANGED], f"and {more:,} more"]


def values_form(span: Span) -> dict[str, JSON]:
    """What a span was given, gave and changed, and where its error came from."""
    error = span.error
    values = {
        "input": span.input,
        "output": span.output,
        "changes": span.changes,
        "stacktrace": error.stacktrace or None if error is not None else None,
        "locals": error.locals if error is not None else None,
    }
    return {name: value for name, value in values.items() if value is not None}
