"""The tree as Langfuse shows it: whatever it cuts off and however it sorts, the run can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langfuse_rules import metadata_of, read_back, shown
from langfuse_support import keep, ship
from otlp_server_support import Server
from pocketflow import AsyncFlow, AsyncParallelBatchNode, Flow, Node
from readme_support import blocks

from pocketflow_tracing import Trace
from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.store import Store
from pocketflow_tracing.testing import capture_traces, outline

README = Path(__file__).parent.parent / "README.md"
Load = Callable[[str], ModuleType]
Deliver = Callable[..., None]


@pytest.fixture
def deliver(server: Server, store: Store, courier: Courier) -> Deliver:
    """Sends traces to the server, which must find nothing wrong with them."""

    def deliver(*traces: Trace) -> None:
        for trace in traces:
            keep(store, trace, courier.sink.destination)
        assert ship(courier, store) == 0
        server.check_sound()

    return deliver


class Decide(Node):
    """Goes round once more, then on."""

    def exec(self, prep_res: Any) -> Any:
        return "why?"

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["rounds"] = shared.get("rounds", 0) + 1
        return "again" if shared["rounds"] < 2 else "enough"


class Step(Node):
    """There are two of it."""


class Many(AsyncParallelBatchNode):
    """Three items at a time."""

    async def prep_async(self, shared: Any) -> Any:
        return [1, 2, 3]

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        return None


def going_round() -> Flow:
    """A loop, and two instances of one class."""
    decide, inside, last = Decide(), Step(), Step()
    decide - "again" >> inside >> decide
    decide - "enough" >> last
    return Flow(start=decide)


@pytest.mark.parametrize("name", ["support_tickets", "research_agent"])
def test_an_example_reads_there_as_it_does_here(
    name: str, example: Load, deliver: Deliver, server: Server
) -> None:
    """Loops, a nested flow, retries: by names, types, levels and metadata alone."""
    with capture_traces() as traces:
        example(name).main()
    deliver(*traces)
    assert [outline(read_back(spans)) for spans in server.traces()] == [outline(trace) for trace in traces]


def test_parallel_items_and_a_loop_keep_their_order(deliver: Deliver, server: Server) -> None:
    """Steps of some microseconds, as many as a few milliseconds have room for."""
    with capture_traces() as traces:
        going_round().run({})
        asyncio.run(AsyncFlow(start=Many()).run_async({}))
    deliver(*traces)
    assert [outline(read_back(spans)) for spans in server.traces()] == [outline(trace) for trace in traces]


def test_steps_of_one_millisecond_come_out_in_any_order(deliver: Deliver, server: Server) -> None:
    """What the comparisons above stand on: with starts that are not apart, the outline is another one."""
    with capture_traces() as traces:
        going_round().run({})
    deliver(*traces)
    (spans,) = server.traces()
    for place, span in enumerate(spans):
        span.start_time_unix_nano = 1_000_000_000 + place
    assert outline(read_back(spans)) != outline(traces[0])


def test_the_readmes_show_the_tree_of_the_example(example: Load, deliver: Deliver, server: Server) -> None:
    """The text below "See it in Langfuse" is what the server has of a ticket."""
    with capture_traces() as traces:
        example("support_tickets").main()
    deliver(*traces)
    for page in (README, README.with_name("README.zh-CN.md")):
        assert server.trees()[0] in blocks(page.read_text(encoding="utf-8"), "text")


def test_two_of_one_class_and_a_loop_are_told_apart_in_the_graph(deliver: Deliver, server: Server) -> None:
    """Each instance is a box of its own, each visit a step; nothing but nodes is in the graph."""
    with capture_traces() as traces:
        going_round().run({})
    deliver(*traces)
    found = [(span.name, metadata_of(span)) for _, span in shown(server.spans())]
    graph = [
        (name, about["langgraph_node"], about["langgraph_step"], about["visit"])
        for name, about in found
        if "langgraph_node" in about or "langgraph_step" in about
    ]
    assert graph == [
        ("Decide", "Decide", 1, 1),
        ("Step", "Step", 2, 1),
        ("Decide", "Decide", 3, 2),
        ("Step", "Step#2", 4, 1),
    ]
    assert {about["node"] for name, about in found if name.endswith(".exec")} == {"Decide"}
