"""What a span looks like in Langfuse: attributes, types, levels, metadata, graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langfuse_rules import attributes_of
from langfuse_support import Ask, Broken, Check, asking, generated, observed, traced, wired
from pocketflow import AsyncNode, BatchNode, Flow
from store_support import made_trace

from pocketflow_tracing import TracingConfig, span, tracing
from pocketflow_tracing.config import resolve
from pocketflow_tracing.model import Status
from pocketflow_tracing.sinks.langfuse import langfuse_sink


def test_a_run_reads_as_it_ran(path: Path) -> None:
    """Types, inputs and outputs as JSON, metadata to filter by, and the graph on nodes alone."""
    trace = traced(path, asking(), {"question": "why?"}, session_id="s-1", user_id="ada", tags=["nightly"])
    found = observed(trace)

    assert list(found) == ["Flow", "Ask", "Ask.prep", "Ask.exec", "Ask.post", "Check", "Check.exec"]
    assert [found[name]["type"] for name in ("Flow", "Ask", "Ask.exec")] == ["chain", "span", "span"]
    for attributes in found.values():
        assert attributes["langfuse.trace.name"] == "Flow"
        assert (attributes["session.id"], attributes["user.id"]) == ("s-1", "ada")
        assert attributes["langfuse.trace.tags"] == ["nightly"]
        assert attributes["langfuse.environment"] == "default"
    assert json.loads(found["Flow"]["input"]) == {"shared": {"question": "why?"}}
    assert json.loads(found["Flow"]["output"])["shared"] == {"question": "why?", "answer": "42"}
    assert json.loads(found["Ask.prep"]["output"]) == "why?"
    ask = {key: value for key, value in found["Ask"].items() if key.startswith("m.")}
    assert ask == {
        "m.node": "Ask", "m.flow_path": "Flow", "m.langgraph_node": "Ask", "m.langgraph_step": 1,
        "m.visit": 1, "m.attempts": 2, "m.max_attempts": 3, "m.action": "check", "m.changes": "+answer",
    }  # fmt: skip
    assert found["Check"]["m.langgraph_step"] == 2
    assert [name for name in found if "m.langgraph_node" in found[name]] == ["Ask", "Check"]
    assert (found["Ask.post"]["m.phase"], found["Ask.post"]["m.node"]) == ("post", "Ask")


def test_changes_that_may_be_those_of_others_can_be_filtered_by() -> None:
    """The names as always, and a mark beside them."""
    trace = made_trace(1)
    trace.spans[1].changes = {"added": {"a": 1}, "changed": {}, "removed": {}, "concurrent": True}

    found = observed(trace)["Node1"]
    assert (found["m.changes"], found["m.changes_concurrent"]) == ("+a", True)


def test_a_recovered_attempt_warns_and_a_final_failure_is_an_error(path: Path) -> None:
    """The levels tell them apart; the status of a recovered attempt stays unset."""
    spans = wired(traced(path, asking(), {"question": "why?"}))
    first, second = [wire for wire in spans if wire.name == "Ask.exec"]
    assert attributes_of(first)["langfuse.observation.level"] == "WARNING"
    assert attributes_of(first)["langfuse.observation.status_message"] == "ValueError: no answer yet"
    assert first.status.code == 0
    assert "langfuse.observation.level" not in attributes_of(second)

    failed = wired(traced(path, Flow(start=Broken()), {}))
    assert [wire.name for wire in failed] == ["Flow", "Broken", "Broken.exec"]
    for wire in failed:
        attributes = attributes_of(wire)
        assert attributes["langfuse.observation.level"] == "ERROR"
        assert attributes["langfuse.observation.status_message"] == "ValueError: broken for good"
        assert (wire.status.code, wire.status.message) == (2, "ValueError: broken for good")
    errors = [json.loads(attributes_of(wire)["langfuse.observation.output"])["error"] for wire in failed]
    assert "raise ValueError" in errors[0]["stacktrace"] and "raise ValueError" in errors[2]["stacktrace"]
    assert [error.get("raised_in") for error in errors] == ["Broken.exec", "Broken.exec", None]


def test_a_flow_that_leads_nowhere_warns(path: Path) -> None:
    """PocketFlow's warning is a level and a message, not a line in a log."""
    ask, check = Ask(max_retries=3), Check()
    ask - "other" >> check
    with pytest.warns(UserWarning):
        trace = traced(path, Flow(start=ask), {"question": "why?"})
    flow = observed(trace)["Flow"]
    assert flow["level"] == "WARNING"
    assert "'check' not found" in flow["status_message"]


