"""What an outbox holds for a sink, as batches of encoded spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import tell_failure
from ...jsontext import utf8_size
from ...model import JSON
from ...store.plans import PAGE_SPANS

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from ...model import Trace
    from ...sinks.network import Encode, Lookup, NetworkSink
    from ...sinks.otlp.encoding import Envelope, Piece
    from ...store.outbox import Claim, ExportRow, Outbox

BATCH_BYTES = 1024 * 1024
BATCH_SPANS = 2_000
SPAN_BYTES = 400
"""What a span takes beside its values, about."""


class Batch:
    """Spans that are sent together, and how far each trace is sent once they are confirmed."""

    def __init__(self, envelope: Envelope) -> None:
        self.spans = 0
        self.bytes = 0
        self.unencodable = 0
        self.traces: dict[int, Trace] = {}
        self._envelope = envelope
        self._claims: dict[int, Claim] = {}
        self._pieces: list[Piece] = []
        self._open: ExportTraceServiceRequest | None = None
        self._room = 0
        """For how many bytes the open piece has room."""
        self._open_spans: Any = ()

    def add(self, encode: Encode, row: ExportRow) -> None:
        """Add a span; one that cannot be encoded costs only itself."""
        size = SPAN_BYTES + utf8_size(row.body)
        if row.input is not None:
            size += utf8_size(row.input)
        if row.output is not None:
            size += utf8_size(row.output)
        if size > self._room:
            self._begin_piece()
        try:
            encode(row, self._open_spans.add())
        except Exception as failure:
            del self._open_spans[-1]
            tell_failure("encoding a span", failure)
            self.unencodable += 1
            return
        self.spans += 1
        self.bytes += size
        self._room -= size

    def _begin_piece(self) -> None:
        from ...sinks.otlp.encoding import PIECE_BYTES, spans_in

        self._close_piece()
        self._open = self._envelope.open()
        self._open_spans = spans_in(self._open)
        self._room = PIECE_BYTES

    def _close_piece(self) -> None:
        from ...sinks.otlp.encoding import piece_of

        if self._open is not None and self._open_spans:
            self._pieces.append(piece_of(self._open))
        self._open, self._open_spans, self._room = None, (), 0

    @property
    def pieces(self) -> list[Piece]:
        """Its spans as they are sent."""
        self._close_piece()
        return self._pieces

    def reached(self, claim: Claim, position: int) -> None:
        """Note that with this batch, the spans of `claim` up to `position` are sent."""
        self._claims[claim.trace] = claim._replace(sent=position)

    @property
    def claims(self) -> list[Claim]:
        """The claims as they are once the batch is confirmed."""
        return list(self._claims.values())


def batches(
    outbox: Outbox,
    claims: Sequence[Claim],
    sink: NetworkSink,
    envelope: Envelope,
    pace: Callable[[], None],
    most_spans: Callable[[], int],
) -> Iterator[Batch]:
    """Everything that `claims` hold, encoded, about `BATCH_BYTES` at a time."""
    batch = Batch(envelope)
    headers = outbox.headers(claims)
    for claim, page in _first_pages(outbox, claims):
        trace = headers.get(claim.trace)
        if trace is None:
            continue  # somebody deleted it
        encode = sink.encoder(trace, _lookup(outbox, claim.trace))
        batch.traces[claim.trace] = trace
        is_settled = False
        for position, row in _rows(outbox, claim, page):
            batch.add(encode, row)
            pace()
            if batch.bytes >= BATCH_BYTES or batch.spans >= most_spans():
                batch.reached(claim, position + 1)
                is_settled = position + 1 == claim.spans
                yield batch
                batch = Batch(envelope)
                batch.traces[claim.trace] = trace
        if not is_settled:
            batch.reached(claim, claim.spans)
    if batch.claims:
        yield batch


def _first_pages(outbox: Outbox, claims: Sequence[Claim]) -> Iterator[tuple[Claim, list[ExportRow]]]:
    """Each claim with the first of its spans; short traces are read together, about a page at a time."""
    together: list[Claim] = []
    spans = 0
    for claim in claims:
        if together and spans + claim.spans - claim.sent > PAGE_SPANS:
            yield from zip(together, outbox.pages(together), strict=True)
            together, spans = [], 0
        together.append(claim)
        spans += claim.spans - claim.sent
    yield from zip(together, outbox.pages(together), strict=True)


def _rows(outbox: Outbox, claim: Claim, page: list[ExportRow]) -> Iterator[tuple[int, ExportRow]]:
    """The spans that are still to be sent, with their positions in the trace; `page` has the first."""
    position = claim.sent
    while page:  # else somebody deleted it
        yield from enumerate(page, position)
        position += len(page)
        if position >= claim.spans:
            return
        (page,) = outbox.pages([claim._replace(sent=position)])


def _lookup(outbox: Outbox, trace: int) -> Lookup:
    known: dict[str, tuple[str, dict[str, JSON]] | None] = {}

    def lookup(span_id: str) -> tuple[str, dict[str, JSON]] | None:
        if span_id not in known:
            found = outbox.span_named(trace, span_id)
            known.clear()  # an error is asked for by one span after the other
            known[span_id] = None if found is None else (found[0], json.loads(found[1]))
        return known[span_id]

    return lookup
