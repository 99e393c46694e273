"""A change set says where it may hold another span's changes, and only there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pocketflow import (
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    Flow,
    Node,
)

from pocketflow_tracing import Trace, flush, span, tracing
from pocketflow_tracing.sinks.memory import MemorySink
from pocketflow_tracing.view.terminal import TraceTree


class Put(Node):
    """Writes one key."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared[f"put {len(shared)}"] = 1


class Meet(AsyncNode):
    """Writes before and after it has met as many others as are expected."""

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        number = len(shared)
        shared[number] = "here"
        shared["barrier"].append(number)
        while len(shared["barrier"]) < shared["wait for"]:
            await asyncio.sleep(0)
        shared[number] = "met"


class MeetAll(AsyncParallelBatchFlow):
    """Runs its nodes at the same time, on one store."""

    async def prep_async(self, shared: Any) -> Any:
        return [{"number": 1}, {"number": 2}]


def traced(program: Callable[[], object], **scope: Any) -> list[Trace]:
    """The traces that the program leaves."""
    sink = MemorySink()
    with tracing(sinks=[sink], **scope):
        program()
    assert flush(30) == 0
    return list(sink.traces)


def concurrent(trace: Trace) -> list[str]:
    """The spans whose changes may be those of others, in start order."""
    return [span.name for span in trace.spans if (span.changes or {}).get("concurrent")]


def changed(trace: Trace) -> list[str]:
    """The spans with changes, in start order."""
    return [span.name for span in trace.spans if span.changes]


