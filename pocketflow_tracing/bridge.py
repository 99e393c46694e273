"""OpenTelemetry's own context, so that spans of a program's other instrumentation lie where they belong.

Only modules that the program has imported are used, and never a tracer provider: what is put into the
context is a span that records nothing and only carries our ids.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import report_failure, tell_once
from .live import LiveSpan, span_hex, trace_hex

if TYPE_CHECKING:
    from .config import TracingConfig

BRIDGE = "the OpenTelemetry bridge"
# https://www.w3.org/TR/trace-context/#traceparent-header; later versions may append more fields.
# A text, since compiling it takes as long as importing two modules.
_TRACEPARENT = r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
Parent = tuple[int, int]
"""The ids of a trace, and of a span in it."""


def is_sent(config: TracingConfig) -> bool:
    """Whether runs with these settings are sent to where other instrumentation sends its spans too."""
    has_keys = bool(config.langfuse_public_key and config.langfuse_secret_key)
    return (has_keys and config.langfuse_enabled) or config.otlp


def parsed(traceparent: str) -> Parent | None:
    """The ids in a W3C traceparent, None where it is none."""
    match = re.fullmatch(_TRACEPARENT, traceparent.strip().lower())
    if match is None:
        return None
    trace_id, span_id = int(match[1], 16), int(match[2], 16)
    return (trace_id, span_id) if trace_id and span_id else None


def traceparent(span: LiveSpan) -> str:
    """The W3C traceparent of `span`."""
    return f"00-{trace_hex(span.trace.trace_id)}-{span_hex(span.span_id)}-01"


def current_parent() -> Parent | None:
    """The span that the program's OpenTelemetry or Langfuse has in progress here, if any."""
    otel: Any = sys.modules.get("opentelemetry.trace")
    if otel is None:
        return None
    try:
        found = otel.get_current_span().get_span_context()
        return (found.trace_id, found.span_id) if found.is_valid else None
    except Exception as failure:  # it is being imported right now, or is not what it seems
        report_failure(BRIDGE, failure)
        return None


def client_mask(public_key: str | None) -> Callable[..., Any] | None:
    """The `mask` of the program's own Langfuse client for this project, if there is one.

    Where there is a client and it cannot be told whether it has a mask, what is given hides everything.
    """
    module = sys.modules.get("langfuse._client.resource_manager")
    clients = getattr(getattr(module, "LangfuseResourceManager", None), "_instances", None)
    client = clients.get(public_key) if type(clients) is dict and public_key else None
    if client is None:
        return None
    found = getattr(client, "mask", _unknown)
    return found if found is None or callable(found) else _unknown


def _unknown(**keywords: Any) -> Any:
    tell_once(
        "langfuse:mask",
        "[TRACING] this version of langfuse does not show whether your client has a mask: values are hidden; "
        "give TracingConfig(mask=…)",
    )
    raise TypeError("unknown mask")


def attach(span: LiveSpan) -> None:
    """Make `span` what OpenTelemetry takes for the current span of this context, until `detach`."""
    otel: Any = sys.modules.get("opentelemetry.trace")
    contexts: Any = sys.modules.get("opentelemetry.context")
    if otel is None or contexts is None:
        return
    try:
        before = contexts.get_current()
        ids = otel.SpanContext(span.trace.trace_id, span.span_id, False, otel.TraceFlags(1))
        context = otel.set_span_in_context(otel.NonRecordingSpan(ids), before)
        key = getattr(sys.modules.get("langfuse._client.propagation"), "LANGFUSE_TRACE_ID_BAGGAGE_KEY", None)
        if key is not None:  # from 4.7 on: without it a child would be taken for the root of its trace
            baggage: Any = sys.modules["opentelemetry.baggage"]
            context = baggage.set_baggage(key, trace_hex(span.trace.trace_id), context)
        contexts.attach(context)
        span.bridged = (before, context)
    except Exception as failure:
        report_failure(BRIDGE, failure)


def detach(span: LiveSpan) -> None:
    """Put back the context that `attach` found, if the one that it made is still current."""
    if span.bridged is None:
        return
    (before, context), span.bridged = span.bridged, None
    contexts: Any = sys.modules.get("opentelemetry.context")
    try:
        # Not by its token: that belongs to the context it was made in, and a phase may end in another.
        if contexts is not None and contexts.get_current() is context:
            contexts.attach(before)
    except Exception as failure:
        report_failure(BRIDGE, failure)
