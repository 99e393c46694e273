"""Tool ids of `sys.monitoring`: stolen, all taken, used beside ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pocketflow import Flow, Node
from surroundings_support import OURS, clear_tool, single_events

from pocketflow_tracing.testing import capture_traces

from .harness import assert_well_formed, both, compare, shown, tree

RIGHT = tree("""
    flow Flow ok
      node Work ok
        prep ok
        exec ok
        post ok
""")


class Work(Node):
    """Three phases with some lines and calls in each."""

    def prep(self, shared: Any) -> Any:
        numbers = list(range(3))
        return numbers

    def exec(self, prep_res: Any) -> Any:
        total = 0
        for number in prep_res:
            total += square(number)
        return total

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["total"] = exec_res


def square(number: int) -> int:
    """A function of the user's."""
    return number * number


def run_work() -> Any:
    """Run a flow of one node."""
    shared: dict[str, Any] = {}
    Flow(start=Work()).run(shared)
    return shared


def is_right_now() -> None:
    """The next run, with nothing in its way, has the right tree."""
    assert both(lambda: Flow(start=Work())) == RIGHT


@pytest.fixture
def only_monitoring(probe: str) -> None:
    """Tool ids are used by the monitoring probe only."""
    if probe != "monitoring":
        pytest.skip("this probe needs no tool id")


@pytest.fixture
def thief() -> Iterator[list[int]]:
    """The tool ids that another tool holds; it gives them back after the test."""
    held: list[int] = []
    yield held
    for tool in held:
        clear_tool(tool)


@pytest.mark.usefixtures("only_monitoring")
def test_a_stolen_tool_id_costs_the_rest_of_the_trace_and_one_line(told: list[str], thief: list[int]) -> None:
    """The program runs on, the trace says that it is not complete, the next run takes another id."""

    class Robbed(Node):
        def exec(self, prep_res: Any) -> Any:
            for tool in range(6):
                if sys.monitoring.get_tool(tool) == OURS:
                    sys.monitoring.free_tool_id(tool)
                    sys.monitoring.use_tool_id(tool, "thief")
                    thief.append(tool)
                    for event in single_events():
                        sys.monitoring.register_callback(tool, event, None)
            return 1

    first = Robbed()
    first >> Work()
    shared: dict[str, Any] = {}
    with capture_traces() as traces:
        Flow(start=first).run(shared)
    assert shared == {"total": 5}
    assert len(thief) == 1
    (trace,) = traces
    assert trace.complete is False
    assert all(span.end_ns is not None for span in trace.spans)
    assert shown(trace) == tree("""
        flow Flow unset
          node Robbed unset
            exec unset
    """)
    assert len(told) == 1
    told.clear()
    is_right_now()


@pytest.mark.usefixtures("only_monitoring")
def test_with_all_tool_ids_taken_the_program_runs_and_is_told(told: list[str], thief: list[int]) -> None:
    """It is not traced, not by the other probe either; the next run with an id to spare is right."""
    for tool in range(6):
        if sys.monitoring.get_tool(tool) is None:
            sys.monitoring.use_tool_id(tool, "taken")
            thief.append(tool)
    assert compare(lambda shared: Flow(start=Work()).run(shared)) == []
    assert len(told) == 1
    told.clear()
    for tool in thief[:]:
        clear_tool(tool)
        thief.remove(tool)
    is_right_now()


@pytest.mark.usefixtures("only_monitoring")
def test_another_tool_on_another_id_is_given_its_events(thief: list[int]) -> None:
    """Its global events are its own; ours are not shown to it."""
    monitoring = sys.monitoring
    seen: list[str] = []
    thief.append(3)
    monitoring.use_tool_id(3, "neighbour")

    def started(code: Any, offset: int) -> None:
        if code.co_filename == __file__:
            seen.append(code.co_name)

    monitoring.register_callback(3, monitoring.events.PY_START, started)

    def program(shared: Any) -> Any:
        seen.clear()
        monitoring.set_events(3, monitoring.events.PY_START)
        run_work()
        monitoring.set_events(3, 0)
        return [name for name in seen if name not in {"program"}]

    (trace,) = compare(program)
    assert_well_formed(trace)
    assert shown(trace) == RIGHT
