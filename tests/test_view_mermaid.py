"""The graph with the way a run took through it, as Mermaid: what every view of the graph stands on."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from pocketflow_tracing.model import Graph, Span, SpanKind, Trace
from pocketflow_tracing.testing import capture_traces
from pocketflow_tracing.view.mermaid import mermaid
from pocketflow_tracing.view.walked import Walked

Load = Callable[[str], ModuleType]
CLASSES = """\
  classDef taken fill:#e8eeff,stroke:#3b5bdb,stroke-width:2px,color:#16213f
  classDef recovered fill:#fff3dc,stroke:#b36b00,stroke-width:2px,color:#3f2a05
  classDef failed fill:#ffe9e9,stroke:#c92a2a,stroke-width:3px,color:#5c1111
  classDef untaken fill:#f4f5f7,stroke:#aab2bf,stroke-dasharray:4 3,color:#5a6372
  classDef spot fill:#3b5bdb,stroke:#3b5bdb,color:#3b5bdb
  classDef lost fill:#c92a2a,stroke:#c92a2a,color:#ffffff
"""
TAKEN = "stroke:#3b5bdb,stroke-width:3px"


def chart(trace: Trace) -> str:
    """The chart without the classes, which are always the same."""
    return mermaid(trace).replace(CLASSES, "")


class Go(Node):
    """Returns the next of the actions that it was made with."""

    def __init__(self, *actions: str | None) -> None:
        super().__init__()
        self.actions = list(actions)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str | None:
        """The next action."""
        return self.actions.pop(0) if self.actions else None


def traced(flow: Flow, shared: dict[str, Any] | None = None) -> Trace:
    """The trace of one run, also of one that fails."""
    with capture_traces() as traces, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            flow.run({} if shared is None else shared)
        except ValueError:
            pass
    (trace,) = traces
    return trace


def test_an_agent_is_drawn_with_its_loop_its_branches_and_its_review(example: Load) -> None:
    """Steps are numbered and counted; what was retried, nested and not taken is told apart."""
    with capture_traces() as traces:
        example("research_agent").main()

    assert (
        chart(traces[0])
        == f"""\
flowchart LR
  subgraph f1["ResearchAgent"]
    n1["1, 3, 5 · DecideAction<br/>×3"]:::taken
    n2["2, 4 · SearchWeb<br/>×2"]:::taken
    n3["6 · WriteAnswer<br/>1 retry"]:::recovered
    n4["GiveUp"]:::untaken
    subgraph n5["ReviewAnswer"]
      n6["1 · CheckFacts"]:::taken
      n7["2 · Publish"]:::taken
      n8["GiveUp"]:::untaken
      n5_start(( )):::spot
      n5_end2((( ))):::spot
    end
    f1_start(( )):::spot
    f1_end5((( ))):::spot
  end
  n5_start --> n6
  n6 -->|"approve"| n7
  n6 -.->|"reject"| n8
  n7 --> n5_end2
  f1_start --> n1
  n1 -->|"search ×2"| n2
  n1 -->|"answer"| n3
  n1 -.->|"give_up"| n4
  n2 -->|"decide ×2"| n1
  n3 --> n5
  n5 --> f1_end5
  linkStyle 0,1,3,4,5,6,8,9,10 {TAKEN}
"""
    )


def test_the_chart_in_the_docs_is_what_is_written(example: Load) -> None:
    """What docs/reviewing.md shows is the chart of the example it names."""
    with capture_traces() as traces:
        example("research_agent").main()
    docs = Path(__file__).parent.parent / "docs" / "reviewing.md"

    assert f"```mermaid\n{mermaid(traces[0])}```" in docs.read_text(encoding="utf-8")


def test_batches_of_batches_are_boxes_with_their_iterations(example: Load) -> None:
    """The way through a flow is numbered once and counted over all iterations."""
    with capture_traces() as traces:
        example("school_report").main()

    assert (
        chart(traces[0])
        == f"""\
