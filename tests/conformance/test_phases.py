"""Which call is a phase, whatever kind of callable it is; what a run by hand gives."""

from __future__ import annotations

import asyncio
import functools
import math
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from .harness import arrow, both, compare, shown, spans_of, tree


def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as it should be written."""

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return wrapper


def bare(method: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that hides what it wraps."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize("decorator", [wrapped, bare])
def test_one_decorator_on_all_phases_leaves_three_rightly_named_spans(decorator: Any) -> None:
    """The wrapper's code is shared by all phases; the call in PocketFlow tells them apart."""

    class Ask(Node):
        @decorator
        def prep(self, shared: Any) -> Any:
            return shared["n"]

        @decorator
        def exec(self, prep_res: Any) -> Any:
            return prep_res + 1

        @decorator
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["n"] = exec_res

    (trace,) = compare(lambda shared: Flow(start=Ask()).run(shared), {"n": 1})
    assert shown(trace) == tree("""
        flow Flow ok
          node Ask ok
            prep ok
            exec ok
            post ok
    """)
    assert [span.name for span in trace.spans] == ["Flow", "Ask", "Ask.prep", "Ask.exec", "Ask.post"]


@pytest.mark.parametrize("decorator", [wrapped, bare])
def test_one_decorator_on_all_async_phases_leaves_three_spans(decorator: Any) -> None:
    """A plain wrapper that returns the coroutine: the phase ends when it was awaited."""

    class Ask(AsyncNode):
        @decorator
        async def prep_async(self, shared: Any) -> Any:
            await asyncio.sleep(0)
            return shared["n"]

        @decorator
        async def exec_async(self, prep_res: Any) -> Any:
            await asyncio.sleep(0)
            return prep_res + 1

        @decorator
        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            await asyncio.sleep(0)
            shared["n"] = exec_res

    assert both(lambda: AsyncFlow(start=Ask()), {"n": 1}) == tree("""
        flow AsyncFlow ok
          node Ask ok
            prep ok
            exec ok
            post ok
    """)


def test_static_class_and_partial_methods_are_phases_of_their_node() -> None:
    """None of these gets the node as first argument, and each leaves one span of that node."""

    class Odd(Node):
        @classmethod
        def prep(cls, shared: Any) -> Any:
            return shared["n"]

        @staticmethod
        def exec(prep_res: Any) -> Any:
            return prep_res * 2

        def finish(self, suffix: str, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["out"] = f"{exec_res}{suffix}"
            return "done"

        post = functools.partialmethod(finish, "!")

    (trace,) = compare(lambda shared: Flow(start=Odd()).run(shared), {"n": 4})
    assert shown(trace) == tree(f"""
        flow Flow ok{arrow("done")}
          node Odd ok -> done
            prep ok
            exec ok
            post ok
    """)
    assert {span.node_key for span in spans_of(trace, "node", "prep", "exec", "post")} == {"Odd"}


class Doubler:
    """An object that can be called."""

    def __call__(self, prep_res: Any) -> Any:
        return list(prep_res) * 2

    def method(self, prep_res: Any) -> Any:
        """A method of something that is no node."""
        return list(prep_res) * 2


NO_EVENT = "sys.setprofile tells of Python functions and of builtin functions, not of other calls"
NO_START = "a generator function starts in its consumer; sys.setprofile does not tell of the call before"
UNSEEN = ["class", "partial", "itemgetter"]

CALLABLES: dict[str, Callable[[], Any]] = {
    "lambda": lambda: lambda prep_res: sum(prep_res),
    "mock": lambda: Mock(return_value=7),
    "callable instance": Doubler,
    "bound method": lambda: Doubler().method,
    "class": lambda: list,
    "builtin": lambda: sum,
    "method descriptor": lambda: list.copy,
    "partial": lambda: functools.partial(sorted, reverse=True),
    "itemgetter": lambda: operator.itemgetter(1),
}


class Pair(Node):
    """Its exec is set on the instance."""

    def prep(self, shared: Any) -> Any:
        return [1, 2]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.profile_misses(NO_EVENT) if kind in UNSEEN else ())
        for kind in CALLABLES
    ],
)
def test_any_callable_as_exec_of_an_instance_leaves_one_span(kind: str) -> None:
    """A function, a Mock, an object, a class or a builtin: PocketFlow calls it, so it is the phase."""

    def make() -> Flow:
        node = Pair()
        node.exec = CALLABLES[kind]()
        return Flow(start=node)

    assert both(make) == tree("""
        flow Flow ok
          node Pair ok
            prep ok
            exec ok
            post ok
    """)


