"""Other OpenTelemetry backends: which one the environment names, and what it gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from langfuse_rules import attributes_of
from langfuse_support import Broken, generated, traced, wired
from pocketflow import Flow

from pocketflow_tracing.sinks.otlp.settings import OtlpSink, otlp_sink


def test_other_backends_get_plain_spans_and_the_conventions_for_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """True times, `pocketflow.*` attributes, `gen_ai.*` on model calls, no name of Langfuse's."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x = y")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "support")
    (sink,) = otlp_sink()
    assert isinstance(sink, OtlpSink)
    assert sink.endpoint.url == "http://localhost:4318/v1/traces"
    assert sink.endpoint.headers == (("api-key", "a b"), ("x", "y"))
    assert sink.resource() == {"service.name": "support"}
    assert "a b" not in str(sink.destination)

    root, _, generation = wired(generated(), sink)
    assert not [key for key in attributes_of(root) if "langfuse" in key]
    assert attributes_of(root)["pocketflow.kind"] == "flow"
    found = attributes_of(generation)
    assert found["gen_ai.operation.name"] == "chat"
    assert (found["gen_ai.request.model"], found["gen_ai.request.temperature"]) == ("gpt-x", 0.5)
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (10, 5)
    assert generation.start_time_unix_nano == generated().spans[2].start_ns


def test_an_error_of_another_backend_is_an_exception_event(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry's own way to tell of exceptions."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/custom")
    (sink,) = otlp_sink()
    assert sink.endpoint.url == "http://localhost:4318/custom"
    *_, failed = wired(traced(path, Flow(start=Broken()), {}), sink)
    (event,) = failed.events
    assert event.name == "exception"
    assert attributes_of(event)["exception.type"] == "ValueError"
    assert "raise ValueError" in attributes_of(event)["exception.stacktrace"]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "OTEL_EXPORTER_OTLP_ENDPOINT must be a web address"),
        ({"ENDPOINT": "localhost:4317"}, "must be a web address"),
        ({"ENDPOINT": "http://localhost:4317", "PROTOCOL": "grpc"}, "must be http/protobuf; it is 'grpc'"),
    ],
)
def test_a_backend_that_cannot_be_used_is_told(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever switched it on and set it up wrong hears of it."""
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    assert list(otlp_sink()) == []
    assert told in caplog.text
