"""Scopes within scopes: who is told of which trace, and what is left of a scope when it closes."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow

from pocketflow_tracing import Sink, TracingConfig, current_trace, span, trace_flow, tracing
from pocketflow_tracing.sinks.memory import MemorySink
from pocketflow_tracing.testing import capture_traces

from .decorated import Step, run_of
from .harness import outlines, tree


class First(Flow):
    """A flow of one step."""


class Second(Flow):
    """Another one."""


def run(*flows: type[Flow]) -> None:
    """Run a flow of each of these classes."""
    for flow in flows:
        flow(start=Step()).run({})


def names(traces: list[Any]) -> list[str]:
    """The names of traces, in order."""
    return [trace.name for trace in traces]


@pytest.mark.parametrize("sinks", [None, []], ids=["stored", "in memory"])
def test_a_scope_in_a_scope_has_the_traces_of_its_own_block(sinks: list[Sink] | None, kept: Any) -> None:
    """The outer one has them all. It makes no difference whether the outer one keeps them in the store."""
    with tracing(sinks=sinks) as outer:
        run(First)
        with tracing() as inner:
            run(Second)
        run(First)

    assert names(outer.traces) == ["First", "Second", "First"]
    assert outlines(inner.traces) == [run_of("Second")]
    assert len(kept()) == (3 if sinks is None else 0)


def test_sinks_of_an_inner_scope_are_told_of_what_runs_in_it(kept: Any) -> None:
    """A test that captures traces gets them, although the program around it is traced as well."""
    sink = MemorySink()
    with tracing(), tracing(sinks=[sink]), capture_traces() as captured:
        run(First)

    assert outlines(captured) == outlines(sink.traces) == outlines(kept()) == [run_of("First")]


def test_a_sink_named_twice_is_told_once() -> None:
    """By two scopes, one in the other."""
    sink = MemorySink()
    with tracing(sinks=[sink]), tracing(sinks=[sink]) as scope:
        run(First)

    assert len(scope.traces) == len(sink.traces) == 1


def test_a_scope_entered_twice_has_the_traces_of_both_blocks() -> None:
    """Once by itself and once inside a scope that keeps its traces in memory."""
    scope = tracing()
    with scope:
        run(First)
    with tracing(sinks=[]), scope:
        run(Second)

    assert names(scope.traces) == ["First", "Second"]


def test_a_scope_of_the_process_has_the_traces_of_every_thread() -> None:
    """Those of decorated flows too, which open a scope of their own."""
    decorated = trace_flow(Second(start=Step()))
    with tracing(scope="process") as scope:
        for work in (lambda: run(First), lambda: decorated.run({})):
            thread = threading.Thread(target=contextvars.Context().run, args=(work,))
            thread.start()
            thread.join()

    assert names(scope.traces) == ["First", "Second"]


def test_a_scope_inside_a_step_has_no_traces_of_its_own() -> None:
    """What runs there is a part of the run that is under way, and no outermost run."""
    with tracing() as outer, span("work"):
        with tracing() as inner:
            run(First)

    assert inner.traces == []
    assert outlines(outer.traces) == [
        tree("""
            span work ok
              flow First ok
                node Step ok
                  exec ok
                  post ok
        """)
    ]


def entries_after(block: Callable[[], Any]) -> list[contextvars.ContextVar[Any]]:
    """The variables that a fresh context holds after `block` ran in it."""
    context = contextvars.Context()
    context.run(block)
    return list(context)


def test_a_closed_scope_leaves_no_variable_in_the_context() -> None:
    """A scope, a scope that is switched off inside another, a decorated flow, a coroutine."""

    def nested() -> None:
        with tracing(), tracing(TracingConfig(enabled=False)), span("work"):
            run(First)

    async def coroutine() -> list[contextvars.ContextVar[Any]]:
        known = set(contextvars.copy_context())
        async with tracing():
            run(First)
        return [variable for variable in contextvars.copy_context() if variable not in known]

    assert entries_after(nested) == []
    assert entries_after(lambda: trace_flow(First(start=Step())).run({})) == []
    assert asyncio.run(coroutine()) == []


def test_a_scope_may_close_in_another_context_than_it_opened_in() -> None:
    """Test frameworks set up and tear down in contexts that are copies of each other."""
    scope = tracing()
    context = contextvars.Context()
    context.run(scope.__enter__)
    copied = context.copy()
    copied.run(run, First)
    copied.run(scope.__exit__, None, None, None)
    copied.run(run, Second)

    assert names(scope.traces) == ["First"]


class Asks(AsyncNode):
    """Names its trace, and opens a span of its own in a phase."""

    async def exec_async(self, prep_res: Any) -> Any:
        async with span("look up", source="wiki") as step:
            await asyncio.sleep(0)
            step.update(found=2)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        current_trace().update(user_id="ada", session_id="s-1", tags=["vip", "beta"], metadata={"tier": 2})
        current_trace().update(tags=["beta", "late"], metadata={"tier": 3, "area": "eu"})
        current_trace().update(user_id="eve")


def test_async_with_opens_scopes_and_spans(kept: Any) -> None:
    """A span that an exception leaves has failed, and the scope around it goes on."""

    async def program() -> None:
        async with tracing():
            async with span("work"):
                await AsyncFlow(start=Asks()).run_async({})
            with pytest.raises(LookupError):
                async with span("fails"):
                    raise LookupError

    asyncio.run(program())
    assert outlines(kept()) == [
        tree("""
            span fails error LookupError
        """),
        tree("""
            span work ok
              flow AsyncFlow ok
                node Asks ok
                  exec ok
                    span look up ok
                  post ok
        """),
    ]
    [attributes] = [one.attributes for trace in kept() for one in trace.spans if one.name == "look up"]
    assert attributes == {"source": "wiki", "found": 2}


def test_a_step_may_say_whose_trace_it_is(kept: Any) -> None:
    """The last user and session count; tags and metadata are added to those of the scope."""
    with tracing(user_id="bob", tags=["app"], metadata={"version": 1}):
        asyncio.run(AsyncFlow(start=Asks()).run_async({}))
    [trace] = kept()
    assert (trace.user_id, trace.session_id) == ("eve", "s-1")
    assert trace.tags == ["app", "vip", "beta", "late"]
    assert trace.metadata == {"version": 1, "tier": 3, "area": "eu"}
    assert outlines([trace]) == [
        tree("""
            flow AsyncFlow ok
              node Asks ok
                exec ok
                  span look up ok
                post ok
        """)
    ]


class Odd:
    """Has no text, and is equal to nothing."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __eq__ = None  # type: ignore[assignment]


def test_metadata_may_hold_anything_and_is_taken_as_it_is_at_the_time(kept: Any) -> None:
    """Whatever is no JSON is described, and what the program changes later does not show."""
    versions = [1]
    given = {"odd": Odd(), "bytes": b"x" * 9, "password": "hunter2", "versions": versions}
    with tracing(metadata=given), span("work"):
        current_trace().update(metadata={"inner": {"odd": Odd()}, "late": versions})
        versions.append(2)

    [trace] = kept()
    assert trace.metadata == {
        "odd": f"<{__name__}.Odd>",
        "bytes": "<bytes of 9 bytes: xxxxxxxxx>",
        "password": "[redacted]",
        "versions": [1],
        "inner": {"odd": f"<{__name__}.Odd>"},
        "late": [1],
    }