def test_items_and_params_are_metadata(path: Path) -> None:
    """Which item, which parameter: flat, so that the dashboard filters by it."""

    class Twice(BatchNode):
        def prep(self, shared: Any) -> Any:
            return [1, 2]

        def exec(self, item: Any) -> Any:
            return item * 2

    node = Twice()
    node.set_params({"file": "a.txt", "options": {"deep": True}})
    spans = wired(traced(path, node, {}))
    execs = [attributes_of(wire) for wire in spans if wire.name == "Twice.exec"]
    assert [attributes["langfuse.observation.metadata.item"] for attributes in execs] == [0, 1]
    (root,) = [attributes_of(wire) for wire in spans if wire.name == "Twice"]
    assert root["langfuse.observation.metadata.params.file"] == "a.txt"
    assert root["langfuse.observation.metadata.params.options"] == '{"deep":true}'


def test_usage_and_cost_stand_on_the_generation_alone() -> None:
    """The server sums what all spans say, so one span says it."""
    found = observed(generated())
    generation = found["Node2"]
    assert generation["type"] == "generation"
    assert generation["model.name"] == "gpt-x"
    assert json.loads(generation["model.parameters"]) == {"temperature": 0.5, "top_logprobs": 2}
    assert json.loads(generation["usage_details"]) == {"input": 10, "output": 5, "cache_read_input_tokens": 3}
    assert json.loads(generation["cost_details"]) == {"input": 0.25}
    assert generation["completion_start_time"] == "2026-01-01T00:00:00.000Z"
    assert [name for name in found if "usage_details" in found[name]] == ["Node2"]
    assert {found[name]["langfuse.environment"] for name in found} == {"staging"}
    assert {found[name]["langfuse.release"] for name in found} == {"1.2.3"}


def test_the_root_carries_what_belongs_to_the_trace() -> None:
    """Metadata, and whether the trace is whole, stand once."""
    trace = made_trace(1)
    trace.metadata, trace.dropped_spans, trace.complete = {"run": 7, "team": "Köln"}, 2, False
    root, child = observed(trace).values()
    assert {key: value for key, value in root.items() if key.startswith("langfuse.trace.metadata")} == {
        "langfuse.trace.metadata.run": 7,
        "langfuse.trace.metadata.team": "Köln",
        "langfuse.trace.metadata.dropped_spans": "2",
        "langfuse.trace.metadata.complete": "false",
    }
    assert not any(key.startswith("langfuse.trace.metadata") for key in child)


def test_a_run_that_joined_a_trace_is_its_child_and_a_root_of_its_own() -> None:
    """The trace id is the other's; two marks make Langfuse fill the trace's row all the same."""
    trace = made_trace(1)
    trace.trace_id, trace.parent_span_id = "ab" * 16, "cd" * 8
    root, child = wired(trace)
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == ("ab" * 16, "cd" * 8)
    assert attributes_of(root)["langfuse.internal.as_root"] is True
    assert attributes_of(root)["langfuse.internal.is_app_root"] is True
    assert (child.trace_id.hex(), child.parent_span_id) == ("ab" * 16, root.span_id)


