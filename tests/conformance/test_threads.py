"""Threads and executors: what a context scope sees of them, and what a process scope does."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from pocketflow_tracing import span, tracing
from pocketflow_tracing.testing import capture_traces

from .harness import both, compare, outlines, shown, tree

LONE = tree("""
    flow Inner ok
      node Echo ok
        exec ok
""")


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


def test_one_flow_in_two_threads_leaves_two_traces_in_process_scope() -> None:
    """Both threads are in the same phase of the same flow at once."""

    def program(shared: Any) -> Any:
        barrier = threading.Barrier(2)

        class Together(Node):
            def exec(self, prep_res: Any) -> Any:
                barrier.wait(timeout=30)
                return 1

        flow = Flow(start=Together())
        threads = [threading.Thread(target=flow.run, args=({},)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert (
        outlines(compare(program, scope="process"))
        == [
            tree("""
            flow Flow ok
              node Together ok
                exec ok
        """)
        ]
        * 2
    )


def test_a_flow_inside_itself_nests() -> None:
    """The same flow object and the same node, three levels deep."""

    class Deeper(Node):
        def prep(self, shared: Any) -> Any:
            return shared

        def exec(self, prep_res: Any) -> Any:
            if prep_res["depth"]:
                prep_res["flow"].run({**prep_res, "depth": prep_res["depth"] - 1})

    def program(shared: Any) -> Any:
        flow = Flow(start=Deeper())
        flow.run({"flow": flow, "depth": 2})

    assert outlines(compare(program)) == [
        tree("""
            flow Flow ok
              node Deeper ok
                prep ok
                exec ok
                  flow Flow ok
                    node Deeper ok
                      prep ok
                      exec ok
                        flow Flow ok
                          node Deeper ok
                            prep ok
                            exec ok
        """)
    ]


def test_a_flow_in_a_bare_thread_is_untraced_in_context_scope_and_that_is_said(told: list[str]) -> None:
    """Nothing is missed in silence."""
    assert compare(lambda shared: in_thread(run_inner)) == []
    (line,) = told
    assert "1 flow run" in line and "scope='process'" in line
    told.clear()


def test_a_flow_in_a_bare_thread_has_its_own_trace_in_process_scope() -> None:
    """Every flow in every thread."""
    assert outlines(compare(lambda shared: in_thread(run_inner), scope="process")) == [LONE]


class Threading(Node):
    """Runs a flow in a thread that knows nothing of this context."""

    def exec(self, prep_res: Any) -> Any:
        return in_thread(run_inner)


def test_a_flow_in_a_bare_thread_of_a_phase_has_its_own_trace_in_process_scope() -> None:
    """Nothing tells to which run the thread belongs."""
    assert outlines(compare(lambda shared: Flow(start=Threading()).run(shared), scope="process")) == [
        tree("""
            flow Flow ok
              node Threading ok
                exec ok
        """),
        LONE,
    ]


NESTED = tree("""
    flow Flow ok
      node Away ok
        exec ok
          flow Inner ok
            node Echo ok
              exec ok
""")


def test_an_executor_with_a_copied_context_nests() -> None:
    """The context says where the flow belongs."""

    class Away(Node):
        def exec(self, prep_res: Any) -> Any:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(contextvars.copy_context().run, run_inner).result()

    assert both(lambda: Flow(start=Away())) == NESTED


@pytest.mark.profile_misses("sys.setprofile cannot reach a thread that is already running")
def test_an_older_thread_with_a_copied_context_nests() -> None:
    """The pool's thread was started before the scope was opened."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()

        class Away(Node):
            def exec(self, prep_res: Any) -> Any:
                return pool.submit(contextvars.copy_context().run, run_inner).result()

        assert both(lambda: Flow(start=Away())) == NESTED


@pytest.mark.profile_misses("sys.setprofile cannot reach a thread that is already running", before=(3, 12))
def test_an_older_thread_has_its_own_trace_in_process_scope() -> None:
    """The thread was started before the scope was opened."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()

        assert outlines(compare(lambda shared: pool.submit(run_inner).result(), scope="process")) == [LONE]


def test_to_thread_nests() -> None:
    """asyncio copies the context into the thread."""

    class Away(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            return await asyncio.to_thread(run_inner)

    expected = NESTED.replace("flow Flow", "flow AsyncFlow")
    assert both(lambda: AsyncFlow(start=Away())) == expected


def test_an_untraced_thread_leaves_no_span_in_the_trace() -> None:
    """It calls functions with the names of phases all the while, and methods of nodes."""

    class Busy(Node):
        def exec(self, prep_res: Any) -> Any:
            def noise() -> None:
                for _ in range(100):
                    Echo().exec(None)

            return in_thread(noise)

    assert both(lambda: Flow(start=Busy())) == tree("""
        flow Flow ok
          node Busy ok
            exec ok
    """)


def test_a_context_without_the_scope_is_not_traced(told: list[str]) -> None:
    """Beside a trace that goes on in another thread, an untraced flow stays out of it."""
    traced, untraced = threading.Event(), threading.Event()

    class Hold(Node):
        def exec(self, prep_res: Any) -> Any:
            traced.set()
            assert untraced.wait(timeout=30)

    def other() -> None:
        assert traced.wait(timeout=30)
        run_inner()
        untraced.set()

    thread = threading.Thread(target=contextvars.Context().run, args=(other,))
    with capture_traces() as traces:
        thread.start()
        Flow(start=Hold()).run({})
        thread.join()
    assert outlines(traces) == [
        tree("""
            flow Flow ok
              node Hold ok
                exec ok
        """)
    ]
    assert len(told) == 1
    told.clear()


def test_a_span_of_the_users_own_holds_the_flows_run_in_it() -> None:
    """At top level it is the root; inside a phase it is a step of it."""

    class Steps(Node):
        def exec(self, prep_res: Any) -> Any:
            with span("look up"):
                return run_inner()

    with capture_traces() as traces:
        with span("job"):
            Flow(start=Steps()).run({})
            run_inner()
    (trace,) = traces
    assert shown(trace) == tree("""
        span job ok
          flow Flow ok
            node Steps ok
              exec ok
                span look up ok
                  flow Inner ok
                    node Echo ok
                      exec ok
          flow Inner ok
            node Echo ok
              exec ok
    """)


def test_scopes_nest_and_the_outer_one_owns_the_trace() -> None:
    """A scope opened inside a run adds no trace."""

    class Scoped(Node):
        def exec(self, prep_res: Any) -> Any:
            with tracing(flow_name="ignored"):
                return run_inner()

    assert both(lambda: Flow(start=Scoped())) == NESTED.replace("Away", "Scoped")


def test_after_the_scope_nothing_is_traced() -> None:
    """Not even by a task that was started inside it."""

    async def program() -> Any:
        with capture_traces() as traces:
            go = asyncio.Event()

            async def later() -> None:
                await go.wait()
                run_inner()

            task = asyncio.ensure_future(later())
            await asyncio.sleep(0)
        go.set()
        await task
        return traces

    assert asyncio.run(program()) == []
