"""What an outbox holds for a sink, as batches of encoded spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ...errors import tell_failure
from ...model import JSON

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from ...model import Trace
    from ...sinks.network import Lookup, NetworkSink
    from ...store.outbox import Claim, ExportRow, Outbox

BATCH_BYTES = 1024 * 1024
BATCH_SPANS = 2_000
PAGE_SPANS = 64
"""How many spans are read at once: each may hold some values of 64 KB."""


class Batch:
    """Spans that are sent together, and how far each trace is sent once they are confirmed."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bytes = 0
        self.unencodable = 0
        self.traces: dict[int, Trace] = {}
        self._claims: dict[int, Claim] = {}

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
    pace: Callable[[], None],
    most_spans: Callable[[], int],
) -> Iterator[Batch]:
    """Everything that `claims` hold, encoded, about `BATCH_BYTES` at a time."""
    batch = Batch()
    headers = outbox.headers(claims)
    for claim in claims:
        trace = headers.get(claim.trace)
        if trace is None:
            continue  # somebody deleted it
        encode = sink.encoder(trace, _lookup(outbox, claim.trace))
        position = claim.sent
        batch.traces[claim.trace] = trace
        for row in _rows(outbox, claim):
            _add(batch, encode, row)
            position += 1
            pace()
            if batch.bytes >= BATCH_BYTES or len(batch.spans) >= most_spans():
                batch.reached(claim, position)
                yield batch
                batch = Batch()
                batch.traces[claim.trace] = trace
        batch.reached(claim, claim.spans)
    if batch.claims:
        yield batch


def _rows(outbox: Outbox, claim: Claim) -> Iterator[ExportRow]:
    for first in range(claim.sent, claim.spans, PAGE_SPANS):
        yield from outbox.page(claim.trace, first, min(PAGE_SPANS, claim.spans - first))


def _add(batch: Batch, encode: Callable[[ExportRow], Span], row: ExportRow) -> None:
    try:
        span = encode(row)
    except Exception as failure:
        tell_failure("encoding a span", failure)
        batch.unencodable += 1
        return
    batch.spans.append(span)
    batch.bytes += span.ByteSize()


def _lookup(outbox: Outbox, trace: int) -> Lookup:
    known: dict[str, tuple[str, dict[str, JSON]] | None] = {}

    def lookup(span_id: str) -> tuple[str, dict[str, JSON]] | None:
        if span_id not in known:
            found = outbox.span_named(trace, span_id)
            known.clear()  # an error is asked for by one span after the other
            known[span_id] = None if found is None else (found[0], json.loads(found[1]))
        return known[span_id]

    return lookup