def test_nested_steps_are_not_concurrent() -> None:
    """Neither loops, nested flows, batch flows nor flows that a phase runs: nothing is open beside them."""

    class RunInside(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            Flow(start=Put()).run(shared)
            Flow(start=Put()).run({"another": shared})
            Put().run(shared)

    class Each(BatchFlow):
        def prep(self, shared: Any) -> Any:
            return [{}, {}]

    def program() -> None:
        first, inside, inner, each = Put(), RunInside(), Flow(start=Put()), Each(start=Put())
        first >> inside >> inner >> each
        shared: dict[str, Any] = {}
        with span("mine"):
            Flow(start=first).run(shared)
            Flow(start=Put()).run(shared)

    [trace] = traced(program)

    assert len(changed(trace)) > 20
    assert concurrent(trace) == []


def test_parallel_iterations_on_one_store_are_concurrent() -> None:
    """Each of them, the nodes in them and their posts; the flow around all of them is not."""
    shared: dict[Any, Any] = {"barrier": [], "wait for": 2}

    [trace] = traced(lambda: asyncio.run(MeetAll(start=Meet()).run_async(shared)))

    each = ["MeetAll[0]", "MeetAll[1]", "Meet", "Meet", "Meet.post", "Meet.post"]
    assert sorted(concurrent(trace)) == sorted(each)
    assert sorted(changed(trace)) == sorted([*each, "MeetAll"])
    assert "(may include others')" in str(TraceTree(trace))
    assert Trace.from_dict(trace.to_dict()) == trace


def test_gathered_flows_on_one_store_are_concurrent() -> None:
    """As two traces of one scope, and as children of one span of the program's own."""

    async def both(shared: Any) -> None:
        await asyncio.gather(
            AsyncFlow(start=Meet()).run_async(shared), AsyncFlow(start=Meet()).run_async(shared)
        )

    def beneath() -> None:
        with span("both"):
            asyncio.run(both({"barrier": [], "wait for": 2}))

    apart = traced(lambda: asyncio.run(both({"barrier": [], "wait for": 2})))
    [together] = traced(beneath)

    assert [concurrent(trace) for trace in apart] == [["AsyncFlow", "Meet", "Meet.post"]] * 2
    assert sorted(concurrent(together)) == sorted(["AsyncFlow", "Meet", "Meet.post"] * 2)


def test_runs_on_stores_of_their_own_are_not_concurrent() -> None:
    """However many run at the same time."""

    async def both() -> None:
        barrier: list[int] = []
        stores = [{"barrier": barrier, "wait for": 2, "own": number} for number in range(2)]
        await asyncio.gather(*(AsyncFlow(start=Meet()).run_async(store) for store in stores))

    apart = traced(lambda: asyncio.run(both()))

    assert [concurrent(trace) for trace in apart] == [[], []]
    assert [changed(trace) for trace in apart] == [["AsyncFlow", "Meet", "Meet.post"]] * 2


def test_threads_on_one_store_are_concurrent() -> None:
    """The one that began first is as much concerned as the one that came."""
    entered, left = threading.Event(), threading.Event()

    class Wait(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            entered.set()
            assert left.wait(20)
            shared["waited"] = True

    def program() -> None:
        shared: dict[str, Any] = {}
        first = threading.Thread(target=lambda: Flow(start=Wait()).run(shared))
        first.start()
        assert entered.wait(20)
        Flow(start=Put()).run(shared)
        left.set()
        first.join()
        Flow(start=Put()).run(shared)

    second, first, third = sorted(traced(program, scope="process"), key=lambda trace: trace.end_ns or 0)

    assert concurrent(first) == ["Flow", "Wait", "Wait.post"]
    assert concurrent(second) == ["Flow", "Put", "Put.post"]
    assert concurrent(third) == []


def test_a_node_may_be_concurrent_where_its_post_is_not() -> None:
    """What ran beside its exec had ended by then."""
    done = asyncio.Event()

    class Wait(AsyncNode):
        async def exec_async(self, prep_res: Any) -> None:
            await done.wait()

        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["waited"] = True

    async def other(shared: Any) -> None:
        Put().run(shared)
        done.set()

    async def program() -> None:
        shared: dict[str, Any] = {}
        await asyncio.gather(AsyncFlow(start=Wait()).run_async(shared), other(shared))

    other_trace, trace = traced(lambda: asyncio.run(program()))

    assert concurrent(trace) == ["AsyncFlow", "Wait"]
    assert [sorted(span.changes["added"]) for span in trace.spans if span.changes] == [
        ["put 0", "waited"],
        ["put 0", "waited"],
        ["waited"],
    ]
    assert concurrent(other_trace) == ["Put", "Put.post"]


def test_items_of_a_parallel_batch_share_no_store() -> None:
    """They see prep's items alone, so the node that runs them changes the store by itself."""

    class Items(AsyncParallelBatchNode):
        async def prep_async(self, shared: Any) -> Any:
            return [1, 2, 3]

        async def exec_async(self, prep_res: Any) -> Any:
            await asyncio.sleep(0)
            return prep_res

        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["items"] = exec_res

    [trace] = traced(lambda: asyncio.run(AsyncFlow(start=Items()).run_async({})))

    assert changed(trace) == ["AsyncFlow", "Items", "Items.post"]
    assert concurrent(trace) == []


def test_what_was_cut_off_does_not_make_later_runs_concurrent() -> None:
    """Steps that failed, were cancelled or never ended leave nothing behind."""
    from pocketflow_tracing.engine import engine

    class Fail(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["failed"] = True
            raise ValueError

    class Sleep(AsyncNode):
        async def exec_async(self, prep_res: Any) -> None:
            await asyncio.sleep(1000)

    async def cancelled(shared: Any) -> None:
        task = asyncio.ensure_future(AsyncFlow(start=Sleep()).run_async(shared))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    shared: dict[str, Any] = {}

    def program() -> None:
        with pytest.raises(ValueError):
            Flow(start=Fail()).run(shared)
        asyncio.run(cancelled(shared))
        Flow(start=Put()).run(shared)

    found = traced(program)

    assert [concurrent(trace) for trace in found] == [[], [], []]
    assert changed(found[2]) == ["Flow", "Put", "Put.post"]
    assert engine.spans.stores._known == {}
