"""Decorated classes, instances and functions: what they were they still are, and each run is one trace."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from pocketflow import AsyncFlow, Flow

from pocketflow_tracing import trace_flow, tracing

from .decorated import SUPPORT, AsyncStep, AsyncSupport, PlainSupport, Step, Support, run_of
from .harness import outlines, tree


def test_a_decorated_class_leaves_one_trace_a_run(kept: Any) -> None:
    """With parentheses or without, plain or async."""
    shared: dict[str, Any] = {}
    flow = Support(start=Step())
    flow.run(shared)
    flow.run(shared)
    asyncio.run(AsyncSupport(start=AsyncStep()).run_async(shared))
    assert shared == {"sum": 3}
    assert outlines(kept()) == [run_of("AsyncSupport").replace("Step", "AsyncStep"), SUPPORT, SUPPORT]


@pytest.mark.parametrize("entry", ["run", "_run"])
def test_a_decorated_class_is_traced_by_either_entry(entry: str, kept: Any) -> None:
    """PocketFlow itself calls `_run` where the flow is a node."""
    getattr(Support(start=Step()), entry)({})
    assert outlines(kept()) == [SUPPORT]


def test_a_decorated_class_is_what_it_was() -> None:
    """Name, module, documentation, signatures, bases and instance checks."""
    assert Support.__name__ == Support.__qualname__ == "Support"
    assert Support.__module__ == PlainSupport.__module__
    assert Support.__doc__ == PlainSupport.__doc__
    assert Support.__mro__[1:] == PlainSupport.__mro__[1:]
    assert inspect.signature(Support) == inspect.signature(PlainSupport)
    for name in ("run", "_run", "_orch", "prep", "post", "__init__"):
        assert inspect.signature(getattr(Support, name)) == inspect.signature(getattr(PlainSupport, name))
    flow = Support(start=Step(), extra=2)
    assert type(flow) is Support and isinstance(flow, Flow) and issubclass(Support, Flow)
    assert vars(flow).keys() == vars(PlainSupport(start=Step())).keys()
    assert flow.extra == 2 and Support.limit == 3
    assert not inspect.iscoroutinefunction(Support.run)
    assert inspect.iscoroutinefunction(AsyncSupport.run_async)
    assert inspect.iscoroutinefunction(AsyncSupport._run_async)


def test_decorating_adds_the_entry_points_and_nothing_else() -> None:
    """To the dictionary of a class; to that of an instance also how it is copied."""
    entries, async_entries = {"run", "_run"}, {"run_async", "_run_async"}

    class Own(Flow):
        pass

    class AsyncOwn(AsyncFlow):
        pass

    classes = dict(vars(Own)), dict(vars(AsyncOwn))
    assert trace_flow(Own) is Own and trace_flow()(AsyncOwn) is AsyncOwn
    assert vars(Own).keys() - classes[0].keys() == entries
    assert vars(AsyncOwn).keys() - classes[1].keys() == entries | async_entries
    assert vars(Own) == {**vars(Own), **classes[0]}

    plain, asynchronous = Flow(start=Step()), AsyncFlow(start=AsyncStep())
    before = dict(vars(plain)), dict(vars(asynchronous)), dict(vars(Flow)), dict(vars(AsyncFlow))
    trace_flow(plain), trace_flow()(asynchronous)
    assert vars(plain).keys() - before[0].keys() == entries | {"__reduce_ex__"}
    assert vars(asynchronous).keys() - before[1].keys() == entries | async_entries | {"__reduce_ex__"}
    assert vars(plain) == {**vars(plain), **before[0]}
    assert vars(asynchronous) == {**vars(asynchronous), **before[1]}
    assert (vars(Flow), vars(AsyncFlow)) == before[2:]


def test_an_overridden_run_keeps_its_arguments(kept: Any) -> None:
    """What the class's own run takes and returns is its own affair."""

    @trace_flow()
    class Own(Flow):
        def run(self, shared: Any, *, extra: int = 0) -> Any:
            """Run with something extra."""
            shared["extra"] = extra
            super().run(shared)
            return "own", extra

    shared: dict[str, Any] = {}
    assert list(inspect.signature(Own.run).parameters) == ["self", "shared", "extra"]
    assert Own.run.__doc__ == "Run with something extra."
    assert Own(start=Step()).run(shared, extra=5) == ("own", 5)
    assert shared == {"extra": 5, "sum": 1}
    assert outlines(kept()) == [run_of("Own")]


def test_a_mixins_run_is_reached(kept: Any) -> None:
    """The order of the bases stays: the mixin comes after the decorated class and before Flow."""

    class Mixin(Flow):
        def run(self, shared: Any) -> Any:
            shared["mixin"] = True
            return super().run(shared)

    @trace_flow()
    class First(Flow):
        pass

    class Both(First, Mixin):
        pass

    shared: dict[str, Any] = {}
    Both(start=Step()).run(shared)
    assert shared == {"mixin": True, "sum": 1}
    assert outlines(kept()) == [run_of("Both")]


def test_a_subclass_of_a_decorated_class_leaves_one_trace(kept: Any) -> None:
    """Also when it is decorated too, and when it calls super."""

    class Special(Support):
        def run(self, shared: Any) -> Any:
            return super().run(shared)

    @trace_flow()
    class Twice(Special):
        pass

    Special(start=Step()).run({})
    Twice(start=Step()).run({})
    assert outlines(kept()) == [run_of("Special"), run_of("Twice")]


def test_a_class_decorated_twice_leaves_one_trace(kept: Any) -> None:
    """The outer decorator owns it."""

    @trace_flow(flow_name="outer")
    @trace_flow(flow_name="inner")
    class Twice(Flow):
        pass

    Twice(start=Step()).run({})
    (trace,) = kept()
    assert trace.name == "outer"
    assert len(trace.spans) == 4


def test_a_decorated_flow_inside_a_scope_leaves_one_trace(kept: Any) -> None:
    """The scope owns it; its own settings come first, the decorator's fill what it left open."""
    with tracing(session_id="scope"):
        trace_flow(session_id="mine", user_id="mine")(Flow(start=Step())).run({})
    (trace,) = kept()
    assert (trace.session_id, trace.user_id) == ("scope", "mine")
    assert outlines([trace]) == [run_of("Flow")]


def test_a_decorated_flow_as_node_of_an_untraced_flow_leaves_its_own_trace(kept: Any) -> None:
    """The outer flow is not in it."""
    first, last = Step(), Step()
    first >> Support(start=Step()) >> last
    shared: dict[str, Any] = {}
    Flow(start=first).run(shared)
    assert shared == {"sum": 3}
    assert outlines(kept()) == [SUPPORT]


def test_a_decorated_async_flow_as_node_of_an_untraced_flow_leaves_its_own_trace(kept: Any) -> None:
    """PocketFlow calls its `_run_async`."""
    shared: dict[str, Any] = {}
    asyncio.run(AsyncFlow(start=AsyncSupport(start=AsyncStep())).run_async(shared))
    assert shared == {"sum": 1}
    assert outlines(kept()) == [run_of("AsyncSupport").replace("Step", "AsyncStep")]


def test_a_decorated_flow_inside_a_decorated_flow_is_a_part_of_it(kept: Any) -> None:
    """One trace for each outermost run."""
    Support(start=Support(start=Step())).run({})
    assert outlines(kept()) == [
        tree("""
            flow Support ok
              flow Support ok
                node Step ok
                  exec ok
                  post ok
        """)
    ]
