"""What random programs brought to light, as small as it gets."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from pocketflow_tracing.testing import capture_traces, outline

without_frames = pytest.mark.parametrize(
    "probe", ["monitoring"] if sys.version_info >= (3, 12) else [], indirect=True
)
"""Calling a generator function begins no frame that `sys.setprofile` would tell of."""


def test_an_exec_that_raises_inside_a_comprehension_failed(probe: str) -> None:
    """An inlined comprehension comes to its own line again before the exception leaves it."""

    class Each(Node):
        def _exec(self, prep_res: Any) -> Any:
            return [self.exec(item) for item in range(3)]

        def exec(self, prep_res: Any) -> Any:
            if prep_res == 1:
                raise ValueError

    with capture_traces() as traces, pytest.raises(ValueError):
        Flow(start=Each()).run({})

    assert outline(traces[0]) == (
        "flow Flow error ValueError\n"
        "  node Each error ValueError\n"
        "    exec ok\n"
        "    exec error ValueError\n"
    )  # fmt: skip


def test_an_exec_that_raises_inside_a_with_block_failed(probe: str) -> None:
    """The line of a `with` comes again while an exception leaves its block."""

    class Guarded(AsyncNode):
        async def _exec(self, prep_res: Any) -> Any:
            async with asyncio.Semaphore(1):
                return await self.exec_async(prep_res)

        async def exec_async(self, prep_res: Any) -> Any:
            raise ValueError

    with capture_traces() as traces, pytest.raises(ValueError):
        asyncio.run(AsyncFlow(start=Guarded()).run_async({}))

    assert outline(traces[0]) == (
        "flow AsyncFlow error ValueError\n"
        "  node Guarded error ValueError\n"
        "    exec error ValueError\n"
    )  # fmt: skip


def test_a_run_by_hand_that_outlives_its_phase_is_no_visit_of_the_flow(probe: str) -> None:
    """A background task's run stands beneath the flow, and takes no key and no visit from its nodes."""

    class Quick(Node):
        pass

    class Starts(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            tasks.append(asyncio.ensure_future(later()))

    class Waits(AsyncNode):
        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            await tasks[0]

    async def later() -> None:
        await asyncio.sleep(0)
        Quick().run({})

    tasks: list[asyncio.Task[None]] = []
    first, second, third = Starts(), Waits(), Quick()
    first >> second >> third
    with capture_traces() as traces:
        asyncio.run(AsyncFlow(start=first).run_async({}))

    assert outline(traces[0]) == (
        "flow AsyncFlow ok\n"
        "  node Starts ok\n"
        "    exec ok\n"
        "  node Waits ok\n"
        "    post ok\n"
        "  node Quick ok\n"
        "  node Quick ok\n"
    )  # fmt: skip
    assert [span.attributes["visit"] for span in traces[0].spans if span.name == "Quick"] == [1, 1]


@without_frames
def test_a_generator_read_in_post_is_no_second_exec(probe: str) -> None:
    """Where `_run` is overridden, the code of a generator function runs in post and begins no phase."""

    class Lazy(Node):
        def _run(self, shared: Any) -> Any:
            prep_res = self.prep(shared)
            return self.post(shared, prep_res, self._exec(prep_res))

        def exec(self, prep_res: Any) -> Any:
            yield from range(3)

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["items"] = list(exec_res)

    shared: dict[str, Any] = {}
    with capture_traces() as traces:
        Flow(start=Lazy()).run(shared)

    assert shared == {"items": [0, 1, 2]}
    assert outline(traces[0]) == (
        "flow Flow ok\n"
        "  node Lazy ok\n"
        "    exec ok\n"
        "    post ok\n"
    )  # fmt: skip


def test_an_untraced_run_takes_no_part_in_a_traced_one_of_the_same_flow(probe: str) -> None:
    """A phase in a thread without context is found by its node, but not where that node runs untraced."""

    class Own(Flow):
        def _run(self, shared: Any) -> Any:
            return super()._run(shared)

        def prep(self, shared: Any) -> Any:
            return None

    class Elsewhere(Node):
        def exec(self, prep_res: Any) -> Any:
            if not inside:
                inside.append(True)
                thread = threading.Thread(target=lambda: flow.run({}))
                thread.start()
                thread.join()

    inside: list[bool] = []
    flow = Own(start=Elsewhere())
    with capture_traces() as traces:
        flow.run({})

    assert [outline(trace) for trace in traces] == [
        "flow Own ok\n"
        "  prep ok\n"
        "  node Elsewhere ok\n"
        "    exec ok\n"
    ]  # fmt: skip


def test_a_phase_that_is_cancelled_later_than_at_its_first_await_is_cancelled(probe: str) -> None:
    """From 3.13 on, the line that awaits comes again while the cancellation passes it."""

    class Slow(AsyncNode):
        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            await asyncio.sleep(0)
            await asyncio.wait_for(asyncio.Event().wait(), 60)

    async def main() -> None:
        task = asyncio.ensure_future(AsyncFlow(start=Slow()).run_async({}))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    with capture_traces() as traces:
        asyncio.run(main())

    assert outline(traces[0]) == (
        "flow AsyncFlow cancelled\n"
        "  node Slow cancelled\n"
        "    post cancelled\n"
    )  # fmt: skip
