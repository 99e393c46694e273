"""Other OpenTelemetry backends: which one the environment names, and what it gets."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from langfuse_rules import attributes_of
from langfuse_support import Broken, CommandLine, generated, keep, keys, ship, traced, wired
from otlp_server_support import Server, encrypted
from pocketflow import Flow
from store_support import made_trace

from pocketflow_tracing import TracingConfig
from pocketflow_tracing.config import resolve
from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.sinks.network import configured
from pocketflow_tracing.sinks.otlp.settings import OtlpSink, otlp_sink
from pocketflow_tracing.store import Store


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


PLAIN = {"LANGFUSE_PUBLIC_KEY": None, "LANGFUSE_SECRET_KEY": None, "POCKETFLOW_TRACING_OTLP": "on"}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def plain(cli: CommandLine, server: Server) -> CommandLine:
    """The command line with nothing set but the variables of OpenTelemetry."""
    server.plain_headers = {"api-key": "a b", "x-team": "support"}
    cli.environment |= {
        **PLAIN,
        ENDPOINT: server.host,
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b,x-team=support",
        "OTEL_SERVICE_NAME": "greeter",
    }
    return cli


def test_a_run_arrives_at_another_backend(plain: CommandLine, server: Server) -> None:
    """Its spans once, under the program's name, compressed, with the headers that were asked for."""
    plain.run_script()
    server.check_sound()
    root, node, phase = server.spans("plain")
    assert [span.name for span in (root, node, phase)] == ["Flow", "Greet", "Greet.exec"]
    assert (node.parent_span_id, phase.parent_span_id) == (root.span_id, node.span_id)
    assert set(server.arrivals.values()) == {1}
    assert server.scopes == {"pocketflow-tracing"}
    assert server.resources == [{"service.name": "greeter"}]
    assert server.requests[0].headers["Content-Encoding"] == "gzip"


def test_push_sends_another_backend_what_it_could_not_take(plain: CommandLine, server: Server) -> None:
    """As with Langfuse: kept, sent later, nothing twice; here without compression."""
    server.always = 503
    plain.environment["OTEL_EXPORTER_OTLP_COMPRESSION"] = "none"
    out = plain.run_script(POCKETFLOW_TRACING_EXIT_TIMEOUT="5")
    assert "3 spans still to be sent: pocketflow-tracing push" in out
    server.always = None
    assert f"sent 1 trace (3 spans) to the OpenTelemetry backend at {server.host}" in plain("push")
    assert "nothing new was sent" in plain("push")
    assert len(server.spans("plain")) == 3
    assert "Content-Encoding" not in server.requests[-1].headers
    server.check_sound()


def test_a_run_may_go_to_langfuse_and_another_backend(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gets the trace as it reads it, whatever becomes of it at the other."""
    monkeypatch.setenv(ENDPOINT, server.host)
    settings = resolve(TracingConfig(otlp=True, **keys(server)))
    couriers = [Courier(sink) for sink in configured(settings)]
    keep(store, made_trace(1, spans=3), *(courier.sink.destination for courier in couriers))
    server.answers.append(503)
    assert [ship(courier, store) for courier in couriers] == [3, 0]
    assert [ship(courier, store) for courier in couriers] == [0, 0]
    assert (len(server.spans("project-1")), len(server.spans("plain"))) == (3, 3)
    server.check_sound()
    for courier in couriers:
        courier.close()


def test_a_certificate_for_opentelemetry_is_used(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_EXPORTER_OTLP_CERTIFICATE names the authority; without it, the server may be anybody's."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with encrypted(authority) as server:
        monkeypatch.setenv(ENDPOINT, server.host.replace("http:", "https:"))
        left = []
        for certificate in ("", str(tmp_path / "authority.pem")):
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate)
            courier = Courier(next(otlp_sink()))
            keep(store, made_trace(1), courier.sink.destination)
            left.append(ship(courier, store))
            courier.close()
        assert left == [2, 0]
        assert len(server.spans("plain")) == 2


def test_doctor_looks_at_another_backend(plain: CommandLine, server: Server) -> None:
    """It takes traces; or not with these headers; or not in the time it is given; or is not named at all."""
    assert f"✓ the OpenTelemetry backend accepts traces at {server.host}/v1/traces" in plain("doctor")
    assert not server.rows
    out = plain("doctor", status=1, OTEL_EXPORTER_OTLP_HEADERS="api-key=swordfish")
    assert f"✗ the OpenTelemetry backend at {server.host}/v1/traces does not accept traces: HTTP 401" in out
    assert "swordfish" not in out and "OTEL_EXPORTER_OTLP_HEADERS" in out
    assert f"✗ {ENDPOINT} must be a web address" in plain("doctor", status=1, **{ENDPOINT: None})
    server.hangs = True
    out = plain("doctor", status=1, OTEL_EXPORTER_OTLP_TIMEOUT="0.2")
    assert "does not accept traces: no answer within 0.2 s" in out
    out = plain("doctor", status=1, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="1200")
    assert "no answer within 1.2 s" in out


@pytest.mark.parametrize(
    ("model", "attributes", "provider", "operation"),
    [
        ("gpt-5", {}, "openai", "chat"),
        ("azure/gpt-5", {}, "azure.ai.openai", "chat"),
        ("openrouter/anthropic/claude-x", {}, "anthropic", "chat"),
        ("text-embedding-3-small", {}, "openai", "embeddings"),
        ("mine", {"provider": "groq", "operation": "text_completion"}, "groq", "text_completion"),
        ("mine", {"type": "embedding"}, None, "embeddings"),
        (None, {}, None, "chat"),
    ],
)
def test_a_model_call_says_who_serves_it_and_what_it_does(
    model: str | None, attributes: dict[str, str], provider: str | None, operation: str
) -> None:
    """As the span says, or as far as the model's name tells; a guess that has no ground is not made."""
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from pocketflow_tracing.sinks.otlp.encoding import Attributes
    from pocketflow_tracing.sinks.otlp.spans import _put_generation

    span = Span()
    _put_generation(Attributes(span.attributes), {"model": model}, attributes)
    found = attributes_of(span)
    assert (found.get("gen_ai.provider.name"), found["gen_ai.operation.name"]) == (provider, operation)
