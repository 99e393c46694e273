"""Tasks, threads, executors: which run belongs to which trace, and where in it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from .harness import both, compare, outlines, tree

LONE = tree("""
    flow Inner ok
      node Echo ok
        exec ok
""")


class Echo(Node):
    """One step."""

    def exec(self, prep_res: Any) -> Any:
        return 1


class Inner(Flow):
    """A flow that others run by hand."""


class AsyncInner(AsyncFlow):
    """The same in coroutines."""


def run_inner() -> Any:
    """Run a flow of one step."""
    return Inner(start=Echo()).run({})


def in_thread(work: Any) -> Any:
    """Run `work` in a thread that knows nothing of this context; give its result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(contextvars.Context().run(work)))
    thread.start()
    thread.join()
    return results[0]


class Starter(AsyncNode):
    """Starts a task that runs a flow once it is let, and does not wait for it."""

    async def prep_async(self, shared: Any) -> Any:
        return shared

    async def exec_async(self, prep_res: Any) -> Any:
        async def later() -> None:
            await prep_res["go"].wait()
            await AsyncInner(start=Echo()).run_async({})

        prep_res["task"] = asyncio.ensure_future(later())
        await asyncio.sleep(0)


class Finisher(AsyncNode):
    """Lets the task go and waits for it."""

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["go"].set()
        await shared["task"]


def test_a_task_that_outlives_its_phase_goes_under_the_nearest_open_span() -> None:
    """Phase and node that started it have ended; the flow is still open."""

    async def program(shared: Any) -> Any:
        first = Starter()
        first >> Finisher()
        await AsyncFlow(start=first).run_async({"go": asyncio.Event()})

    assert outlines(compare(program)) == [
        tree("""
            flow AsyncFlow ok
              node Starter ok
                prep ok
                exec ok
              node Finisher ok
                exec ok
                post ok
              flow AsyncInner ok
                node Echo ok
                  exec ok
        """)
    ]


def test_a_task_that_outlives_the_whole_run_leaves_a_trace_of_its_own() -> None:
    """Nothing of the first run is open any more."""

    async def program(shared: Any) -> Any:
        store = {"go": asyncio.Event()}
        await AsyncFlow(start=Starter()).run_async(store)
        store["go"].set()
        await store["task"]

    assert outlines(compare(program)) == [
        tree("""
            flow AsyncFlow ok
              node Starter ok
                prep ok
                exec ok
        """),
        tree("""
            flow AsyncInner ok
              node Echo ok
                exec ok
        """),
    ]


class Meet(AsyncNode):
    """Waits until all runs have come so far."""

    async def prep_async(self, shared: Any) -> Any:
        return shared

    async def exec_async(self, prep_res: Any) -> Any:
        prep_res["met"].append(prep_res["name"])
        if len(prep_res["met"]) == 3:
            prep_res["all"].set()
        await prep_res["all"].wait()
        return prep_res["name"]


@pytest.mark.parametrize("shared_instance", [False, True])
def test_flows_gathered_leave_one_trace_each(shared_instance: bool) -> None:
    """Also where it is one flow object in three tasks, all in the same phase at once."""

    async def program(shared: Any) -> Any:
        one = AsyncFlow(start=Meet())
        flows = [one if shared_instance else AsyncFlow(start=Meet()) for _ in "abc"]
        met: dict[str, Any] = {"met": [], "all": asyncio.Event()}
        runs = [flow.run_async({**met, "name": name}) for flow, name in zip(flows, "abc", strict=True)]
        await asyncio.gather(*runs)

    traces = compare(program)
    assert (
        outlines(traces)
        == [
            tree("""
            flow AsyncFlow ok
              node Meet ok
                prep ok
                exec ok
        """)
        ]
        * 3
    )
    names = [(trace.spans[3].input["prep_res"]["name"], trace.spans[3].output) for trace in traces]
    assert sorted(names) == [("a", "a"), ("b", "b"), ("c", "c")]


def test_flows_gathered_inside_a_phase_are_its_children() -> None:
    """They run at the same time under one exec."""

    class Fan(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            inner = AsyncInner(start=Echo())
            await asyncio.gather(*(inner.run_async({}) for _ in range(2)))

    assert both(lambda: AsyncFlow(start=Fan())) == tree("""
        flow AsyncFlow ok
          node Fan ok
            exec ok
              flow AsyncInner ok
                node Echo ok
                  exec ok
              flow AsyncInner ok
                node Echo ok
                  exec ok
    """)
