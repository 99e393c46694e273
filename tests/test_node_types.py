"""`node_types` and the other settings that describe a trace: where they come from, and what has them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pocketflow import BatchFlow, Flow, Node
from test_langfuse_observations import observed

from pocketflow_tracing import TracingConfig, TracingError, trace_flow, tracing
from pocketflow_tracing.model import Trace
from pocketflow_tracing.testing import capture_traces
from pocketflow_tracing.view.terminal import TraceTree


class Search(Node):
    def exec(self, prep_res: Any) -> str:
        return "found"


class WebSearch(Search):
    pass


class Decide(Node):
    pass


def wired() -> Flow:
    decide, search, web = Decide(), Search(), WebSearch()
    decide >> search >> web
    return Flow(start=decide)


def declared(trace: Trace) -> dict[str, Any]:
    """What the spans of a trace are declared as, those left out that are not."""
    return {span.name: span.attributes["type"] for span in trace.spans if "type" in span.attributes}


def traced(**keywords: Any) -> Trace:
    with capture_traces(**keywords) as traces:
        wired().run({})
    (trace,) = traces
    return trace


def test_nodes_are_what_their_class_was_declared_as() -> None:
    """By class or by its name, subclasses too, the nearest class first; phases are not concerned."""
    assert declared(traced(node_types={Search: "tool", Decide: "agent"})) == {
        "Decide": "agent", "Search": "tool", "WebSearch": "tool",
    }  # fmt: skip
    assert declared(traced(node_types={"Search": "retriever", WebSearch: "tool"})) == {
        "Search": "retriever", "WebSearch": "tool",
    }  # fmt: skip
    assert declared(traced(node_types={Flow: "agent"})) == {"Flow": "agent"}
    assert declared(traced()) == {}


def test_iterations_are_not_what_their_flow_is() -> None:
    """The flow is declared, and each of its iterations is a part of it."""

    class Both(BatchFlow):
        def prep(self, shared: Any) -> list[dict[str, int]]:
            return [{"number": 1}, {"number": 2}]

    with capture_traces(node_types={Both: "agent"}) as traces:
        Both(start=Search()).run({})
    assert declared(traces[0]) == {"Both": "agent"}


def test_types_come_from_every_scope_around_and_the_outer_one_counts() -> None:
    """A decorated flow says what its nodes are; who runs it may say otherwise."""
    flow = trace_flow(config=TracingConfig(node_types={"Decide": "tool"}), node_types={Search: "tool"})(
        wired()
    )
    with capture_traces(node_types={Search: "retriever"}) as traces:
        flow.run({})
    assert declared(traces[0]) == {"Decide": "tool", "Search": "retriever", "WebSearch": "retriever"}


@pytest.mark.parametrize("wrong", [{Search: "agnet"}, {Search: "generation"}, {3: "tool"}, ["Search"]])
def test_a_wrong_type_is_told_where_it_is_given(wrong: Any) -> None:
    """In one error that says what may stand there."""
    for give in (
        lambda: trace_flow(node_types=wrong),
        lambda: tracing(node_types=wrong),
        lambda: TracingConfig(node_types=wrong),
    ):
        with pytest.raises(TracingError, match=r"^node_types must be a dict from classes .* agent, tool"):
            give()


def test_types_are_shown_and_sent() -> None:
    """In the tree beside the node, and to Langfuse as the type of its observation."""
    trace = traced(node_types={Search: "tool", Flow: "agent"})
    assert {name: span["type"] for name, span in observed(trace).items()} == {
        "Flow": "agent", "Decide": "span", "Search": "tool", "WebSearch": "tool",
        "Search.exec": "span", "WebSearch.exec": "span",
    }  # fmt: skip
    shown = str(TraceTree(trace)).splitlines()
    assert ["· tool" in line for line in shown if "Search" in line] == [True, True]
    assert "· agent" in shown[1] or "· agent" in shown[0]


def test_a_decorated_flow_keeps_its_types_when_it_is_pickled() -> None:
    """As it does its other settings."""
    flow = pickle.loads(pickle.dumps(trace_flow(node_types={"Search": "tool"})(wired())))
    with capture_traces() as traces:
        flow.run({})
    assert declared(traces[0]) == {"Search": "tool", "WebSearch": "tool"}


def test_tags_and_metadata_of_the_settings_are_added_to_those_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a run says of itself counts first, then the config, then the environment."""
    monkeypatch.setenv("POCKETFLOW_TRACING_TAGS", "nightly, eu")
    assert traced().tags == ["nightly", "eu"]
    config = TracingConfig(tags=["staging"], metadata={"team": "data", "build": 7})
    trace = traced(config=config, tags=["mine"], metadata={"build": 8})
    assert (trace.tags, trace.metadata) == (["mine", "staging"], {"team": "data", "build": 8})

    inner = trace_flow(config=config, tags=["inner"])(wired())
    with capture_traces(tags=["outer"], metadata={"team": "web"}) as traces:
        inner.run({})
    assert set(traces[0].tags) == {"outer", "nightly", "eu", "inner", "staging"}
    assert traces[0].metadata == {"team": "web", "build": 7}


def test_what_a_config_holds_is_that_of_the_start_of_a_run() -> None:
    """A dict that is changed later counts for later runs alone."""
    metadata = {"build": 7}
    config = TracingConfig(metadata=metadata)
    with capture_traces(config=config) as traces:
        wired().run({})
        metadata["build"] = 8
        wired().run({})
    assert [trace.metadata["build"] for trace in traces] == [7, 8]


@pytest.mark.parametrize(
    "wrong", [{"tags": [3]}, {"tags": 3}, {"metadata": ["a"]}, {"metadata": {3: "three"}}]
)
def test_tags_and_metadata_are_checked_where_they_are_given(wrong: dict[str, Any]) -> None:
    """By name, with what is wanted."""
    with pytest.raises(TracingError, match=f"^{next(iter(wrong))} must be"):
        TracingConfig(**wrong)
