"""What a sink is: told of traces and spans as they end, on the worker's thread."""

from __future__ import annotations

from ..model import Span, Trace


class Sink:
    """Subclass this to receive traces. Every method is optional and does nothing by default.

    All calls come one at a time from the worker's thread, never from the traced program's, so a
    slow sink delays other sinks but not the program. An exception here is told once; the sink goes
    on being called. Values are masked and bounded already.
    """

    def trace_started(self, trace: Trace) -> None:
        """A run began: `trace` has no spans yet and no end."""

    def span_ended(self, span: Span) -> None:
        """A span of a started trace ended; children end before their parents."""

    def trace_ended(self, trace: Trace) -> None:
        """A run ended: the final header, `spans` empty, since each of them was told before."""

    def flush(self, timeout: float) -> bool:
        """Send on what is held back, within `timeout` seconds; False if something is left."""
        return True

    def close(self) -> None:
        """Release what the sink holds; nothing is told after this."""
