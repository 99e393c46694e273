"""Coroutines: cancellation by every library, awaitables of every kind, coroutines left behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import trio
from pocketflow import AsyncFlow, AsyncNode

from .harness import both, compare, outlines, shown, tree


class Waiting(AsyncNode):
    """Says that it waits, and waits for ever; `forever` is the library's way to do so."""

    def __init__(self, reached: Callable[[], Any], forever: Callable[[], Awaitable[Any]]) -> None:
        super().__init__()
        self.reached, self.forever = reached, forever

    async def exec_async(self, prep_res: Any) -> Any:
        self.reached()
        await self.forever()


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.Event().wait()


CANCELLED = tree("""
    flow AsyncFlow cancelled
      node Waiting cancelled
        exec cancelled
""")


async def cancel_task(shared: Any) -> Any:
    """Cancel the task that runs the flow."""
    reached = asyncio.Event()
    task = asyncio.ensure_future(AsyncFlow(start=Waiting(reached.set, forever)).run_async(shared))
    await reached.wait()
    task.cancel()
    await task


async def wait_for(shared: Any) -> Any:
    """Give the flow a time limit."""
    await asyncio.wait_for(AsyncFlow(start=Waiting(lambda: None, forever)).run_async(shared), 0.01)


async def timeout(shared: Any) -> Any:
    """Give the flow a time limit, as since 3.11."""
    async with asyncio.timeout(0.01):
        await AsyncFlow(start=Waiting(lambda: None, forever)).run_async(shared)


async def task_group(shared: Any) -> Any:
    """Fail beside the flow in a group of tasks."""
    reached = asyncio.Event()

    async def fail() -> None:
        await reached.wait()
        raise ValueError("sibling")

    async with asyncio.TaskGroup() as group:
        group.create_task(AsyncFlow(start=Waiting(reached.set, forever)).run_async(shared))
        group.create_task(fail())


async def anyio_scope(shared: Any) -> Any:
    """Cancel the flow's scope."""
    with anyio.CancelScope() as scope:
        await AsyncFlow(start=Waiting(scope.cancel, anyio.sleep_forever)).run_async(shared)
    return scope.cancelled_caught


async def anyio_group(shared: Any) -> Any:
    """Cancel the group of tasks that runs the flow."""
    async with anyio.create_task_group() as group:
        flow = AsyncFlow(start=Waiting(group.cancel_scope.cancel, anyio.sleep_forever))
        group.start_soon(flow.run_async, shared)


async def trio_scope(shared: Any) -> Any:
    """Cancel the flow's scope."""
    with trio.CancelScope() as scope:
        await AsyncFlow(start=Waiting(scope.cancel, trio.sleep_forever)).run_async(shared)
    return scope.cancelled_caught


async def trio_nursery(shared: Any) -> Any:
    """Cancel the nursery that runs the flow."""
    async with trio.open_nursery() as nursery:
        flow = AsyncFlow(start=Waiting(nursery.cancel_scope.cancel, trio.sleep_forever))
        nursery.start_soon(flow.run_async, shared)


LATER = [timeout, task_group] if sys.version_info >= (3, 11) else []


@pytest.mark.parametrize("program", [cancel_task, wait_for, anyio_scope, anyio_group, *LATER])
def test_a_flow_that_is_cancelled_is_cancelled_on_every_level(program: Any) -> None:
    """Whoever cancels it: a task, a time limit, a sibling, a scope of anyio's."""
    assert outlines(compare(program)) == [CANCELLED]


@pytest.mark.parametrize("program", [trio_scope, trio_nursery, anyio_scope, anyio_group])
def test_a_flow_that_trio_cancels_is_cancelled_on_every_level(program: Any) -> None:
    """trio has an exception of its own for this."""
    assert outlines(compare(lambda shared: trio.run(program, shared))) == [CANCELLED]


def test_a_flow_runs_to_its_end_under_trio() -> None:
    """PocketFlow's async code needs asyncio only where it waits or gathers."""

    class Pause(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            await trio.lowlevel.checkpoint()

    assert both(
        lambda: AsyncFlow(start=Pause()), run=lambda flow, shared: trio.run(flow.run_async, shared)
    ) == (
        tree("""
            flow AsyncFlow ok
              node Pause ok
                exec ok
        """)
    )


def test_cancelled_in_prep_or_post() -> None:
    """The phase that was waiting is the one cancelled."""

    class InPost(AsyncNode):
        async def prep_async(self, shared: Any) -> Any:
            await asyncio.sleep(0)

        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            asyncio.current_task().cancel()
            await asyncio.sleep(0)

    async def program(shared: Any) -> Any:
        await apart(AsyncFlow(start=InPost()).run_async(shared))

    assert outlines(compare(program)) == [
        tree("""
            flow AsyncFlow cancelled
              node InPost cancelled
                prep ok
                post cancelled
        """)
    ]


def test_a_cancellation_that_exec_swallows_is_none() -> None:
    """exec returned: it is ok."""

    class Stubborn(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            asyncio.current_task().cancel()
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                return "went on"

    assert both(
        lambda: AsyncFlow(start=Stubborn()), run=lambda flow, shared: apart(flow.run_async(shared))
    ) == (
        tree("""
            flow AsyncFlow ok
              node Stubborn ok
                exec ok
        """)
    )


async def apart(coroutine: Any) -> Any:
    """Run `coroutine` in a task of its own, so that a cancellation of it is not ours."""
    return await asyncio.ensure_future(coroutine)


def test_a_time_limit_inside_exec_is_an_error_of_exec() -> None:
    """What it limits was cancelled; exec itself failed, and can be tried again."""

    class Limited(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            await asyncio.wait_for(forever(), 0.001)

        async def exec_fallback_async(self, prep_res: Any, exc: Exception) -> Any:
            return type(exc).__name__

    assert both(lambda: AsyncFlow(start=Limited(max_retries=2))) == tree("""
        flow AsyncFlow ok
          node Limited ok
            exec error TimeoutError attempt=1 recovered
            exec error TimeoutError attempt=2 recovered
            fallback ok
    """)


def test_a_walk_that_outlives_its_flow_goes_on_in_traces_of_its_own() -> None:
    """The flow's trace ends with the node that was under way; nothing waits for the rest."""

    class Slow(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            for _ in range(3):
                await asyncio.sleep(0)

        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            return "default"

    class Leaves(AsyncFlow):
        async def _run_async(self, shared: Any) -> Any:
            shared["walks"].append(asyncio.ensure_future(self._orch_async(shared)))
            await asyncio.sleep(0)
            raise ValueError("gone")

    async def program(shared: Any) -> Any:
        first = Slow()
        first >> Slow()
        try:
            await Leaves(start=first).run_async(shared)
        except ValueError:
            await shared["walks"].pop()

    for _ in range(2):  # the second time, the classes are known
        assert [shown(trace) for trace in compare(program, {"walks": []})] == [
            tree("""
                flow Leaves error ValueError
                  node Slow ok -> default
                    exec ok
                    post ok
            """),
            tree("""
                node Slow ok -> default
                  exec ok
                  post ok
            """),
        ]
