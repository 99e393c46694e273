"""Spans as OTLP has them, and requests made of them.

No single call into C gets more than `PIECE_BYTES`, unless one span alone is bigger: such calls hold
the interpreter, and an event loop next door has to keep its turn.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
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
        self._add: Callable[[], KeyValue] = attributes.add

    def text(self, key: str, value: str) -> None:
        """Add a text."""
        attribute = self._add()
        attribute.key = key
        attribute.value.string_value = value if value.isascii() else encodable(value)

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
        attribute = self._add()
        attribute.key = encodable(key)
        return attribute.value


def encodable(text: str) -> str:
    """`text` as protobuf takes it: a lone surrogate becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def compact(value: JSON) -> str:
    """`value` as JSON text without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def clip(text: str, limit: int) -> str:
    """The first `limit` characters of a text, and how many more there were."""
    return text if len(text) <= limit else f"{text[:limit]}… +{len(text) - limit:,} more"


class Request:
    """Makes the body of a request of spans that share a resource and a scope."""

    def __init__(self, scope: str, resource: Mapping[str, str]) -> None:
        self._scope = InstrumentationScope(name=scope, version=version())
        self._resource = Resource()
        attributes = Attributes(self._resource.attributes)
        for name, value in resource.items():
            attributes.text(name, value)

    def body(
        self, spans: Iterable[Span], *, compresses: bool, pace: Callable[[], None] | None = None
    ) -> bytes:
        """The request's body, as gzip if it `compresses`; `pace` is called between pieces of work."""
        pieces = self._pieces(spans, pace or (lambda: None))
        return b"".join(gzipped(pieces) if compresses else pieces)

    def _pieces(self, spans: Iterable[Span], pace: Callable[[], None]) -> Iterator[bytes]:
        """Requests of their own, which one after the other are one request: so protobuf defines it."""
        group: list[Span] = []
        size = 0
        for span in spans:
            span_bytes = span.ByteSize()
            if group and size + span_bytes > PIECE_BYTES:
                yield self._serialized(group)
                group, size = [], 0
            group.append(span)
            size += span_bytes
            pace()
        if group:
            yield self._serialized(group)

    def _serialized(self, spans: list[Span]) -> bytes:
        request = ExportTraceServiceRequest()
        # Filled where it stands: a message that is given as a part of another one is copied into it.
        resourced = request.resource_spans.add()
        resourced.resource.CopyFrom(self._resource)
        scoped = resourced.scope_spans.add()
        scoped.scope.CopyFrom(self._scope)
        scoped.spans.extend(spans)
        body: bytes = request.SerializeToString()
        return body


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """`pieces` compressed, and always the same for the same input."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        for first in range(0, len(piece), PIECE_BYTES):
            yield compressor.compress(piece[first : first + PIECE_BYTES])
    yield compressor.flush()


def shortened(span: Span, limit: int) -> Span:
    """A copy of `span` whose texts are cut to `limit` characters each."""
    copy = Span()
    copy.CopyFrom(span)
    for event in copy.events:
        _shorten(event.attributes, limit)
    _shorten(copy.attributes, limit)
    copy.status.message = clip(copy.status.message, limit)
    return copy


def _shorten(attributes: Any, limit: int) -> None:
    for attribute in attributes:
        if len(attribute.value.string_value) > limit:
            attribute.value.string_value = clip(attribute.value.string_value, limit)
