"""A project on a Langfuse server, as a place that traces are sent to."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...errors import tell_once
from ...model import Trace
from ...store.addresses import Destination
from ..network import Endpoint, NetworkSink, version

if TYPE_CHECKING:
    from ...config import TracingConfig
    from ..network import Encode, Lookup
    from ..otlp.client import Client

TRACES_PATH = "/api/public/otel/v1/traces"
# Spans of a scope with another beginning get their attributes copied into metadata.
SCOPE = "langfuse-sdk.pocketflow"

_USER_INFO = re.compile(r"(?<=://)[^/?#]*@")
"""Of no use, as requests carry the keys; and an address is shown, and kept in the store."""

_projects: dict[Destination, str | None] = {}


class LangfuseSink(NetworkSink):
    """A project on a Langfuse server."""

    def encoder(self, trace: Trace, lookup: Lookup) -> Encode:
        """What turns the spans of `trace` into observations."""
        from .observations import Observations

        return Observations(trace, lookup).fill

    def trace_url(self, client: Client, trace_id: str) -> str | None:
        """The page of a trace; the first time, the server is asked which project it is in."""
        if self.destination not in _projects:
            from .api import project_of

            _projects[self.destination] = project_of(client, self.destination.host, self.endpoint)
        project = _projects[self.destination]
        return None if project is None else f"{self.destination.host}/project/{project}/traces/{trace_id}"


def langfuse_sink(config: TracingConfig) -> Iterator[LangfuseSink]:
    """The project that `config` names; none where something is missing, which is told once."""
    keys = {
        "LANGFUSE_PUBLIC_KEY": config.langfuse_public_key,
        "LANGFUSE_SECRET_KEY": config.langfuse_secret_key,
    }
    missing = [name for name, key in keys.items() if not key]
    if missing:
        tell_once("langfuse:keys", f"[TRACING] {missing[0]} is not set: nothing is sent to Langfuse")
    elif (config.langfuse_public_key or "").startswith("sk-"):  # a public key is shown and stored
        tell_once("langfuse:keys", "[TRACING] the keys are swapped: nothing is sent to Langfuse")
    elif config.langfuse_host:
        host = _USER_INFO.sub("", config.langfuse_host)
        yield LangfuseSink(
            destination=Destination("langfuse", host, config.langfuse_public_key or ""),
            endpoint=Endpoint(
                host + TRACES_PATH,
                (
                    ("Authorization", basic(config)),
                    ("x-langfuse-sdk-name", "pocketflow-tracing"),
                    ("x-langfuse-sdk-version", version()),
                    ("x-langfuse-public-key", quote(config.langfuse_public_key or "", safe="-_.~")),
                    # Without it, a trace shows up ten minutes late.
                    ("x-langfuse-ingestion-version", "4"),
                ),
                timeout_seconds=config.langfuse_timeout,
            ),
            name="Langfuse",
            scope=SCOPE,
        )


def basic(config: TracingConfig) -> str:
    """The credentials of `config` as HTTP's basic authentication."""
    pair = f"{config.langfuse_public_key}:{config.langfuse_secret_key}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
