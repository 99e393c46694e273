"""What the sinks have in common that send over the network, from the store and not from the program."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..store.addresses import Destination

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

    from ..config import TracingConfig
    from ..model import JSON, Trace
    from ..store.outbox import ExportRow
    from .otlp.client import Client

    Lookup = Callable[[str], tuple[str, dict[str, JSON]] | None]
    """Finds another span of the same trace by its id: its name, and the other fields that are not empty."""
    Encode = Callable[[ExportRow, WireSpan], None]
    """Fills in an empty span of OTLP."""


@dataclass(frozen=True)
class Endpoint:
    """Where OTLP goes over HTTP, and how. `headers` hold secrets: they are for requests alone."""

    url: str
    headers: tuple[tuple[str, str], ...]
    timeout_seconds: float = 10.0
    compresses: bool = True
    certificate: str | None = None


@dataclass(frozen=True)
class NetworkSink(ABC):
    """One place that traces are sent to."""

    destination: Destination
    endpoint: Endpoint
    name: str
    """What messages call it."""
    scope: str
    """The instrumentation scope that its spans come from."""

    @abstractmethod
    def encoder(self, trace: Trace, lookup: Lookup) -> Encode:
        """What turns the spans of `trace` into those of OTLP."""

    def trace_url(self, client: Client, trace_id: str) -> str | None:
        """Where a trace that arrived can be looked at, if it can be found out. May ask the server."""
        return None

    def resource(self) -> dict[str, str]:
        """What is said of the program as a whole."""
        return {}


def version() -> str:
    """The version of this package."""
    return str(sys.modules[__name__.partition(".")[0]].__version__)  # importing it here would be upwards


def configured(config: TracingConfig) -> tuple[NetworkSink, ...]:
    """The network sinks that these settings ask for; mostly none, at no cost."""
    sinks: list[NetworkSink] = []
    if config.langfuse_enabled and (config.langfuse_public_key or config.langfuse_secret_key):
        from .langfuse import langfuse_sink

        sinks += langfuse_sink(config)
    if config.otlp:
        from .otlp.settings import otlp_sink

        sinks += otlp_sink()
    return tuple(sinks)
