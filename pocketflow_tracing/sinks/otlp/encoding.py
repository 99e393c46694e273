"""Spans as OTLP has them, and requests made of them.

No single call into C gets much more than `PIECE_BYTES`, unless one span alone is bigger: such calls
hold the interpreter, and an event loop next door has to keep its turn.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ...model import JSON
from ..network import version

PIECE_BYTES = 64 * 1024
INTERNAL = Span.SPAN_KIND_INTERNAL
CLIENT = Span.SPAN_KIND_CLIENT
ERROR = Status.STATUS_CODE_ERROR
MAX_INT = 2**63 - 1


class Attributes:
    """The attributes of one span, added one by one."""

    __slots__ = ("_add",)

    def __init__(self, attributes: Any) -> None:
        self._add: Callable[..., KeyValue] = attributes.add

    def text(self, key: str, value: str) -> None:
        """Add a text."""
        self._add(key=key).value.string_value = value if value.isascii() else encodable(value)

    def put(self, key: str, value: JSON) -> None:
        """Add a value of any kind as its own type, what is nested as JSON; None adds nothing."""
        kind = type(value)
        if kind is str:
            self.text(key, value)
        elif kind is bool:
            self._new(key).bool_value = value
        elif kind is int and -MAX_INT <= value <= MAX_INT:
            self._new(key).int_value = value
        elif kind is float:
            self._new(key).double_value = value
        elif value is not None:
            self.text(key, compact(value))

    def texts(self, key: str, values: Sequence[str]) -> None:
        """Add a list of texts."""
        array = self._new(key).array_value
        for value in values:
            array.values.add().string_value = encodable(value)

    def _new(self, key: str) -> Any:
        return self._add(key=encodable(key)).value


def encodable(text: str) -> str:
    """`text` as protobuf takes it: a lone surrogate becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def compact(value: JSON) -> str:
    """`value` as JSON text without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def clip(text: str, limit: int) -> str:
    """The first `limit` characters of a text, and how many more there were."""
    return text if len(text) <= limit else f"{text[:limit]}… +{len(text) - limit:,} more"


_JSON = (".input", ".output", ".parameters")
_NUMBERS = "_details"
"""Usage and cost: half of the numbers would be wrong ones."""


class Piece(NamedTuple):
    """A request in itself. Several, one after the other, are one request too: so protobuf defines it."""

    body: bytes
    spans: int


class Envelope:
    """What stands around the spans of every request: whose they are, and the scope they come from."""

    def __init__(self, scope: str, resource: Mapping[str, str]) -> None:
        request = ExportTraceServiceRequest()
        resourced = request.resource_spans.add()
        attributes = Attributes(resourced.resource.attributes)
        for name, value in resource.items():
            attributes.text(name, value)
        scoped = resourced.scope_spans.add()
        scoped.scope.name, scoped.scope.version = scope, version()
        self._empty: bytes = request.SerializeToString()

    def open(self) -> ExportTraceServiceRequest:
        """A request without spans, for them to be made where they stand: copying one takes long."""
        return ExportTraceServiceRequest.FromString(self._empty)


def spans_in(request: ExportTraceServiceRequest) -> Any:
    """The spans of a request that has one resource and one scope."""
    return request.resource_spans[0].scope_spans[0].spans


def piece_of(request: ExportTraceServiceRequest) -> Piece:
    """What is sent for a request."""
    return Piece(request.SerializeToString(), len(spans_in(request)))


def halves(piece: Piece) -> tuple[Piece, Piece]:
    """The first and the other half of the spans of a piece."""
    middle = piece.spans // 2
    first, second = (ExportTraceServiceRequest.FromString(piece.body) for _ in range(2))
    del spans_in(first)[middle:]
    del spans_in(second)[:middle]
    return piece_of(first), piece_of(second)


def body_of(pieces: Iterable[Piece], *, compresses: bool, pace: Callable[[], None] | None = None) -> bytes:
    """The body of a request, as gzip if it `compresses`; `pace` is called between pieces of work."""
    return b"".join(gzipped(_bodies(pieces, pace)) if compresses else _bodies(pieces, pace))


def _bodies(pieces: Iterable[Piece], pace: Callable[[], None] | None) -> Iterator[bytes]:
    for piece in pieces:
        yield piece.body
        if pace is not None:
            pace()


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """`pieces` compressed, and always the same for the same input."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        for first in range(0, len(piece), PIECE_BYTES):
            yield compressor.compress(piece[first : first + PIECE_BYTES])
    yield compressor.flush()


def shortened(piece: Piece, limit: int) -> Piece:
    """A piece whose spans have their texts cut to `limit` characters each."""
    request = ExportTraceServiceRequest.FromString(piece.body)
    for span in spans_in(request):
        for event in span.events:
            _shorten(event.attributes, limit)
        _shorten(span.attributes, limit)
        span.status.message = clip(span.status.message, limit)
    return piece_of(request)


def _shorten(attributes: Any, limit: int) -> None:
    for attribute in attributes:
        text = attribute.value.string_value
        if len(text) > limit and not attribute.key.endswith(_NUMBERS):
            short = clip(text, limit)
            # JSON that is cut in the middle is none any more: what is left of it goes as a text.
            attribute.value.string_value = compact(short) if attribute.key.endswith(_JSON) else short
