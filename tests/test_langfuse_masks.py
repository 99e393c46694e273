"""The mask of a program's own Langfuse client holds for what we keep and send, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from otlp_server_support import Server, attributes_of
from store_support import run_child
from values_support import shown

from pocketflow_tracing.bridge import client_mask
from pocketflow_tracing.values import Limits, snapshot
from pocketflow_tracing.values.redaction import FAILED, Policy
from pocketflow_tracing.values.rendering import render


def masking(mask: Any) -> Policy:
    policy = Policy()
    policy.whole_mask = mask
    return policy


def without_names(data: Any, **keywords: Any) -> Any:
    """As the documentation of Langfuse writes them: it goes into dicts, and changes them in place."""
    if isinstance(data, dict) and "name" in data:
        data["name"] = "***"
    return data


def test_it_gets_whole_values_after_secrets_are_masked() -> None:
    """By their names in them, and it may change its copy; what it leaves alone stays as it was."""
    policy = masking(without_names)
    value = snapshot({"name": "Ada", "password": "hunter2x", "age": 3}, Limits())
    found = render(value, policy, "input")
    assert found.value == {"name": "***", "password": "[redacted]", "age": 3}
    assert (json.loads(found.text), found.redacted) == (found.value, ["input.password", "input"])
    assert render(value, policy, "input").value == found.value
    assert shown([1, 2], policy=policy) == [1, 2]


def test_one_that_fails_hides_the_value() -> None:
    """As masks of TracingConfig do; texts and structures alike."""

    def fails(**keywords: Any) -> Any:
        raise RuntimeError

    assert shown({"a": 1}, policy=masking(fails)) == FAILED
    assert masking(fails).mask_text("a text") == FAILED
    assert masking(lambda data: None).mask_text("a text") == "[redacted]"


def test_without_a_client_there_is_none() -> None:
    """Nothing is imported to find out."""
    assert (client_mask("pk-nobody"), client_mask(None)) == (None, None)


def test_the_clients_mask_is_used_unless_the_config_has_one(server: Server, path: Path) -> None:
    """With the real SDK: found by the public key, and applied to what is sent and stored."""
    program = """
import sys
from pathlib import Path
from langfuse import Langfuse
from pocketflow import Flow, Node
from pocketflow_tracing import TracingConfig, flush, tracing

def mask(*, data, **keywords):
    return {**data, "name": "***"} if isinstance(data, dict) and "name" in data else data

PATH, HOST = sys.argv[1:]
Langfuse(public_key="pk-lf-one", secret_key="sk-lf-one", base_url=HOST, mask=mask, tracing_enabled=False)

class Greet(Node):
    def prep(self, shared):
        return {"name": "Ada", "of": "Lovelace"}

for own in (None, lambda value, path: "own" if value == "Ada" else value):
    keys = ("sk-lf-one", "pk-lf-one", HOST)
    with tracing(TracingConfig(*keys, store=Path(PATH), mask=own), flow_name="own" if own else "theirs"):
        Flow(start=Greet()).run({})
    assert flush(30) == 0
"""
    run_child(program, path, server.host)
    outputs = {
        attributes_of(span)["langfuse.trace.name"]: json.loads(
            attributes_of(span)["langfuse.observation.output"]
        )
        for span in server.rows.values()
        if span.name == "Greet.prep"
    }
    assert outputs == {
        "theirs": {"name": "***", "of": "Lovelace"}, "own": {"name": "own", "of": "Lovelace"},
    }  # fmt: skip
