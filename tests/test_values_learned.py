"""A secret that a name gave away stays hidden where it stands without the name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pocketflow import Flow, Node
from values_support import shown

from pocketflow_tracing import TracingConfig, flush, trace_flow, tracing
from pocketflow_tracing.sinks.memory import MemorySink
from pocketflow_tracing.values import Limits, Policy, render, snapshot

SECRET = "q7Zt/x9=Lm&42wPv"
LIMITS = Limits()


def _masked_after(name: str, secret: Any, text: str) -> str:
    """What a policy makes of `text` once it has seen `secret` under `name`."""
    policy = Policy()
    render(snapshot({name: secret}, LIMITS), policy, "input")
    return policy.mask_text(text)


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"sent {SECRET} to the server",
        {"answer": [f"({SECRET})"]},
        {SECRET: 1},
        (1, {"deep": SECRET}),
        SECRET.encode(),
        json.dumps({"sent": SECRET}),
        "https://example.com/?k=" + quote(SECRET, safe=""),
    ],
)
def test_a_secret_is_hidden_wherever_else_it_stands(value: Any) -> None:
    """Alone or within a text, in a key, in bytes, quoted for JSON or for an address."""
    policy = Policy()
    render(snapshot({"api_key": SECRET}, LIMITS), policy, "input")

    written = json.dumps(render(snapshot(value, LIMITS), policy, "output").value)

    assert "Zt" not in written
    assert "[redacted]" in written


@pytest.mark.parametrize(
    "secret",
    [[SECRET], (SECRET,), {SECRET}, SECRET.encode(), f"Bearer {SECRET}", f"  {SECRET}\n"],
)
def test_a_secret_is_known_however_it_stood_there(secret: Any) -> None:
    """In a list, in bytes, behind the word of its scheme."""
    assert _masked_after("authorization", secret, f"use {SECRET} now") == "use [redacted] now"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("password", "test"),
        ("password", "changeme"),
        ("db_password", "postgres"),
        ("secret", "production"),
        ("secret", "x" * 30),
        ("token", "Donaudampfschifffahrt"),
        ("token", "2026-01-02"),
        ("credentials", "someone@example.com"),
        ("auth", "https://example.com/login"),
        ("api_key", "${API_KEY}"),
        ("api_key", "<your key here>"),
        ("cvv", "123"),
    ],
)
def test_common_words_stay_readable(name: str, word: str) -> None:
    """What others might well say too, or what only stands for a secret, hides nothing elsewhere."""
    assert _masked_after(name, word, f"the word {word} here") == f"the word {word} here"


def test_a_short_secret_is_no_part_of_another_word() -> None:
    """It is hidden where it stands for itself."""
    assert _masked_after("password", "hunter22", "hunter22, hunter221, xhunter22") == (
        "[redacted], hunter221, xhunter22"
    )


def test_what_was_written_before_is_written_anew() -> None:
    """A capture that is shown again is masked by what is known then."""
    policy = Policy()
    taken = snapshot({"note": f"key {SECRET}"}, LIMITS)
    before = render(taken, policy, "input").value
    render(snapshot({"api_key": SECRET}, LIMITS), policy, "input")

    assert before == {"note": f"key {SECRET}"}
    assert render(taken, policy, "input").value == {"note": "key [redacted]"}


def test_very_many_secrets_take_bounded_room() -> None:
    """The newest are known; another trace knows none of them."""
    policy = Policy()
    for number in range(5_000):
        render(snapshot({"api_key": f"rotated-{number}-q7Zt"}, LIMITS), policy, "input")

    assert policy.mask_text("rotated-4999-q7Zt") == "[redacted]"
    assert policy.mask_text("rotated-1-q7Zt") == "rotated-1-q7Zt"
    assert Policy().mask_text("rotated-4999-q7Zt") == "rotated-4999-q7Zt"


def test_with_masking_off_nothing_is_learned() -> None:
    """Off is off."""
    policy = Policy(redact=False)

    assert shown({"api_key": SECRET, "note": SECRET}, policy=policy) == {"api_key": SECRET, "note": SECRET}


def test_secrets_of_the_environment_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key read from a variable has no name beside it in the store."""
    monkeypatch.setenv("SOME_VENDOR_API_KEY", SECRET)
    monkeypatch.setenv("SOME_VENDOR_REGION", "west-4-of-many-regions")

    assert shown([SECRET, "west-4-of-many-regions"]) == ["[redacted]", "west-4-of-many-regions"]
    monkeypatch.delenv("SOME_VENDOR_API_KEY")
    assert shown(SECRET) == SECRET


class Ask(Node):  # type: ignore[misc]
    """Takes the key out of the store, and fails with it in its hand."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return shared["config"]["api_key"]

    def exec(self, prep_res: str) -> Any:
        raise ValueError(f"refused: {prep_res}")

    def exec_fallback(self, prep_res: str, exc: Exception) -> Any:
        return f"no answer for {prep_res}"


def test_no_step_of_a_run_shows_a_key_of_its_store(tmp_path: Path) -> None:
    """Neither what prep returned, nor what exec was given, nor the error, nor the answer."""
    path = tmp_path / "traces.db"
    with tracing(TracingConfig(store=path)):
        Flow(start=Ask(max_retries=2)).run({"config": {"api_key": SECRET}})
    flush()

    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"refused: [redacted]" in content
    assert SECRET.encode() not in content


def test_the_keys_of_an_inner_flow_hold_around_it_too() -> None:
    """What it asked to be masked is masked in the values of the flows that hold it."""

    @trace_flow(config=TracingConfig(redact_keys=["badge"]))
    class Inner(Flow):  # type: ignore[misc]
        pass

    class Leave(Node):  # type: ignore[misc]
        def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
            shared["badge"] = "blue-17"

    sink = MemorySink()
    with tracing(sinks=[sink]):
        Flow(start=Inner(start=Leave())).run({"badge": "red-4", "other": "seen"})
    flush()

    [trace] = sink.traces
    written = json.dumps(trace.to_dict())
    assert "seen" in written
    assert "blue-17" not in written
    assert "red-4" not in written
