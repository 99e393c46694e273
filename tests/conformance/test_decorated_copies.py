"""Decorated flows copied, pickled and run by batch flows: each copy acts on itself."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from pocketflow import AsyncFlow, BatchFlow, Flow, Node

from pocketflow_tracing import TracingError, trace_flow, tracing

from .decorated import SUPPORT, AsyncStep, Called, Step, Support, run_of
from .harness import outlines, tree


class Many(BatchFlow):
    """Three iterations with params of their own."""

    def prep(self, shared: Any) -> Any:
        return [{"n": n} for n in (1, 10, 100)]


@pytest.mark.parametrize(("decorate", "runs"), [(trace_flow(), 3), (lambda flow: flow, 0)])
def test_a_decorated_instance_inside_a_batch_flow_sees_its_own_params(
    decorate: Any, runs: int, kept: Any
) -> None:
    """PocketFlow runs a copy for each iteration, and the copy has the params."""
    shared: dict[str, Any] = {}
    inner = decorate(Flow(start=Step()))
    Many(start=inner).run(shared)
    assert shared == {"sum": 111}
    assert inner.params == {}
    assert outlines(kept()) == [run_of("Flow")] * runs


def test_a_decorated_class_inside_a_batch_flow_sees_its_own_params(kept: Any) -> None:
    """Each iteration is an outermost run of the decorated flow."""
    shared: dict[str, Any] = {}
    Many(start=Support(start=Step())).run(shared)
    assert shared == {"sum": 111}
    assert outlines(kept()) == [SUPPORT] * 3


def test_a_decorated_instance_is_the_same_object(kept: Any) -> None:
    """It is traced from run; what can be seen of it stays."""
    flow = Flow(start=Step())
    before = inspect.signature(flow.run)
    assert trace_flow(flow_name="Support")(flow) is flow
    assert type(flow) is Flow
    assert inspect.signature(flow.run) == before
    flow.run({})
    (trace,) = kept()
    assert trace.name == "Support"
    assert outlines([trace]) == [SUPPORT]


def test_a_decorated_async_instance_is_the_same_object(kept: Any) -> None:
    """The same for coroutines."""
    flow = AsyncFlow(start=AsyncStep())
    assert trace_flow()(flow) is flow
    asyncio.run(flow.run_async({}))
    assert outlines(kept()) == [run_of("AsyncFlow").replace("Step", "AsyncStep")]


def pickled(flow: Any) -> Any:
    """A copy that went through pickle."""
    return pickle.loads(pickle.dumps(flow))


COPIES: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickled}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize(
    "make", [Support, Called, lambda start: trace_flow()(Flow(start))], ids=["bare", "called", "instance"]
)
def test_a_copy_of_a_decorated_flow_acts_on_itself(way: str, make: Any, kept: Any) -> None:
    """Never on the original, whose params it does not have."""
    original = make(Step())
    other = COPIES[way](original)
    other.set_params({"n": 7})
    shared: dict[str, Any] = {}
    other.run(shared)
    assert shared == {"sum": 7}
    assert original.params == {}
    assert type(other) is type(original)
    assert vars(other).keys() == vars(original).keys()
    original.run(shared)
    assert shared == {"sum": 8}
    assert outlines(kept()) == [run_of(type(original).__name__)] * 2


class Copying(Node):
    """Copies the flow that runs it."""

    def exec(self, prep_res: Any) -> Any:
        made.append(COPIES[self.params["way"]](self.params["flow"]))


made: list[Any] = []


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("make", [Called, lambda start: trace_flow()(Flow(start))], ids=["class", "instance"])
def test_a_decorated_flow_can_be_copied_while_it_runs(way: str, make: Any, kept: Any) -> None:
    """The copy has nothing of the run, and is traced by itself."""
    made.clear()
    flow = make(Copying())
    flow.set_params({"way": way, "flow": flow})
    flow.run({})
    [other] = made
    assert vars(other).keys() == vars(flow).keys()
    other.run({})
    assert len(made) == 2
    expected = run_of(type(flow).__name__).replace("Step", "Copying").replace("\n    post ok", "")
    assert outlines(kept()) == [expected] * 2


def test_a_decorated_function_is_the_outermost_run(kept: Any) -> None:
    """Input: its arguments by name; output: its result; the flows it runs stand beneath it."""

    @trace_flow()
    def answer(question: str, times: int = 2) -> str:
        """Answer a question."""
        for _ in range(times):
            Flow(start=Step()).run({})
        return question.upper()

    assert answer("why", times=2) == "WHY"
    assert answer.__name__ == "answer" and answer.__doc__ == "Answer a question."
    assert list(inspect.signature(answer).parameters) == ["question", "times"]
    (trace,) = kept()
    assert outlines([trace]) == [
        tree("""
            function answer ok
              flow Flow ok
                node Step ok
                  exec ok
                  post ok
              flow Flow ok
                node Step ok
                  exec ok
                  post ok
        """)
    ]
    assert trace.input == {"question": "why", "times": 2}
    assert trace.output == "WHY"


def test_a_decorated_coroutine_function_is_the_outermost_run(kept: Any) -> None:
    """It stays a coroutine function; what it raises passes on."""

    @trace_flow
    async def answer(question: str) -> None:
        await AsyncFlow(start=AsyncStep()).run_async({})
        raise ValueError(question)

    assert inspect.iscoroutinefunction(answer)
    with pytest.raises(ValueError, match="why"):
        asyncio.run(answer("why"))
    assert outlines(kept()) == [
        tree("""
            function answer error ValueError
              flow AsyncFlow ok
                node AsyncStep ok
                  exec ok
                  post ok
        """)
    ]


def test_generator_functions_are_refused() -> None:
    """They would run outside of any scope, in their consumer."""

    def numbers() -> Any:
        yield 1

    async def later() -> Any:
        yield 1

    for function in (numbers, later):
        with pytest.raises((TracingError, TypeError), match="generator"):
            trace_flow()(function)


def test_off_is_off(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With POCKETFLOW_TRACING=off nothing is traced, and the program runs as ever."""
    monkeypatch.setenv("POCKETFLOW_TRACING", "off")
    shared: dict[str, Any] = {}
    Support(start=Step()).run(shared)
    with tracing():
        Flow(start=Step()).run(shared)
    assert shared == {"sum": 2}
    assert kept() == []
