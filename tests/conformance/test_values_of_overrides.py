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


class Elsewhere(Node):
    """A node that others put to use; it keeps something to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.login = "hunter2"
        self.other: Any = None

    def prep(self, shared: Any) -> Any:
        return 21

    def exec(self, prep_res: Any) -> Any:
        return prep_res


class ByItsMethod(Elsewhere):
    def _exec(self, prep_res: Any) -> Any:
        return self.other.exec(prep_res)


class ByItsClass(Elsewhere):
    def _exec(self, prep_res: Any) -> Any:
        return Elsewhere.exec(self.other, prep_res)


class InARunOfItsOwn(Elsewhere):
    def _run(self, shared: Any) -> Any:
        return self.post(shared, 21, self.other.exec(self.prep(shared)))


class AsyncElsewhere(AsyncNode):
    def __init__(self) -> None:
        super().__init__()
        self.login = "hunter2"
        self.other: Any = None

    async def prep_async(self, shared: Any) -> Any:
        return 21

    async def exec_async(self, prep_res: Any) -> Any:
        return prep_res


class ByAwaiting(AsyncElsewhere):
    async def _exec(self, prep_res: Any) -> Any:
        return await self.other.exec_async(prep_res)


@pytest.mark.parametrize("kind", [ByItsMethod, ByItsClass, InARunOfItsOwn, ByAwaiting])
def test_another_node_that_is_put_to_use_is_no_input(kind: Any) -> None:
    """The object whose method runs is no argument, whosever it is."""

    def run(shared: Any) -> Any:
        node = kind()
        node.other = AsyncElsewhere() if isinstance(node, AsyncNode) else Elsewhere()
        return run_flow((AsyncFlow if isinstance(node, AsyncNode) else Flow)(start=node), shared)

    (trace,) = compare(run)
    assert [span.input for span in spans_of(trace, "exec")] == [None]
    assert "hunter2" not in str(trace.to_dict())


def test_what_a_function_without_self_is_given_is_all_input() -> None:
    """Also the node itself, if it says so."""

    class Static(Elsewhere):
        @staticmethod
        def exec(prep_res: Any) -> Any:
            return 1

        def _exec(self, prep_res: Any) -> Any:
            return self.exec(self)

    class OfItsClass(Elsewhere):
        @classmethod
        def exec(cls, prep_res: Any) -> Any:
            return 1

        def _exec(self, prep_res: Any) -> Any:
            return self.exec(prep_res)

    def borrowed() -> Any:
        node = OfItsClass()
        node.exec = Elsewhere().exec
        return node

    (trace,) = compare(lambda shared: Flow(start=Static()).run(shared))
    assert spans_of(trace, "exec")[0].input["prep_res"]["max_retries"] == 1
    for make in (OfItsClass, borrowed):
        (trace,) = compare(lambda shared, make=make: Flow(start=make()).run(shared))
        assert spans_of(trace, "exec")[0].input == {"prep_res": 21}, make
