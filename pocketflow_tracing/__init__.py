"""See what really happened in a PocketFlow workflow: `@trace_flow`, `with tracing():`, or no code at all."""

from .config import TracingConfig
from .errors import TracingError
from .model import Span, SpanKind, Status, Trace
from .sinks.base import Sink
from .tracing import current_span, current_trace, current_traceparent, flush, span, trace_flow, tracing

__version__ = "1.0.0a1"

__all__ = [
    "Sink",
    "Span",
    "SpanKind",
    "Status",
    "Trace",
    "TracingConfig",
    "TracingError",
    "__version__",
    "current_span",
    "current_trace",
    "current_traceparent",
    "flush",
    "span",
    "trace_flow",
    "tracing",
]
