"""What a phase may return to be awaited, and coroutines that are left behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Callable
from typing import Any

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    Node,
)

from pocketflow_tracing import current_span
from pocketflow_tracing.testing import capture_traces

from .harness import assert_well_formed, both, compare, outlines, shown, spans_of, tree


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.Event().wait()


class Result(Node):
    """Runs beneath an awaited task."""

    def exec(self, prep_res: Any) -> Any:
        return 1


async def inner_flow(prep_res: Any) -> Any:
    """Work that runs a flow of its own."""
    await asyncio.sleep(0)
    await AsyncFlow(start=Result()).run_async({})
    return "inner"


def awaitable_object(prep_res: Any) -> Any:
    """An object with `__await__` and nothing else."""

    class Later:
        def __await__(self) -> Any:
            return inner_flow(prep_res).__await__()

    return Later()


AWAITABLES: dict[str, Callable[[Any], Any]] = {
    "coroutine": inner_flow,
    "task": lambda prep_res: asyncio.ensure_future(inner_flow(prep_res)),
    "gather": lambda prep_res: asyncio.gather(inner_flow(prep_res)),
    "wait_for": lambda prep_res: asyncio.wait_for(inner_flow(prep_res), 60),
    "shield": lambda prep_res: asyncio.shield(inner_flow(prep_res)),
    "object": awaitable_object,
}


@pytest.mark.parametrize("kind", AWAITABLES)
def test_a_plain_exec_that_returns_an_awaitable_ends_when_it_was_awaited(kind: str) -> None:
    """What runs while it is awaited stands beneath it."""

    class Plain(AsyncNode):
        def exec_async(self, prep_res: Any) -> Any:
            return AWAITABLES[kind](prep_res)

        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["out"] = exec_res

    (trace,) = compare(lambda shared: AsyncFlow(start=Plain()).run_async(shared))
    assert shown(trace) == tree("""
        flow AsyncFlow ok
          node Plain ok
            exec ok
              flow AsyncFlow ok
                node Result ok
                  exec ok
            post ok
    """)
    outer, inner = spans_of(trace, "exec")
    assert outer.end_ns >= inner.end_ns


def test_a_task_that_fails_fails_the_exec_that_returned_it() -> None:
    """Each attempt returns a task of its own."""

    class Plain(AsyncNode):
        def exec_async(self, prep_res: Any) -> Any:
            async def work() -> None:
                await asyncio.sleep(0)
                raise ValueError("in the task")

            return asyncio.ensure_future(work())

        async def exec_fallback_async(self, prep_res: Any, exc: Exception) -> Any:
            return str(exc)

    assert both(lambda: AsyncFlow(start=Plain(max_retries=2))) == tree("""
        flow AsyncFlow ok
          node Plain ok
            exec error ValueError attempt=1 recovered
            exec error ValueError attempt=2 recovered
            fallback ok
    """)


def test_a_coroutine_closed_by_the_collector_touches_no_foreign_context() -> None:
    """Its spans are cancelled; the flow that runs when the collector comes keeps its place."""

    class Suspended:
        def __await__(self) -> Any:
            yield

    class Abandoned(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            await Suspended()

    class Collector(Node):
        def exec(self, prep_res: Any) -> Any:
            gc.collect()
            return current_span().name

    def abandon() -> None:
        cycle: list[Any] = [AsyncFlow(start=Abandoned()).run_async({})]
        contextvars.copy_context().run(cycle[0].send, None)
        cycle.append(cycle)

    gc.disable()  # it is to come when it is called, and not while the tracer itself is at work
    try:
        with capture_traces() as traces:
            abandon()
            node = Collector()
            node.post = lambda shared, prep_res, exec_res: exec_res
            assert node.run({}) == "Collector.exec"
            assert not current_span()
    finally:
        gc.enable()
    for trace in traces:
        assert_well_formed(trace)
    assert outlines(traces) == [
        tree("""
            flow AsyncFlow cancelled
              node Abandoned cancelled
                exec cancelled
        """),
        tree("""
            node Collector ok -> Collector.exec
              exec ok
              post ok
        """),
    ]


class Siblings(AsyncParallelBatchNode):
    """The first item fails at once; the others go on until they are let."""

    async def prep_async(self, shared: Any) -> Any:
        return [(item, shared["go"]) for item in range(3)]

    async def exec_async(self, prep_res: Any) -> Any:
        item, go = prep_res
        if item == 0:
            raise ValueError("first")
        await go.wait()
        return item


def test_siblings_that_run_on_after_gather_failed_keep_their_own_end() -> None:
    """The node has failed long before they end well."""

    async def program(shared: Any) -> Any:
        go = asyncio.Event()
        try:
            await AsyncFlow(start=Siblings()).run_async({"go": go})
        except ValueError:
            go.set()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            return sorted(await asyncio.gather(*others))

    (trace,) = compare(program)
    assert shown(trace) == tree("""
        flow AsyncFlow error ValueError
          node Siblings error ValueError
            prep ok
            exec error ValueError item=0
            exec ok item=1
            exec ok item=2
    """)
    node, *_, last = spans_of(trace, "node", "exec")
    assert last.end_ns > node.end_ns


def test_siblings_cancelled_at_the_end_of_the_loop_are_cancelled() -> None:
    """asyncio.run cancels what is left of them."""

    async def program(shared: Any) -> Any:
        await AsyncFlow(start=Siblings()).run_async({"go": asyncio.Event()})

    assert outlines(compare(program)) == [
        tree("""
            flow AsyncFlow error ValueError
              node Siblings error ValueError
                prep ok
                exec error ValueError item=0
                exec cancelled item=1
                exec cancelled item=2
        """)
    ]


def test_sibling_iterations_that_run_on_keep_their_own_end() -> None:
    """The same for the iterations of a parallel batch flow."""

    class Fails(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            if self.params["n"] == 0:
                raise ValueError("first")
            await self.params["go"].wait()

    class Many(AsyncParallelBatchFlow):
        async def prep_async(self, shared: Any) -> Any:
            return [{"n": n, "go": shared["go"]} for n in range(2)]

    async def program(shared: Any) -> Any:
        go = asyncio.Event()
        try:
            await Many(start=Fails()).run_async({"go": go})
        except ValueError:
            go.set()
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    assert outlines(compare(program)) == [
        tree("""
            flow Many error ValueError
              prep ok
              iteration error ValueError item=0
                node Fails error ValueError
                  exec error ValueError
              iteration ok item=1
                node Fails ok
                  exec ok
        """)
    ]


def test_an_iteration_that_fails_after_a_time_limit_was_caught_below_has_its_own_error() -> None:
    """The time limit throws into the coroutines of flow and node; what fails is how the next is chosen."""

    class Patient(AsyncNode):
        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            try:
                await asyncio.wait_for(forever(), 0.001)
            except asyncio.TimeoutError:
                return {"no": "action"}

    class Many(AsyncParallelBatchFlow):
        async def prep_async(self, shared: Any) -> Any:
            return [{"k": 1}]

    assert both(lambda: Many(start=Patient())) == tree("""
        flow Many error TypeError
          prep ok
          iteration error TypeError item=0
            node Patient ok -> dict
              post ok
    """)


async def without(result: Any) -> Any:
    """Wait too long for something, and do without."""
    try:
        await asyncio.wait_for(forever(), 0.001)
    except asyncio.TimeoutError:
        return result


class GivesUp(AsyncNode):
    """Each phase returns as soon as it has caught what it was thrown."""

    async def prep_async(self, shared: Any) -> Any:
        return await without("prepared")

    async def exec_async(self, prep_res: Any) -> Any:
        return await without("executed")

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        return await without("action")


class AllGiveUp(AsyncBatchFlow):
    """The same in a batch flow."""

    prep_async = AsyncNode.prep_async
    post_async = GivesUp.post_async


@pytest.mark.filterwarnings("ignore:Flow ends")
def test_a_phase_that_catches_a_time_limit_and_returns_keeps_its_result() -> None:
    """The line of the await comes again as the exception is thrown in; the phase is not over then."""
    (trace,) = compare(lambda shared: AsyncFlow(start=GivesUp()).run_async(shared))
    phases = spans_of(trace, "prep", "exec", "post")
    assert [span.output for span in phases] == ["prepared", "executed", "action"]

    (trace,) = compare(lambda shared: AllGiveUp(start=GivesUp()).run_async(shared))
    assert [span.output for span in spans_of(trace, "post")] == ["action"]