def test_an_interrupted_span_ends_with_the_last_that_was_seen() -> None:
    """A killed run ends where it was seen last, always at the same time, and says what happened."""
    trace = made_trace(1, ended=False)
    trace.end_ns = trace.spans[1].end_ns  # so that it can be claimed; its process is this one
    root, child = wired(trace)
    assert root.end_time_unix_nano == child.end_time_unix_nano
    assert attributes_of(root)["langfuse.observation.level"] == "ERROR"
    assert "interrupted" in attributes_of(root)["langfuse.observation.status_message"]


def test_the_true_start_is_kept_where_it_was_shifted(path: Path) -> None:
    """What was moved to keep siblings in order says so, to the nanosecond."""
    trace = traced(path, asking(), {"question": "why?"})
    true = {kept.span_id: kept.start_ns for kept in trace.spans}
    shifted = 0
    for wire in wired(trace):
        start = attributes_of(wire).get("langfuse.observation.metadata.start_ns")
        assert (start or wire.start_time_unix_nano) == true[wire.span_id.hex()]
        shifted += start is not None
    assert shifted > 0


def test_what_is_too_much_for_langfuse_is_cut(path: Path) -> None:
    """At most 128 attributes, ids of 200 characters, metadata that stays short; odd text gets through."""
    trace = made_trace(1, spans=1)
    trace.user_id = "u" * 500
    trace.metadata = {f"key{n}": n for n in range(100)}
    kept = trace.spans[0]
    kept.attributes = {f"own{n}": "x" * 5_000 for n in range(100)}
    kept.attributes["params"] = {f"p{n}": [n] for n in range(100)}
    kept.status, kept.status_message = Status.ERROR, "lone \ud800 surrogate"
    kept.redacted = [f"input.shared.key{n}" for n in range(500)]
    (wire,) = wired(trace)
    attributes = attributes_of(wire)
    assert len(attributes) <= 128
    assert attributes["user.id"] == "u" * 200
    assert all(
        len(value) < 1_100 for key, value in attributes.items() if "metadata" in key and type(value) is str
    )
    assert wire.status.message == "lone ? surrogate"


def test_a_cancelled_span_is_no_error() -> None:
    """Cancelling is what programs do on purpose."""
    trace = made_trace(1)
    trace.spans[1].status = Status.CANCELLED
    found = observed(trace)["Node1"]
    assert (found["level"], found["status_message"]) == ("WARNING", "cancelled")


def test_a_name_of_ours_never_stands_twice() -> None:
    """A program may use any name for its own metadata."""
    trace = made_trace(1)
    trace.metadata = {"project": "mine"}
    trace.spans[0].attributes = {"node": "mine", "type": ["odd"], "flow_path": "x"}
    assert len(wired(trace)) == 2
    (root, _) = observed(trace).values()
    assert (root["type"], root["langfuse.trace.metadata.project"]) == ("chain", "mine")


def test_one_key_without_the_other_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Half a pair sends nothing, and says which half is missing."""
    assert list(langfuse_sink(resolve(TracingConfig(langfuse_public_key="pk")))) == []
    assert "LANGFUSE_SECRET_KEY is not set" in caplog.text


def test_asynchronous_siblings_keep_their_order(path: Path) -> None:
    """Parallel items share a millisecond; each still has one of its own as far as five go."""
    import asyncio

    from pocketflow import AsyncFlow, AsyncParallelBatchNode

    class Many(AsyncParallelBatchNode):
        async def prep_async(self, shared: Any) -> Any:
            return list(range(4))

        async def exec_async(self, item: Any) -> Any:
            await asyncio.sleep(0)

    with tracing(TracingConfig(store=path)) as scope, span("outer"):
        asyncio.run(AsyncFlow(start=Many()).run_async({}))
    execs = [wire for wire in wired(scope.traces[-1]) if wire.name == "Many.exec"]
    starts = [wire.start_time_unix_nano // 1_000_000 for wire in execs]
    assert len(set(starts)) == 4
    assert issubclass(Many, AsyncNode)
