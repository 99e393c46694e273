"""Spans as any OpenTelemetry backend reads them, model calls by the GenAI semantic conventions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...model import JSON, Status, Trace
from .encoding import CLIENT, ERROR, INTERNAL, Attributes, compact, encodable

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

    from ...store.outbox import ExportRow

MAX_ENTRIES = 60
_REQUEST = frozenset(
    ("temperature", "top_p", "top_k", "max_tokens", "seed", "frequency_penalty", "presence_penalty")
)
_USAGE = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read_input_tokens": "cache_read.input_tokens",
    "cache_creation_input_tokens": "cache_creation.input_tokens",
}

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/#gen-ai-provider-name
_PREFIXES = {
    "anthropic": "anthropic", "azure": "azure.ai.openai", "bedrock": "aws.bedrock", "cohere": "cohere",
    "deepseek": "deepseek", "gemini": "gcp.gemini", "groq": "groq", "mistral": "mistral_ai",
    "openai": "openai", "perplexity": "perplexity", "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai", "xai": "x_ai",
}  # fmt: skip
_MODELS = {
    "gpt-": "openai", "chatgpt": "openai", "o1": "openai", "o3": "openai", "o4": "openai",
    "text-embedding-": "openai", "claude": "anthropic", "gemini": "gcp.gemini", "command": "cohere",
    "deepseek": "deepseek", "mistral": "mistral_ai", "mixtral": "mistral_ai", "grok": "x_ai",
    "sonar": "perplexity",
}  # fmt: skip


class PlainSpans:
    """Makes the spans of one trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._trace_id = bytes.fromhex(trace.trace_id)

    def fill(self, row: ExportRow, span: WireSpan) -> None:
        """Make `span`, which is empty, one span, with its true times."""
        body = json.loads(row.body)
        span.trace_id = self._trace_id
        span.span_id = bytes.fromhex(row.span_id)
        span.name = row.name
        span.kind = CLIENT if row.kind == "generation" else INTERNAL
        span.start_time_unix_nano = row.start_ns
        span.end_time_unix_nano = row.export_end_ns if row.end_ns is None else row.end_ns
        parent_id = row.parent_id or self._trace.parent_span_id
        if parent_id is not None:
            span.parent_span_id = bytes.fromhex(parent_id)
        put = Attributes(span.attributes)
        self._put_trace(put)
        _put_span(put, row, body)
        if body.get("generation") is not None:
            _put_generation(put, body["generation"], body.get("attributes", {}))
        if row.status == Status.ERROR.value:
            _put_error(span, row, body)

    def _put_trace(self, put: Attributes) -> None:
        trace = self._trace
        put.text("pocketflow.trace.name", trace.name)
        put.put("user.id", trace.user_id)
        put.put("session.id", trace.session_id)
        put.put("deployment.environment.name", trace.environment)
        put.put("service.version", trace.release)
        if trace.tags:
            put.texts("pocketflow.trace.tags", trace.tags)


def _put_span(put: Attributes, row: ExportRow, body: dict[str, JSON]) -> None:
    put.text("pocketflow.kind", row.kind)
    put.put("pocketflow.node", body.get("node_key"))
    put.put("pocketflow.flow_path", row.flow_path or None)
    put.put("pocketflow.step", row.step)
    put.put("pocketflow.input", row.input)
    put.put("pocketflow.output", row.output)
    put.put("pocketflow.changes", row.changes)
    for name, value in list(body.get("attributes", {}).items())[:MAX_ENTRIES]:
        put.put(f"pocketflow.{name}", value)


def _put_generation(put: Attributes, generation: dict[str, JSON], attributes: dict[str, JSON]) -> None:
    model = generation.get("model")
    put.text("gen_ai.operation.name", _operation(model, attributes))
    put.put("gen_ai.provider.name", _provider(model, attributes))
    put.put("gen_ai.request.model", model)
    for name, value in list((generation.get("parameters") or {}).items())[:MAX_ENTRIES]:
        prefix = "gen_ai.request." if name in _REQUEST else "pocketflow.parameters."
        put.put(prefix + name, value)
    for name, count in (generation.get("usage") or {}).items():
        put.put(f"gen_ai.usage.{_USAGE.get(name, name)}", count)
    if generation.get("cost"):
        put.text("pocketflow.cost", compact(generation["cost"]))


def _operation(model: JSON, attributes: dict[str, JSON]) -> str:
    named = attributes.get("operation")
    if isinstance(named, str):
        return named
    embeds = attributes.get("type") == "embedding" or (isinstance(model, str) and "embed" in model.lower())
    return "embeddings" if embeds else "chat"


def _provider(model: JSON, attributes: dict[str, JSON]) -> JSON:
    """Who serves the model: as the span says, else by a prefix like `openai/`, else by whose model it is."""
    named = attributes.get("provider")
    if isinstance(named, str):
        return named
    if not isinstance(model, str):
        return None
    prefix, slash, rest = model.lower().partition("/")
    if slash and prefix in _PREFIXES:
        return _PREFIXES[prefix]
    name = rest.rpartition("/")[2] if slash else prefix
    return next((provider for beginning, provider in _MODELS.items() if name.startswith(beginning)), None)


def _put_error(span: WireSpan, row: ExportRow, body: dict[str, JSON]) -> None:
    error = body.get("error") or {}
    if not body.get("attributes", {}).get("recovered"):
        span.status.code = ERROR
        span.status.message = encodable(body.get("status_message", ""))
    event = span.events.add()
    event.name = "exception"
    event.time_unix_nano = span.end_time_unix_nano
    put = Attributes(event.attributes)
    put.put("exception.type", error.get("type"))
    put.put("exception.message", error.get("message"))
    put.put("exception.stacktrace", error.get("stacktrace") or None)
