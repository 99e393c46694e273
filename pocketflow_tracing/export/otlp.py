"""A trace as OTLP in JSON: what collectors and other OpenTelemetry tools read from a file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ..model import JSON, Trace
from ..sinks.network import version
from ..sinks.otlp.encoding import Attributes
from ..sinks.otlp.settings import SCOPE
from ..sinks.otlp.spans import PlainSpans
from ..store.ordering import Timing, exports
from ..store.outbox import ExportRow
from ..store.rows import span_row

_IDS = ("traceId", "spanId", "parentSpanId")


def otlp_form(trace: Trace) -> dict[str, JSON]:
    """The request that would carry `trace`, in OTLP's own JSON: ids in hex, enumerations as numbers."""
    request = ExportTraceServiceRequest()
    resourced = request.resource_spans.add()
    Attributes(resourced.resource.attributes).text("service.name", trace.project or "pocketflow")
    scoped = resourced.scope_spans.add()
    scoped.scope.name, scoped.scope.version = SCOPE, version()
    fill = PlainSpans(trace).fill
    for row in _rows(trace):
        fill(row, scoped.spans.add())
    form: dict[str, JSON] = MessageToDict(request, use_integers_for_enums=True)
    _write_ids(form)
    return form


def _rows(trace: Trace) -> Iterator[ExportRow]:
    """The spans as the store would hand them out for export."""
    reach_ns = max((span.end_ns or span.start_ns for span in trace.spans), default=trace.start_ns)
    spans = sorted(trace.spans, key=lambda span: (span.start_ns, span.seq))
    timings = [
        Timing(s.span_id, s.parent_id, s.kind.value, s.name, s.start_ns, s.end_ns or reach_ns) for s in spans
    ]
    by_position = {export.position: export for export in exports(timings)}
    for position, span in enumerate(spans):
        row, export = span_row(span), by_position[position]
        yield ExportRow(
            row.span_id, row.parent_id, row.kind, row.name, row.status, row.start_ns, row.end_ns,
            row.input, row.output, row.changes, row.body,
            export.start_ns, export.end_ns, export.step, export.flow_path,
        )  # fmt: skip


def _write_ids(form: Any) -> None:
    """Turn the ids, which protobuf's JSON has in base64, into hex as OTLP's has them."""
    for resourced in form.get("resourceSpans", ()):
        for scoped in resourced.get("scopeSpans", ()):
            for span in scoped.get("spans", ()):
                for name in _IDS:
                    if span.get(name):
                        span[name] = base64.b64decode(span[name]).hex()
