"""The examples: each runs offline, prints what it should, and leaves the trace it should."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pocketflow_tracing.testing import capture_traces, outline

EXAMPLES = Path(__file__).parent.parent / "examples"

PRINTED = {
    "support_tickets": """\
normal billing ticket -> Billing
high technical ticket -> Engineering on call
""",
    "support_tickets_miswired": """\
team: nobody
""",
    "parallel_reviews": """\
***** 'Great soup, great people.'
-     ''
**    'Waited an hour. Cold.'
-     '???'
""",
    "school_report": """\
Ada: 1.33
Ben: 3.5
Cem: 2.33
well done: Ada
""",
    "research_agent": """\
# What PocketFlow is

PocketFlow is **100 lines** of Python without dependencies.
A node:

1. `prep` reads the store
2. `exec` computes
3. `post` writes

So it is *small*, and all of it can be read in a sitting.
""",
    "third_party": """\
gut Morgen
gut Morgen Berlin
""",
}


Load = Callable[[str], ModuleType]


SUPPORT_FLOW = """\
flow CustomerSupportFlow ok -> done
  node TicketClassificationNode ok -> route_ticket
    prep ok
    exec ok
    post ok
  node TicketRoutingNode ok -> done
    prep ok
    exec ok
    post ok
"""


def test_support_tickets_leaves_one_trace_a_ticket(example: Load) -> None:
    """Each ticket is classified, then routed; the store holds what was found out."""
    with capture_traces() as traces:
        example("support_tickets").main()

    assert [outline(trace) for trace in traces] == [SUPPORT_FLOW, SUPPORT_FLOW]
    routed = traces[1].output["shared"]
    assert (routed["category"], routed["priority"], routed["team"]) == (
        "technical",
        "high",
        "Engineering on call",
    )


def test_a_miswired_flow_shows_the_warning_where_it_happened(example: Load) -> None:
    """PocketFlow's warning stands on the flow that ended early; the router is wired and never ran."""
    with capture_traces() as traces, pytest.warns(UserWarning, match="Flow ends"):
        example("support_tickets_miswired").main()

    assert [outline(trace) for trace in traces] == [
        """\
flow CustomerSupportFlow ok -> route_ticket
  node TicketClassificationNode ok -> route_ticket
    prep ok
    exec ok
    post ok
"""
    ]
    assert traces[0].spans[0].attributes["warnings"] == ["Flow ends: 'route_ticket' not found in ['default']"]
    assert {node.key for node in traces[0].graph.nodes} == {"TicketClassificationNode", "TicketRoutingNode"}


def test_parallel_reviews_keep_their_retries_apart(example: Load) -> None:
    """Every item has its own attempts, whatever order they end in."""
    with capture_traces() as traces:
        asyncio.run(example("parallel_reviews").main())

    assert [outline(trace) for trace in traces] == [
        """\
flow ReviewScores ok
  node LoadReviews ok -> default
    exec ok
    post ok
  node ScoreReviews ok
    prep ok
    exec ok item=0
    exec error ValueError item=1 attempt=1 recovered
    exec error TimeoutError item=2 attempt=1 recovered
    exec error ValueError item=3 attempt=1 recovered
    exec error ValueError item=3 attempt=2 recovered
    exec ok item=2 attempt=2
    fallback ok item=3
    exec error ValueError item=1 attempt=2 recovered
    fallback ok item=1
    post ok
"""
    ]


def test_a_school_report_nests_iterations(example: Load) -> None:
    """A batch flow inside a batch flow: each iteration holds what ran in it."""
    with capture_traces() as traces:
        example("school_report").main()

    assert [outline(trace) for trace in traces] == [
        """\
flow SchoolReport ok
  flow ClassesOfSchool ok
    prep ok
    iteration ok item=0
      flow StudentsOfClass ok
        prep ok
        iteration ok item=0
          node LoadGrades ok
            exec ok
            post ok
          node Average ok
            prep ok
            exec ok
            post ok
        iteration ok item=1
          node LoadGrades ok
            exec ok
            post ok
          node Average ok
            prep ok
            exec ok
            post ok
    iteration ok item=1
      flow StudentsOfClass ok
        prep ok
        iteration ok item=0
          node LoadGrades ok
            exec ok
            post ok
          node Average ok
            prep ok
            exec ok
            post ok
  node Praise ok
    prep ok
    exec ok item=0
    exec ok item=1
    exec ok item=2
    post ok
"""
    ]


def test_a_third_party_flow_is_traced_untouched(example: Load) -> None:
    """Each run inside the scope is a trace of its own, with the scope's name and session."""
    with capture_traces() as traces:
        example("third_party").main()

    assert [outline(trace) for trace in traces] == [
        """\
flow Translation ok
  node Split ok -> translate
    prep ok
    exec ok
    post ok
  node Translate ok
    prep ok
    exec ok
    post ok
""",
        """\
flow Translation ok
  node Split ok -> translate
    prep ok
    exec ok
    post ok
  node Translate ok
    prep ok
    exec error KeyError attempt=1 recovered
    fallback ok
    post ok
""",
    ]
    assert {trace.session_id for trace in traces} == {"demo"}


def test_an_agent_goes_round_until_it_knows_enough(example: Load) -> None:
    """Each visit of a loop is a step of its own, and the review is a flow in the flow."""
    with capture_traces() as traces:
        example("research_agent").main()

    assert [outline(trace) for trace in traces] == [
        """\
flow ResearchAgent ok
  node DecideAction ok -> search
    prep ok
    exec ok
    post ok
  node SearchWeb ok -> decide
    prep ok
    exec ok
    post ok
  node DecideAction ok -> search visit=2
    prep ok
    exec ok
    post ok
  node SearchWeb ok -> decide visit=2
    prep ok
    exec ok
    post ok
  node DecideAction ok -> answer visit=3
    prep ok
    exec ok
    post ok
  node WriteAnswer ok
    prep ok
    exec error TimeoutError attempt=1 recovered
    exec ok attempt=2
    post ok
  flow ReviewAnswer ok
    node CheckFacts ok -> approve
      prep ok
      exec ok
      post ok
    node Publish ok
      post ok
"""
    ]
    assert "4f9d2c7a81be4e0c" not in str(traces[0].to_dict())


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_the_same_traced_and_untraced(name: str, tmp_path: Path) -> None:
    """The output of a program is its own: `run` adds a tree for each run to stderr, and nothing to stdout."""
    plain = started(tmp_path, name)
    traced = started(tmp_path, name, "-m", "pocketflow_tracing", "run")

    assert (plain.returncode, plain.stdout) == (0, PRINTED[name]), plain.stderr
    assert (traced.returncode, traced.stdout) == (0, PRINTED[name]), traced.stderr
    assert traced.stderr.count("✓ flow ") >= 1
    assert traced.stderr.splitlines()[-1].startswith("pocketflow-tracing: ")


def started(folder: Path, name: str, *how: str) -> subprocess.CompletedProcess[str]:
    """The example, run as a program of its own in `folder`."""
    return subprocess.run(
        [sys.executable, *how, str(EXAMPLES / f"{name}.py")],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={
            **os.environ,
            "POCKETFLOW_TRACING_STORE": str(folder / "traces.db"),
            "PYTHONIOENCODING": "utf-8",
        },
    )


def test_every_example_is_tested() -> None:
    """No example stands here that this file does not run, the module of the third party's flow apart."""
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*PRINTED, "translation_flow"}
