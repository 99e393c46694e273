"""What a program adds to its spans: masked by its name as well as by its look."""

from __future__ import annotations

from typing import Any

from pocketflow import Node

from pocketflow_tracing import current_span
from pocketflow_tracing.testing import capture_traces

TOKEN = "sk-proj-aB3xY9aB3xY9aB3xY9aB3xY9aB3xY9"


class Tell(Node):  # type: ignore[misc]
    """Adds attributes to its span."""

    def exec(self, prep_res: Any) -> Any:
        current_span().update(password="hunter2", answer=42, deep={"api_key": "hunter3"}, **{TOKEN: "value"})


def test_the_name_of_an_attribute_is_masked_and_tells_what_its_value_is() -> None:
    """As the key of a dict does."""
    with capture_traces() as traces:
        Tell().run({})
    [span] = [span for span in traces[0].spans if span.name == "Tell.exec"]

    assert span.attributes == {
        "attempt": 1,
        "max_attempts": 1,
        "password": "[redacted]",
        "answer": 42,
        "deep": {"api_key": "[redacted]"},
        "sk-proj-[redacted]": "value",
    }
    assert span.redacted == ["attributes.password", "attributes.deep.api_key"]
