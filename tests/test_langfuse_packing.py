"""How spans become requests: in pieces that are small enough, and that can be taken apart again."""

from __future__ import annotations

import gzip
import json
import types
import zlib
from pathlib import Path
from typing import Any

import pytest
from langfuse_rules import attributes_of
from langfuse_support import HERE, KEYS, asking, keep, traced, wired
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from store_support import made_trace

from pocketflow_tracing import TracingConfig
from pocketflow_tracing.config import resolve
from pocketflow_tracing.delivery.shipping.batches import batches
from pocketflow_tracing.model import Trace
from pocketflow_tracing.sinks.langfuse import langfuse_sink
from pocketflow_tracing.sinks.otlp import encoding
from pocketflow_tracing.sinks.otlp.encoding import Envelope, Piece, body_of, halves, shortened
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.outbox import Outbox


def packed(*traces: Trace) -> list[Piece]:
    """These traces as they are sent in one request."""
    (sink,) = langfuse_sink(resolve(TracingConfig(**KEYS)))
    store = Store(":memory:")
    for trace in traces:
        keep(store, trace, HERE)
    outbox, envelope = Outbox(store, HERE), Envelope("scope", {"service.name": "x"})
    sent = batches(outbox, outbox.claim(), sink, envelope, lambda: None, lambda: 10_000)
    pieces = [piece for batch in sent for piece in batch.pieces]
    store.close()
    return pieces


def spans_of(body: bytes) -> list[Span]:
    """The spans of a request, each of which says whose it is."""
    found = []
    for resourced in ExportTraceServiceRequest.FromString(body).resource_spans:
        assert attributes_of(resourced.resource) == {"service.name": "x"}
        (scoped,) = resourced.scope_spans
        assert scoped.scope.name == "scope"
        found += scoped.spans
    return found


def test_a_request_in_pieces_is_one_request() -> None:
    """Protobuf reads pieces one after the other as the whole; compressed or not, the spans are the same."""
    trace = made_trace(1, spans=500)
    pieces = packed(trace)
    plain = body_of(pieces, compresses=False)
    assert len(pieces) > 1
    assert spans_of(plain) == wired(trace)
    assert sum(piece.spans for piece in pieces) == 500
    compressed = body_of(pieces, compresses=True)
    assert gzip.decompress(compressed) == plain
    assert compressed == body_of(packed(trace), compresses=True)
    assert body_of([], compresses=False) == b""


def test_halves_of_a_piece_hold_its_spans() -> None:
    """Whose they are and where they come from stands around both."""
    (piece,) = packed(made_trace(1, spans=5))
    first, second = halves(piece)
    assert (first.spans, second.spans) == (2, 3)
    assert spans_of(first.body) + spans_of(second.body) == spans_of(piece.body)


def test_no_call_into_c_gets_much_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts of 5 MB: what is packed or compressed in one go is a span, or 64 KB."""
    given: list[int] = []

    class Counting:
        def __init__(self, *arguments: Any) -> None:
            self._real = zlib.compressobj(*arguments)

        def compress(self, data: bytes) -> bytes:
            given.append(len(data))
            return self._real.compress(data)

        def flush(self) -> bytes:
            return self._real.flush()

    names = {"compressobj": Counting, "DEFLATED": zlib.DEFLATED, "MAX_WBITS": zlib.MAX_WBITS}
    monkeypatch.setattr(encoding, "zlib", types.SimpleNamespace(**names))
    runs = [traced(tmp_path / "traces.db", asking(), {"question": "why? " * 1_000_000}) for _ in range(5)]
    biggest = max(span.ByteSize() for run in runs for span in wired(run))
    assert biggest < 5 * encoding.PIECE_BYTES  # input, output and what stands around them
    pieces = packed(*runs)
    assert max(len(piece.body) for piece in pieces) < biggest + encoding.PIECE_BYTES
    body_of(pieces, compresses=True)
    assert max(given) == encoding.PIECE_BYTES


def test_a_span_too_large_is_shortened_everywhere() -> None:
    """Every text is cut, and says by how much; the original stays as it was."""
    trace = made_trace(1, spans=1)
    trace.spans[0].input = "x" * 50_000
    (piece,) = packed(trace)
    short = shortened(piece, 100)
    assert len(short.body) < 3_000 < len(piece.body)
    (before,), (after,) = spans_of(piece.body), spans_of(short.body)
    assert json.loads(attributes_of(after)["langfuse.observation.input"]).endswith("more")
    assert after.span_id == before.span_id
