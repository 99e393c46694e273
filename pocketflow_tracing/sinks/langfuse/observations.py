"""How a span becomes an observation: which attribute holds what, which types, levels and metadata."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from ...model import JSON, SpanKind, Status, Trace
from ..otlp.encoding import CLIENT, ERROR, INTERNAL, Attributes, clip, compact, encodable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...store.outbox import ExportRow
    from ..network import Lookup

MAX_ID = 200
"""What Langfuse takes of a user's and a session's id."""
MAX_ENTRIES = 30
"""How many entries of one source become metadata: a span may have 128 attributes in all."""
SHARED_BYTES = 1_000
MOST_SHARED = 1_000
"""So much, so often, is kept of what spans have in common: at most 1 MB or so."""
MAX_TEXT = 1_000
"""Metadata is for filtering; what is longer is cut."""
TYPES = frozenset(
    ("agent", "tool", "chain", "retriever", "evaluator", "guardrail", "embedding", "generation", "span")
)

_PHASES = frozenset(kind.value for kind in (SpanKind.PREP, SpanKind.EXEC, SpanKind.FALLBACK, SpanKind.POST))
_OK, _ERROR, _CANCELLED = Status.OK.value, Status.ERROR.value, Status.CANCELLED.value
_COUNTED = re.compile(r'(\{"node_key":"[^"\\]*","attributes":\{)"(visit|item)":(\d+)')
"""The beginning of a body that is like that of other visits and other items but for the number."""
_decode = json.JSONDecoder().raw_decode
_OBSERVATION = "langfuse.observation."
_METADATA = "langfuse.observation.metadata."


class Observations:
    """Makes the observations of one trace."""

    def __init__(self, trace: Trace, lookup: Lookup) -> None:
        self._trace = trace
        self._lookup = lookup
        fields = {
            "langfuse.trace.name": trace.name,
            "user.id": (trace.user_id or "")[:MAX_ID],
            "session.id": (trace.session_id or "")[:MAX_ID],
            "langfuse.environment": trace.environment,
            "langfuse.release": trace.release,
        }
        self._shared: dict[tuple[object, ...], bytes] = {}
        self._common = WireSpan(trace_id=bytes.fromhex(trace.trace_id))
        put = Attributes(self._common.attributes)
        for key, value in fields.items():
            if value:
                put.text(key, value)
        if trace.tags:
            put.texts("langfuse.trace.tags", trace.tags)

    def fill(self, row: ExportRow, span: WireSpan) -> None:
        """Make `span`, which is empty, the observation of one span."""
        own = _own_metadata(row)
        body = row.body
        if (counted := _COUNTED.match(body)) is not None:
            own[counted[2]] = int(counted[3])
            body = counted[1] + body[counted.end() :]
        alike = (row.kind, row.name, row.status, row.end_ns is None, row.flow_path, body, *own)
        shared = self._shared.get(alike)
        if shared is None:
            shared = self._remember(alike, self._shared_part(row, own))
        span.MergeFromString(shared)
        span.span_id = bytes.fromhex(row.span_id)
        span.start_time_unix_nano = row.export_start_ns
        span.end_time_unix_nano = row.export_end_ns
        put = Attributes(span.attributes)
        if row.input is not None:
            put.text("langfuse.observation.input", row.input)
        output = row.output if row.output is not None else self._error_output(row)
        if output is not None:
            put.text("langfuse.observation.output", output)
        for key, entry in own.items():
            put.put(_METADATA + key, entry)
        parent_id = row.parent_id or self._trace.parent_span_id
        if parent_id is not None:
            span.parent_span_id = bytes.fromhex(parent_id)
        if row.parent_id is None:
            self._put_trace(put)

    def _shared_part(self, row: ExportRow, own: Iterable[str]) -> bytes:
        """What the span has in common with those that went through the same step in the same way."""
        body: dict[str, JSON] = _decode(row.body)[0]
        span = WireSpan(name=row.name, kind=CLIENT if row.kind == "generation" else INTERNAL)
        span.MergeFrom(self._common)
        put = Attributes(span.attributes)
        put.text("langfuse.observation.type", _type_of(row.kind, body))
        self._put_level(span, put, row, body)
        for key, entry in _metadata(row, body).items():
            if key not in own:
                put.put(_METADATA + key, entry)
        if body.get("generation") is not None:
            self._put_generation(put, body)
        encoded: bytes = span.SerializeToString()
        return encoded

    def _remember(self, alike: tuple[object, ...], shared: bytes) -> bytes:
        if len(shared) <= SHARED_BYTES:
            if len(self._shared) >= MOST_SHARED:
                self._shared.clear()
            self._shared[alike] = shared
        return shared

    def _put_level(self, span: WireSpan, put: Attributes, row: ExportRow, body: dict[str, JSON]) -> None:
        level, message = _level(row, body)
        if message:
            put.text("langfuse.observation.status_message", message)
        if level is not None:
            put.text("langfuse.observation.level", level)
        if level == "ERROR":
            span.status.code = ERROR
            span.status.message = encodable(message)

    def _error_output(self, row: ExportRow) -> str | None:
        """What failed, in place of an output; at the top with the stack trace from where it was raised."""
        error = _decode(row.body)[0].get("error") if '"error"' in row.body else None
        if error is None:
            return None
        shown = {name: value for name, value in error.items() if value}
        if (raised_in := shown.pop("raised_in", None)) and (found := self._lookup(raised_in)) is not None:
            shown["raised_in"] = found[0]
            if row.parent_id is None:
                stacktrace = (found[1].get("error") or {}).get("stacktrace")
                shown.update({"stacktrace": stacktrace} if stacktrace else {})
        return compact({"error": shown})

    def _put_generation(self, put: Attributes, body: dict[str, JSON]) -> None:
        generation = body["generation"]
        put.put(_OBSERVATION + "model.name", generation.get("model"))
        for key, name in (
            ("parameters", "model.parameters"),
            ("usage", "usage_details"),
            ("cost", "cost_details"),
        ):
            if generation.get(key):
                put.text(_OBSERVATION + name, compact(generation[key]))
        attributes = body.get("attributes", {})
        put.put(_OBSERVATION + "completion_start_time", attributes.get("completion_start_time"))

    def _put_trace(self, put: Attributes) -> None:
        """What stands on the root alone."""
        trace = self._trace
        known: dict[str, JSON] = {"project": trace.project, "variant": trace.variant}
        if trace.dropped_spans:
            known["dropped_spans"] = str(trace.dropped_spans)
        if not trace.complete:
            known["complete"] = "false"
        known.update(list(trace.metadata.items())[:MAX_ENTRIES])
        for key, value in known.items():
            put.put(f"langfuse.trace.metadata.{key}", value)
        if trace.parent_span_id is not None:
            # It joined a trace of somebody else's: without these, nothing fills the trace's own row.
            put.put("langfuse.internal.as_root", True)
            put.put("langfuse.internal.is_app_root", True)


def _type_of(kind: str, body: dict[str, JSON]) -> str:
    declared = body.get("attributes", {}).get("type")
    if type(declared) is str and declared in TYPES:
        return declared
    if kind == "flow":
        return "chain"
    return "generation" if kind == "generation" else "span"


def _level(row: ExportRow, body: dict[str, JSON]) -> tuple[str | None, str]:
    """Level and status message; None for an ordinary span."""
    attributes = body.get("attributes", {})
    message = body.get("status_message", "")
    if row.status == _OK:
        warnings = attributes.get("warnings")
        return ("WARNING", str(warnings[0])) if isinstance(warnings, list) and warnings else (None, message)
    if row.status == _ERROR:
        return ("WARNING" if attributes.get("recovered") else "ERROR"), message
    if row.status == _CANCELLED:
        return "WARNING", message or "cancelled"
    if row.end_ns is None:
        return "ERROR", "interrupted: the end of this step was not seen"
    return None, message


def _metadata(row: ExportRow, body: dict[str, JSON]) -> dict[str, JSON]:
    """Flat and short, so that it can be filtered by. Where a program uses a name of ours, ours counts."""
    attributes: dict[str, JSON] = body.get("attributes", {})
    found: dict[str, JSON] = {}
    for key, value in attributes.items() if len(attributes) <= MAX_ENTRIES else _first(attributes):
        if key == "params" and type(value) is dict:
            found.update((f"params.{name}", _short(parameter)) for name, parameter in _first(value))
        else:
            found[key] = value if type(value) is int else _short(value)
    node_key = body.get("node_key")
    if node_key is not None:
        found["node"] = node_key
    if row.kind in _PHASES:
        found["phase"] = row.kind
    if row.flow_path:
        found["flow_path"] = row.flow_path
    if row.step is not None:
        # Of nodes alone: the graph is drawn from it and the step, and shows just what has them.
        found["langgraph_node"] = node_key or row.name
    for key in ("redacted", "truncated"):
        if key in body:
            found[key] = _short(", ".join(body[key]))
    return found


def _own_metadata(row: ExportRow) -> dict[str, JSON]:
    """The metadata that hardly any two spans have in common."""
    found: dict[str, JSON] = {}
    if row.step is not None:
        found["langgraph_step"] = row.step
    if row.changes is not None:
        changes = _decode(row.changes)[0]
        if names := _changes(changes):
            found["changes"] = names
            if changes.get("concurrent"):
                found["changes_concurrent"] = True
    if row.export_start_ns != row.start_ns:
        found["start_ns"] = row.start_ns
    return found


def _first(entries: dict[str, JSON]) -> list[tuple[str, JSON]]:
    return list(entries.items())[:MAX_ENTRIES]


def _short(value: JSON) -> JSON:
    if isinstance(value, (dict, list)):
        value = compact(value)
    return clip(value, MAX_TEXT) if isinstance(value, str) else value


def _changes(changes: JSON) -> str:
    """The names of the keys that were added, changed and removed: `+category ~steps -draft`."""
    if not isinstance(changes, dict):
        return ""
    names = [
        f"{sign}{key}"
        for sign, kind in (("+", "added"), ("~", "changed"), ("-", "removed"))
        for key in changes.get(kind) or ()
    ]
    return str(_short(" ".join(names)))