flowchart LR
  subgraph f1["SchoolReport"]
    subgraph n1["ClassesOfSchool · 2 iterations"]
      subgraph n3["StudentsOfClass · ×2 · 3 iterations"]
        n4["1 · LoadGrades<br/>×3"]:::taken
        n5["2 · Average<br/>×3"]:::taken
        n3_start(( )):::spot
        n3_end1((( ))):::spot
      end
      n1_start(( )):::spot
      n1_end0((( ))):::spot
    end
    n2["2 · Praise<br/>3 items"]:::taken
    f1_start(( )):::spot
    f1_end1((( ))):::spot
  end
  n3_start --> n4
  n4 -->|"×3"| n5
  n5 -->|"×3"| n3_end1
  n1_start --> n3
  n3 -->|"×2"| n1_end0
  f1_start --> n1
  n1 --> n2
  n2 --> f1_end1
  linkStyle 0,1,2,3,4,5,6,7 {TAKEN}
"""
    )


def test_an_action_that_leads_nowhere_dangles(example: Load) -> None:
    """Where PocketFlow warns that an action is not found, its way ends in a cross."""
    with capture_traces() as traces, pytest.warns(UserWarning, match="Flow ends"):
        example("support_tickets_miswired").main()

    assert (
        chart(traces[0])
        == f"""\
flowchart LR
  subgraph f1["CustomerSupportFlow"]
    n1["1 · TicketClassificationNode"]:::taken
    n2["TicketRoutingNode"]:::untaken
    f1_start(( )):::spot
    f1_end1(("×")):::lost
  end
  f1_start --> n1
  n1 -.-> n2
  n1 --x|"route_ticket not found"| f1_end1
  linkStyle 0 {TAKEN}
  linkStyle 2 stroke:#c92a2a,stroke-width:3px
"""
    )


def test_retries_of_parallel_items_are_counted(example: Load) -> None:
    """Three attempts were followed by another one; the node is well, and shows that it had trouble."""
    with capture_traces() as traces:
        asyncio.run(example("parallel_reviews").main())

    assert (
        chart(traces[0])
        == f"""\
flowchart LR
  subgraph f1["ReviewScores"]
    n1["1 · LoadReviews"]:::taken
    n2["2 · ScoreReviews<br/>4 items · 3 retries"]:::recovered
    f1_start(( )):::spot
    f1_end1((( ))):::spot
  end
  f1_start --> n1
  n1 --> n2
  n2 --> f1_end1
  linkStyle 0,1,2 {TAKEN}
"""
    )


def test_a_node_that_fails_is_where_the_way_ends() -> None:
    """Nothing leads on from the failing node, also not to where it could have gone."""

    class Break(Node):
        def exec(self, prep_res: Any) -> Any:
            raise ValueError("broken")

    start = Go("on")
    start - "on" >> Break() >> Go()

    assert (
        chart(traced(Flow(start=start)))
        == f"""\
flowchart LR
  subgraph f1["Flow"]
    n1["1 · Go"]:::taken
    n2["2 · Break<br/>failed"]:::failed
    n3["Go#35;2"]:::untaken
    f1_start(( )):::spot
  end
  f1_start --> n1
  n1 -->|"on"| n2
  n2 -.-> n3
  linkStyle 0,1 {TAKEN}
"""
    )


def test_a_node_may_lead_to_itself() -> None:
    """A loop of one node is a way from it to it; long ways are numbered at their beginning only."""
    start = Go(*["again"] * 6)
    start - "again" >> start

    assert (
        chart(traced(Flow(start=start)))
        == f"""\
flowchart LR
  subgraph f1["Flow"]
    n1["1, 2, 3, 4 … · Go<br/>×7"]:::taken
    f1_start(( )):::spot
    f1_end1(("×")):::lost
  end
  f1_start --> n1
  n1 -->|"again ×6"| n1
  n1 --x|"default not found"| f1_end1
  linkStyle 0,1 {TAKEN}
  linkStyle 2 stroke:#c92a2a,stroke-width:3px
