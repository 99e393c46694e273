"""The recursion limit, reached inside a traced run."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import pytest
from pocketflow import Flow, Node

from pocketflow_tracing import Status
from pocketflow_tracing.testing import capture_traces

from .harness import both, compare, execute, outlines, tree


class Plain(Node):
    """Does nothing."""

    def exec(self, prep_res: Any) -> Any:
        pass


class Bottomless(Node):
    """Recurses until Python says no."""

    def exec(self, prep_res: Any) -> Any:
        def deeper() -> Any:
            return deeper()

        return deeper()

    def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
        return type(exc).__name__


DROPPED = "Python drops a profile function whose own call fails at the recursion limit"


@pytest.mark.profile_misses(DROPPED)
def test_the_recursion_limit_inside_exec_is_an_ordinary_error(told: list[str]) -> None:
    """The program recovers from it as it would untraced."""
    traces = compare(lambda shared: Flow(start=Bottomless()).run(shared))
    told.clear()
    assert outlines(traces) == [
        tree("""
            flow Flow ok
              node Bottomless ok
                exec error RecursionError attempt=1 recovered
                fallback ok
        """)
    ]


@pytest.mark.parametrize("again", [False, True])
def test_what_the_recursion_limit_hid_is_not_called_an_error(again: bool, told: list[str]) -> None:
    """Where events stop, nobody knows how a flow ended; the next scope sees everything again."""

    class Recovers(Node):
        def exec(self, prep_res: Any) -> Any:
            try:
                Bottomless().exec(None)
            except RecursionError:
                return "recovered"

    for _ in range(1 + again):
        with capture_traces() as traces:
            Flow(start=Recovers()).run({})
        [trace] = traces
        ends = {span.status for span in trace.spans}
        assert ends in ({Status.OK}, {Status.UNSET}) and trace.complete == (ends == {Status.OK})
    told.clear()


class Russian(Node):
    """Runs a flow of its own kind, until Python says no."""

    def exec(self, prep_res: Any) -> Any:
        return Flow(start=Russian()).run({})


def to_the_bottom(shared: Any) -> Any:
    """Run flows in flows down to the recursion limit."""
    try:
        return Flow(start=Russian()).run(shared)
    except RecursionError:
        return "too deep"


LAST = 6
"""Of the spans next to the limit, where callbacks fail as well, so many may be missing or be cut short."""


def test_flows_that_recurse_to_the_limit_raise_the_same_exception(told: list[str], every_probe: str) -> None:
    """Also where the limit is reached in PocketFlow's code or in ours; the next run is right."""
    assert execute(to_the_bottom, {}).result == "too deep"
    limit = sys.getrecursionlimit()
    with capture_traces() as traces:
        assert to_the_bottom({}) == "too deep"
    assert sys.getrecursionlimit() == limit
    [trace] = traces
    chain = trace.spans[:-LAST]
    assert len(chain) > 100
    for number, (above, span) in enumerate(pairwise(chain), 1):
        assert span.parent_id == above.span_id
        assert span.kind.value == ("flow", "node", "exec")[number % 3]
    if every_probe == "monitoring":
        assert {span.error and span.error.type for span in chain} == {"RecursionError"}
        assert told == []
    else:  # see `DROPPED`
        assert {span.status for span in chain} == {Status.UNSET}
        assert len(told) == 1
    told.clear()
    assert both(lambda: Flow(start=Plain())) == tree("""
        flow Flow ok
          node Plain ok
            exec ok
    """)
