"""What the phases of an override were given and gave: the values of that call, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from .harness import compare, run_flow, spans_of


class Squares(Node):
    """An `_exec` of its own, that calls exec for numbers which prep knows nothing of."""

    def prep(self, shared: Any) -> Any:
        return "prepared"

    def exec(self, prep_res: Any) -> Any:
        return prep_res * prep_res

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


class InAComprehension(Squares):
    """The last line of the override holds all the calls, and returns."""

    def _exec(self, prep_res: Any) -> Any:
        return [self.exec(number) for number in (2, 3)]


class InALoop(Squares):
    """What exec returns is never a local variable of the override."""

    def _exec(self, prep_res: Any) -> Any:
        found = []
        for number in (2, 3):
            found.append(self.exec(number))
        return found


class InASum(Squares):
    """What the override returns is not what either call did."""

    def _exec(self, prep_res: Any) -> Any:
        first = self.exec(2) + 100
        return first + self.exec(3)


class Awaiting(AsyncNode):
    """Awaits exec for one number after the other."""

    async def _exec(self, prep_res: Any) -> Any:
        return [await self.exec_async(2), await self.exec_async(3)]

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return prep_res * prep_res


@pytest.mark.parametrize(
    "make",
    [
        lambda: Flow(start=InAComprehension()),
        lambda: Flow(start=InALoop()),
        lambda: Flow(start=InASum()),
        lambda: AsyncFlow(start=Awaiting()),
    ],
    ids=["comprehension", "loop", "sum", "await"],
)
def test_each_call_of_exec_has_the_values_of_that_call(make: Callable[[], Any]) -> None:
    """Neither those of the override nor those of its other calls."""
    (trace,) = compare(lambda shared: run_flow(make(), shared))
    values = [(span.input, span.output) for span in spans_of(trace, "exec")]
    assert values == [({"prep_res": 2}, 4), ({"prep_res": 3}, 9)]


def test_the_phases_of_a_run_of_the_programs_own_have_the_values_they_saw() -> None:
    """Whatever it made of them in between."""

    class Changes(Squares):
        def prep(self, shared: Any) -> Any:
            return 2

        def _run(self, shared: Any) -> Any:
            given = self.prep(shared) + 1
            gave = self.exec(given) + 1
            return self.post({}, given + 10, gave + 10) or "action"

    (trace,) = compare(lambda shared: Flow(start=Changes()).run(shared))
    prep, exec_, post = spans_of(trace, "prep", "exec", "post")
    assert prep.output == 2
    assert (exec_.input, exec_.output) == ({"prep_res": 3}, 9)
    assert (post.input["prep_res"], post.input["exec_res"], post.output) == (13, 20, None)


def test_what_nobody_can_know_of_a_call_is_left_out() -> None:
    """A callable without code of its own to watch: no value is better than that of something else."""

    class Length(Squares):
        def _exec(self, prep_res: Any) -> Any:
            return [self.exec("ab"), self.exec("abc")]

        exec = len

    (trace,) = compare(lambda shared: Flow(start=Length()).run(shared))
    first, second = spans_of(trace, "exec")
    assert (first.input, second.input) == (None, None)
    assert first.output in (None, 2) and second.output in (None, 3)


def test_what_an_override_returns_at_once_is_what_its_phase_did() -> None:
    """Also of a callable without code to watch."""

    class Returns(Squares):
        def _exec(self, prep_res: Any) -> Any:
            return self.exec("abc")

        exec = len

    (trace,) = compare(lambda shared: Flow(start=Returns()).run(shared))
    assert [span.output for span in spans_of(trace, "exec")] == [3]
