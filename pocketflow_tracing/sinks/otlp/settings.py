"""Which OpenTelemetry backend the environment names, in the variables that every exporter reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ...errors import tell_once
from ...model import Trace
from ...store.addresses import Destination
from ..network import Endpoint, NetworkSink

if TYPE_CHECKING:
    from ..network import Encode, Lookup

SCOPE = "pocketflow-tracing"
_PREFIX = "OTEL_EXPORTER_OTLP_"
MILLISECONDS_FROM = 1_000
"""The specification means milliseconds and Python's exporters read seconds: from here on it is the former."""


class OtlpSink(NetworkSink):
    """A backend that takes OTLP over HTTP."""

    def encoder(self, trace: Trace, lookup: Lookup) -> Encode:
        """What turns the spans of `trace` into plain OpenTelemetry ones."""
        from .spans import PlainSpans

        return PlainSpans(trace).fill

    def resource(self) -> dict[str, str]:
        """The program's name and attributes, as the environment has them."""
        named = dict(_pairs(os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")))
        service = os.environ.get("OTEL_SERVICE_NAME") or named.get("service.name") or "pocketflow"
        return {**named, "service.name": service}


def hindrance() -> str | None:
    """Why the environment names no backend that can be sent to; None where it names one."""
    url, protocol = _endpoint(), _variable("PROTOCOL") or "http/protobuf"
    if url is None or urlsplit(url).scheme not in ("http", "https"):
        shown = url and url.rpartition("@")[2]
        return (
            f"OTEL_EXPORTER_OTLP_ENDPOINT must be a web address, like http://localhost:4318; it is {shown!r}"
        )
    if protocol != "http/protobuf":
        return f"OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf; it is {protocol!r}"
    return None


def otlp_sink() -> Iterator[OtlpSink]:
    """The backend that the environment names; none where something is wrong, which is told once."""
    url, wrong = _endpoint(), hindrance()
    if url is None or wrong is not None:
        tell_once(f"otlp:{wrong}", f"[TRACING] otlp is on, and {wrong}")
        return
    headers = tuple(sorted(_pairs(_variable("HEADERS") or "")))
    yield OtlpSink(
        destination=Destination("otlp", _without_secrets(url), _account(url, headers)),
        endpoint=Endpoint(
            url,
            headers,
            timeout_seconds=_timeout(),
            compresses=_variable("COMPRESSION") != "none",
            certificate=_variable("CERTIFICATE"),
        ),
        name="the OpenTelemetry backend",
        scope=SCOPE,
    )


def _variable(name: str) -> str | None:
    """The setting for traces, or that for everything; None where it is empty."""
    found = os.environ.get(f"{_PREFIX}TRACES_{name}") or os.environ.get(_PREFIX + name)
    return found.strip() if found else None


def _endpoint() -> str | None:
    for_traces = os.environ.get(f"{_PREFIX}TRACES_ENDPOINT")
    if for_traces:
        return for_traces.strip()
    found = os.environ.get(f"{_PREFIX}ENDPOINT")
    return f"{found.strip().rstrip('/')}/v1/traces" if found else None


def _timeout() -> float:
    text = _variable("TIMEOUT")
    try:
        seconds = float(text) if text else 10.0
    except ValueError:
        return 10.0
    return seconds / 1_000 if seconds >= MILLISECONDS_FROM else max(seconds, 0.1)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The entries of `name=value,name=value`, values unquoted as in an address."""
    for entry in text.split(","):
        name, equals, value = entry.partition("=")
        if equals and name.strip():
            yield name.strip(), unquote(value.strip())


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _account(url: str, headers: tuple[tuple[str, str], ...]) -> str:
    told = "\n".join([url, *(f"{name.lower()}:{value}" for name, value in headers)])
    return hashlib.sha256(told.encode()).hexdigest()[:32]
