"""What we say ourselves, to a log or on a terminal, shows no secret either."""

from __future__ import annotations

import logging

import pytest
from pocketflow import Flow, Node

from pocketflow_tracing import TracingConfig, flush, tracing
from pocketflow_tracing.config import resolve
from pocketflow_tracing.errors import ConfigError, tell_failure
from pocketflow_tracing.sinks.langfuse import langfuse_sink
from pocketflow_tracing.sinks.otlp.client import Answered
from pocketflow_tracing.sinks.otlp.sending import answer_of

KEY = "sk-proj-" + "aB3dE" * 8


def test_debug_lines_show_the_masked_name(caplog: pytest.LogCaptureFixture) -> None:
    """By the rules of the run itself, one's own included."""
    config = TracingConfig(store=None, debug=True, redact_patterns=[r"EMP-\d+"])
    with caplog.at_level(logging.DEBUG, "pocketflow_tracing"):
        with tracing(config, flow_name=f"EMP-17 runs {KEY}"):
            Flow(start=Node()).run({})
        flush()

    assert "[TRACING] Starting trace: [redacted] runs sk-proj-[redacted]" in caplog.messages
    assert "aB3dE" not in caplog.text


def test_a_failure_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    """Where it happened and its type: the message may quote what nobody has masked."""
    with caplog.at_level(logging.DEBUG, "pocketflow_tracing"):
        try:
            raise ValueError(f"cannot write {KEY[:20]}")
        except ValueError as failure:
            tell_failure("a test of messages", failure)

    assert "test_messages_masked.py" in caplog.text
    assert "ValueError" in caplog.text
    assert KEY[:12] not in caplog.text


@pytest.mark.parametrize(
    "setting", [{"langfuse_secret_key": b"sk-lf-aB3dE"}, {"langfuse_host": "sk-lf-aB3dE"}, {
        "langfuse_host": "ftp://me:aB3dE@example.com"}]
)  # fmt: skip
def test_a_wrong_setting_does_not_show_a_secret(setting: dict[str, object]) -> None:
    """Neither the value of a secret setting, nor a key or a password that stands where it should not."""
    with pytest.raises(ConfigError) as raised:
        TracingConfig(**setting)  # type: ignore[arg-type]

    assert "aB3dE" not in str(raised.value)


@pytest.mark.parametrize("status", [302, 400, 418])
def test_what_a_server_says_is_masked(status: int) -> None:
    """Some repeat the request, headers and all; wherever that is cut."""
    for before in (0, 150, 165, 175, 185, 195):
        said = "x" * before + f" authorization: Basic {KEY} " + "y" * 500
        answer = answer_of(Answered(status, {"location": f"/?{said}"}, said.encode()))

        assert "aB3" not in answer.reason


def test_an_address_with_a_password_is_shown_and_stored_without_it() -> None:
    """The keys are sent in a header; what stands in the address is of no use."""
    config = TracingConfig(
        langfuse_public_key="pk-lf-one",
        langfuse_secret_key="sk-lf-one",
        langfuse_host="https://me:hunter2@lf.example:3000/base",
    )
    (sink,) = langfuse_sink(resolve(config))

    assert sink.destination.host == "https://lf.example:3000/base"
    assert sink.endpoint.url.startswith("https://lf.example:3000/base/")


def test_keys_that_are_swapped_are_not_used() -> None:
    """The public key is shown, sent in a header of its own and kept in the store."""
    config = TracingConfig(langfuse_public_key="sk-lf-one", langfuse_secret_key="pk-lf-one")

    assert list(langfuse_sink(resolve(config))) == []
