"""The strict server is strict: each thing that Langfuse would trip over is found."""

from __future__ import annotations

from typing import Any

import pytest
from langfuse_rules import METADATA, OBSERVATION, SCOPE, disagreeing, wrong_in
from langfuse_support import generated, wired
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_server_support import Server

from pocketflow_tracing import __version__
from pocketflow_tracing.sinks.otlp.encoding import Envelope

OURS = InstrumentationScope(name=SCOPE, version=__version__)


def wrong(span: Span, scope: InstrumentationScope = OURS) -> str:
    """What is wrong in a span, as one text."""
    return "\n".join(wrong_in(scope, span))


def with_attribute(span: Span, key: str, value: Any) -> Span:
    """A copy of `span` in which one attribute is another text, or a list, or gone where that is None."""
    changed = Span.FromString(span.SerializeToString())
    kept = [attribute for attribute in changed.attributes if attribute.key != key]
    del changed.attributes[:]
    changed.attributes.extend(kept)
    if isinstance(value, str):
        changed.attributes.add(key=key).value.string_value = value
    elif value is not None:
        changed.attributes.add(key=key).value.array_value.values.add().string_value = value[0]
    return changed


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (OBSERVATION + "input", "{'single': 'quotes'}", "input is no JSON text"),
        (OBSERVATION + "usage_details", '{"input": "ten"}', "usage_details are no numbers"),
        (OBSERVATION + "type", "event", "the type is 'event'"),
        (OBSERVATION + "type", None, "the type is None"),
        (OBSERVATION + "level", "FATAL", "the level is 'FATAL'"),
        (OBSERVATION + "level", "ERROR", "the level is 'ERROR', the status 0"),
        (OBSERVATION + "color", "red", "langfuse.observation.color is unknown"),
        (METADATA + "steps", ["one"], "langfuse.observation.metadata.steps is nothing to filter by"),
        ("langfuse.trace.name", None, "no langfuse.trace.name"),
        ("langfuse.environment", "langfuse-own", "the environment becomes `default`"),
    ],
)
def test_what_langfuse_would_not_understand_is_found(key: str, value: Any, told: str) -> None:
    """In a span that is fine apart from it."""
    *_, fine = wired(generated())
    assert wrong(fine) == ""
    assert told in wrong(with_attribute(fine, key, value))


def test_spans_of_a_run_that_say_different_things_of_it_are_found() -> None:
    """The server takes the trace's fields from any of them."""
    first, second, _ = wired(generated())
    assert disagreeing([first, second]) == []
    other = with_attribute(second, "user.id", "somebody else")
    assert any("user.id" in line for line in disagreeing([first, other]))


def test_another_scope_or_version_is_found(server: Server) -> None:
    """In what is sent, too: the rules for spans of ours hold for those of our scope alone."""
    *_, fine = wired(generated())
    assert "version" in wrong(fine, InstrumentationScope(name=SCOPE, version="0.1.5"))
    request = Envelope("somebody", {"service.name": "x"}).open()
    assert server.take("project-1", request.SerializeToString(), SCOPE) == 200
    assert server.faults == [f"the scope is somebody, not {SCOPE}"]
