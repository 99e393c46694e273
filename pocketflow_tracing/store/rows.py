"""Traces and spans as rows of the tables, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .. import jsontext
from ..jsontext import to_json_in_pieces
from ..model import JSON, SCHEMA, Span, Status, Trace
from ..tally import Tally

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:
    from .record import Record

_NO_TEXTS: Mapping[str, str] = {}
_encode_ascii = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class TraceRow(Record):
    """A trace without its spans.

    `input`, `output` and the counts are None where they are not to be written; `tags` is a JSON array.
    """

    id: str
    name: str
    status: str
    start_ns: int
    end_ns: int | None
    session_id: str | None
    user_id: str | None
    span_count: int
    body: str
    project: str | None
    tags: str | None
    nodes: int | None
    retries: int | None
    errors: int | None
    warnings: int | None
    tokens: int | None
    cost: float | None
    input: str | None
    output: str | None

    def counted(self, tally: Tally) -> TraceRow:
        """This row with these counts."""
        return self._replace(**{name: getattr(tally, name) for name in COUNTS})


COUNTS = ("nodes", "retries", "errors", "warnings", "tokens", "cost")


class SpanRow(Record):
    """A span of the trace with the id `trace_id`."""

    trace_id: str
    span_id: str
    seq: int
    parent_id: str | None
    kind: str
    name: str
    status: str
    start_ns: int
    end_ns: int | None
    input: str | None
    output: str | None
    changes: str | None
    body: str

    @property
    def size(self) -> int:
        """About how many bytes the row takes."""
        values = len(self.input or "") + len(self.output or "") + len(self.changes or "")
        return 200 + len(self.body) + values


def trace_row(trace: Trace) -> TraceRow:
    """The row of a trace, with the counts of the spans that it holds, if any."""
    body = trace.to_dict()
    for column in (*TraceRow._fields, "schema", "spans"):
        if column not in ("project", "tags"):
            body.pop(column, None)
    row = TraceRow(
        trace.id,
        _utf8(trace.name) or "",
        trace.status.value,
        trace.start_ns,
        trace.end_ns,
        _utf8(trace.session_id),
        _utf8(trace.user_id),
        trace.span_count,
        to_json(body),
        _utf8(trace.project),
        to_json(trace.tags) if trace.tags else None,
        None,
        None,
        None,
        None,
        None,
        None,
        None if trace.input is None else _text(trace.input, to_json_in_pieces(trace.input)),
        None if trace.output is None else _text(trace.output, to_json_in_pieces(trace.output)),
    )
    return row.counted(Tally.of(trace)) if trace.spans else row


def span_row(span: Span, texts: Mapping[str, str] = _NO_TEXTS) -> SpanRow:
    """The row of a span; `texts` holds values as JSON text, by field, as far as it is known.

    Each value is encoded for itself, so that no single call takes long.
    """
    return SpanRow(
        span.trace_id,
        span.span_id,
        span.seq,
        span.parent_id,
        span.kind.value,
        _utf8(span.name) or "",
        span.status.value,
        span.start_ns,
        span.end_ns,
        None if span.input is None else _text(span.input, texts.get("input")),
        None if span.output is None else _text(span.output, texts.get("output")),
        None if span.changes is None else _text(span.changes, texts.get("changes")),
        to_json(body) if (body := body_of(span)) else "{}",
    )


def body_of(span: Span) -> dict[str, JSON]:
    """What has no column of its own; what is empty is left out."""
    form: dict[str, JSON] = {}
    if span.node_key is not None:
        form["node_key"] = span.node_key
    if span.status_message:
        form["status_message"] = span.status_message
    if span.attributes:
        form["attributes"] = span.attributes
    if span.error is not None:
        form["error"] = asdict(span.error)
    if span.generation is not None:
        form["generation"] = asdict(span.generation)
    if span.redacted:
        form["redacted"] = span.redacted
    if span.truncated:
        form["truncated"] = span.truncated
    return form


def with_losses(row: TraceRow, lost: int) -> TraceRow:
    """The row of a trace of which `lost` more spans will never be seen."""
    body = json.loads(row.body)
    body["dropped_spans"] += lost
    body["complete"] = body["complete"] and not lost
    return row._replace(body=to_json(body))


def trace_of(columns: dict[str, Any], interrupted: bool) -> Trace:
    """The trace of a row, with its values where they were read; `interrupted` where it never saw its end."""
    form = {**columns, **json.loads(columns["body"]), "schema": SCHEMA}
    form["input"] = _value(columns.get("input"))
    form["output"] = _value(columns.get("output"))
    trace = Trace.from_dict(form)
    if interrupted:
        trace.status = Status.INTERRUPTED
        trace.complete = False
    return trace


def span_of(columns: dict[str, Any], trace: Trace) -> Span:
    """The span of a row; where the trace was interrupted, so was every span without an end."""
    form = {**columns, **json.loads(columns["body"]), "trace_id": trace.id}
    for name in ("input", "output", "changes"):
        form[name] = _value(columns[name])
    span = Span.from_dict(form)
    if span.end_ns is None and trace.status is Status.INTERRUPTED:
        span.status = Status.INTERRUPTED
    return span


def to_json(value: JSON) -> str:
    """`value` as JSON text that SQLite takes."""
    text = jsontext.to_json(value)
    # UTF-8 has no lone surrogates; escaped they survive.
    return text if _utf8(text) == text else _encode_ascii(value)


def _text(value: JSON, text: str | None) -> str:
    return text if text is not None and _utf8(text) == text else to_json(value)


def _value(text: str | None) -> JSON:
    return None if text is None else json.loads(text)


def _utf8(text: str | None) -> str | None:
    """`text` as SQLite can store it: a lone surrogate becomes a question mark."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")