"""
    )


def test_a_flow_run_by_hand_in_a_phase_is_a_box_of_its_own() -> None:
    """It is no node of the flow around it, so nothing leads there."""

    class ByHand(Node):
        def exec(self, prep_res: Any) -> Any:
            Inner(start=Go()).run({})

    class Inner(Flow):
        pass

    assert (
        chart(traced(Flow(start=ByHand())))
        == f"""\
flowchart LR
  subgraph f1["Flow"]
    n1["1 · ByHand"]:::taken
    f1_start(( )):::spot
    f1_end0((( ))):::spot
  end
  subgraph f2["Inner"]
    n2["1 · Go"]:::taken
    f2_start(( )):::spot
    f2_end0((( ))):::spot
  end
  f1_start --> n1
  n1 --> f1_end0
  f2_start --> n2
  n2 --> f2_end0
  linkStyle 0,1,2,3 {TAKEN}
"""
    )


def test_a_node_that_nobody_drew_is_drawn_when_it_ran() -> None:
    """A successor that comes from nowhere, as of a flow with its own `get_next_node`, has its place."""

    class Jumping(Flow):
        def get_next_node(self, curr: Any, action: Any) -> Any:
            return last if curr.__class__ is Go else None

    class Last(Node):
        pass

    last = Last()
    lines = chart(traced(Jumping(start=Go("jump")))).splitlines()

    assert lines[2:4] == ['    n1["1 · Go"]:::taken', '    n2["2 · Last"]:::taken']
    assert '  n1 -->|"jump"| n2' in lines


def test_what_means_something_to_mermaid_or_html_is_written_by_its_number() -> None:
    """Neither a class name nor an action can leave its quotes."""
    hostile = '"]--><script>alert(1)</script>#\u202e\n%%'

    class Odd(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            return hostile

    Odd.__name__ = Odd.__qualname__ = hostile
    start = Odd()
    start - hostile >> Go()
    lines = chart(traced(Flow(start=start))).splitlines()

    written = "#34;#93;--#62;#60;script#62;alert#40;1#41;#60;#47;script#62;#35;#8238;#10;#37;#37;"
    assert lines[2] == f'    n1["1 · {written}"]:::taken'
    assert f'  n1 -->|"{written}"| n2' in lines


def test_a_trace_without_a_graph_has_an_empty_chart() -> None:
    """A step of one's own that ran no flow."""
    span = Span("a" * 32, "b" * 16, None, "work", SpanKind.SPAN, 0, 1)

    assert chart(Trace("a" * 32, "a" * 32, "work", 0, 1, spans=[span])) == "flowchart LR\n"


def test_parallel_ways_are_each_counted() -> None:
    """Flows that run side by side in one trace do not get into one another's way."""

    class Wait(AsyncNode):
        async def exec_async(self, prep_res: Any) -> None:
            await asyncio.sleep(0)

    class Both(AsyncNode):
        async def exec_async(self, prep_res: Any) -> None:
            first = Wait()
            first >> Wait()
            await asyncio.gather(*(AsyncFlow(start=first).run_async({}) for _ in range(3)))

    with capture_traces() as traces:
        asyncio.run(AsyncFlow(start=Both()).run_async({}))
    walked = Walked(traces[0])
    inner = walked.flows["AsyncFlow/AsyncFlow"]

    assert [(node.key, node.runs, node.steps) for node in inner.nodes] == [
        ("Wait", 3, [1]),
        ("Wait#2", 3, [2]),
    ]
    assert [(edge.target, edge.count) for edge in inner.edges] == [
        ("AsyncFlow/AsyncFlow/Wait#2", 3),
        (None, 3),
    ]


def test_a_graph_is_drawn_before_anything_of_it_ran() -> None:
    """A run that has just begun shows what lies ahead."""
    trace = traced(Flow(start=Go()))
    trace.spans = trace.spans[:1]

    assert Graph(trace.graph.nodes, []).nodes[0].key == "Go"
    assert '    n1["Go"]:::untaken' in chart(trace)