def test_a_builtin_as_exec_of_a_class_leaves_one_span() -> None:
    """A builtin does not bind: it is called with prep's result only."""

    class Length(Pair):
        exec = len

    assert both(lambda: Flow(start=Length())) == tree("""
        flow Flow ok
          node Length ok
            prep ok
            exec ok
            post ok
    """)


@pytest.mark.parametrize(
    ("builtin", "given"),
    [pytest.param(int, "x", marks=pytest.mark.profile_misses(NO_EVENT)), (math.sqrt, -1.0)],
    ids=["a class", "a function"],
)
def test_a_builtin_that_raises_is_a_failed_exec_and_then_the_fallback(
    builtin: Callable[[Any], Any], given: Any
) -> None:
    """A builtin leaves no Python frame; its exception is seen all the same."""

    class Parse(Node):
        exec = builtin

        def prep(self, shared: Any) -> Any:
            return given

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            return -1

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["number"] = exec_res

    (trace,) = compare(lambda shared: Flow(start=Parse()).run(shared))
    assert shown(trace) == tree("""
        flow Flow ok
          node Parse ok
            prep ok
            exec error ValueError attempt=1 recovered
            fallback ok
            post ok
    """)
    (failed,) = spans_of(trace, "exec")
    with pytest.raises(ValueError) as raised:
        builtin(given)
    assert failed.error.message == str(raised.value)


@pytest.mark.profile_misses(NO_START)
def test_a_generator_as_result_ends_the_span_and_is_never_iterated() -> None:
    """What the generator does belongs to the phase that consumes it."""

    class Stream(Node):
        def prep(self, shared: Any) -> Any:
            return shared["log"]

        def exec(self, prep_res: Any) -> Iterator[int]:
            prep_res.append("started")
            yield 1
            prep_res.append("finished")
            yield 2

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["log"].append("post")
            shared["seen"] = list(exec_res)

    assert both(lambda: Flow(start=Stream()), {"log": []}) == tree("""
        flow Flow ok
          node Stream ok
            prep ok
            exec ok
            post ok
    """)


@pytest.mark.profile_misses(NO_START)
def test_a_generator_that_raises_fails_the_phase_that_consumes_it() -> None:
    """exec returned long before: it is ok."""

    class Stream(Node):
        def exec(self, prep_res: Any) -> Iterator[int]:
            yield 1
            raise ValueError("half way")

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            list(exec_res)

    assert both(lambda: Flow(start=Stream())) == tree("""
        flow Flow error ValueError
          node Stream error ValueError
            exec ok
            post error ValueError
    """)


def test_an_async_generator_as_result_is_left_to_its_consumer() -> None:
    """exec_async is a plain function here that returns an async generator from a coroutine."""

    class Stream(AsyncNode):
        async def exec_async(self, prep_res: Any) -> AsyncIterator[int]:
            async def numbers() -> AsyncIterator[int]:
                yield 1
                await asyncio.sleep(0)
                yield 2

            return numbers()

        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["seen"] = [number async for number in exec_res]

    assert both(lambda: AsyncFlow(start=Stream())) == tree("""
        flow AsyncFlow ok
          node Stream ok
            exec ok
            post ok
    """)


class Base(Node):
    """A node whose exec is meant to be extended."""

    def exec(self, prep_res: Any) -> Any:
        return 1


class Extended(Base):
    """Calls the exec it overrides."""

    def exec(self, prep_res: Any) -> Any:
        return super().exec(prep_res) + 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


class Countdown(Node):
    """Calls its own exec again."""

    def prep(self, shared: Any) -> Any:
        return 5

    def exec(self, prep_res: Any) -> Any:
        return prep_res and self.exec(prep_res - 1)


def test_calling_super_is_one_exec() -> None:
    """PocketFlow called exec once."""
    assert both(lambda: Flow(start=Extended())) == tree("""
        flow Flow ok
          node Extended ok
            exec ok
            post ok
    """)


def test_an_exec_that_calls_itself_is_one_exec() -> None:
    """Only PocketFlow's own call is the phase; the node's recursion is its own affair."""
    assert both(lambda: Flow(start=Countdown())) == tree("""
        flow Flow ok
          node Countdown ok
            prep ok
            exec ok
    """)
