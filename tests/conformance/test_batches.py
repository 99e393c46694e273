"""Batches: items of batch nodes, iterations of batch flows, one after the other or all at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pocketflow import (
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from .harness import FLOWS_RETURN_ACTIONS, both, compare, shown, spans_of, tree


class Items(BatchNode):
    """Runs exec for what the store holds."""

    def prep(self, shared: Any) -> Any:
        return shared["items"]

    def exec(self, prep_res: Any) -> Any:
        return prep_res * 2

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


class AsyncItems(AsyncBatchNode):
    """The same on an event loop."""

    async def prep_async(self, shared: Any) -> Any:
        return shared["items"]

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return prep_res * 2

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


class ParallelItems(AsyncParallelBatchNode):
    """The same, all at once."""

    prep_async = AsyncItems.prep_async
    exec_async = AsyncItems.exec_async
    post_async = AsyncItems.post_async


@pytest.mark.parametrize("kind", [AsyncItems, ParallelItems])
@pytest.mark.parametrize("items", [[], ()])
def test_an_empty_async_batch_has_no_exec(kind: Any, items: Any) -> None:
    """Nothing to do is fine."""
    assert both(lambda: AsyncFlow(start=kind()), {"items": items}) == tree(f"""
        flow AsyncFlow ok
          node {kind.__name__} ok
            prep ok
            post ok
    """)


def test_an_empty_batch_has_no_exec() -> None:
    """Nothing to do is fine."""
    assert both(lambda: Flow(start=Items()), {"items": []}) == tree("""
        flow Flow ok
          node Items ok
            prep ok
            post ok
    """)


def test_none_as_batch_has_no_exec() -> None:
    """PocketFlow 0.0.1 iterates None and fails; later versions take it as empty."""
    later = """
        flow Flow ok
          node Items ok
            prep ok
            post ok
    """
    first = """
        flow Flow error TypeError
          node Items error TypeError
            prep ok
    """
    expected = tree(later if FLOWS_RETURN_ACTIONS else first)
    assert both(lambda: Flow(start=Items()), {"items": None}) == expected


@pytest.mark.parametrize("kind", [AsyncItems, ParallelItems])
def test_none_as_async_batch_is_a_type_error(kind: Any) -> None:
    """PocketFlow itself fails here, outside any phase."""
    assert both(lambda: AsyncFlow(start=kind()), {"items": None}) == tree(f"""
        flow AsyncFlow error TypeError
          node {kind.__name__} error TypeError
            prep ok
    """)


def test_a_batch_over_a_generator_is_consumed_by_pocketflow_only() -> None:
    """The tracer never takes an item from it."""

    class Lazy(Items):
        def prep(self, shared: Any) -> Any:
            return (item for item in shared["items"])

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["out"] = exec_res, list(prep_res)

    assert both(lambda: Flow(start=Lazy()), {"items": [1, 2]}) == tree("""
        flow Flow ok
          node Lazy ok
            prep ok
            exec ok item=0
            exec ok item=1
            post ok
    """)


class Backwards(AsyncParallelBatchNode):
    """Each item waits for the next one to finish: the last finishes first."""

    async def prep_async(self, shared: Any) -> Any:
        done = [asyncio.Event() for _ in range(4)]
        done[3].set()
        return [(item, done) for item in range(3)]

    async def exec_async(self, prep_res: Any) -> Any:
        item, done = prep_res
        await done[item + 1].wait()
        done[item].set()
        return f"result {item}"

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


def test_parallel_items_that_finish_out_of_order_keep_their_own_data() -> None:
    """The item number is the start order; input and output belong together."""
    (trace,) = compare(lambda shared: AsyncFlow(start=Backwards()).run_async(shared))
    assert shown(trace) == tree("""
        flow AsyncFlow ok
          node Backwards ok
            prep ok
            exec ok item=0
            exec ok item=1
            exec ok item=2
            post ok
    """)
    spans = spans_of(trace, "exec")
    assert [span.input["prep_res"][0] for span in spans] == [0, 1, 2]
    assert [span.output for span in spans] == ["result 0", "result 1", "result 2"]
    ends = [span.end_ns for span in spans]
    assert ends == sorted(ends, reverse=True)


class Step(Node):
    """Writes down its params."""

    def exec(self, prep_res: Any) -> Any:
        return self.params["n"]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared.setdefault("seen", []).append(dict(self.params))


class AsyncStep(AsyncNode):
    """The same in coroutines."""

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return self.params["n"]

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared.setdefault("seen", []).append(dict(self.params))


class Many(BatchFlow):
    """One iteration for each number."""

    def prep(self, shared: Any) -> Any:
        return [{"n": n} for n in shared["numbers"]]


def test_the_iterations_of_a_batch_flow_hold_the_nodes() -> None:
    """Each iteration has its params, and so has the node in it."""
    (trace,) = compare(lambda shared: Many(start=Step()).run(shared), {"numbers": [7, 8]})
    assert shown(trace) == tree("""
        flow Many ok
          prep ok
          iteration ok item=0
            node Step ok
              exec ok
              post ok
          iteration ok item=1
            node Step ok
              exec ok
              post ok
    """)
    params = [span.attributes["params"] for span in spans_of(trace, "iteration", "node")]
    assert params == [{"n": 7}, {"n": 7}, {"n": 8}, {"n": 8}]
    assert [span.output for span in spans_of(trace, "exec")] == [7, 8]


@pytest.mark.parametrize("numbers", [None, []])
def test_a_batch_flow_without_anything_to_do_has_no_iteration(numbers: Any) -> None:
    """PocketFlow takes None as empty here, in every version."""

    class Idle(BatchFlow):
        def prep(self, shared: Any) -> Any:
            return numbers

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            return "idle"

    assert both(lambda: Idle(start=Step())) == tree("""
        flow Idle ok -> idle
          prep ok
          post ok
    """)


def test_an_iteration_that_fails_ends_the_batch_flow() -> None:
    """The iterations before it are ok; those after it never start."""

    class Careful(Step):
        def exec(self, prep_res: Any) -> Any:
            return 1 / self.params["n"]

    assert both(lambda: Many(start=Careful()), {"numbers": [1, 0, 1]}) == tree("""
        flow Many error ZeroDivisionError
          prep ok
          iteration ok item=0
            node Careful ok
              exec ok
              post ok
          iteration error ZeroDivisionError item=1
            node Careful error ZeroDivisionError
              exec error ZeroDivisionError
    """)


class Outer(BatchFlow):
    """One iteration for each letter."""

    def prep(self, shared: Any) -> Any:
        return [{"letter": letter} for letter in "ab"]


def test_batch_flows_nest() -> None:
    """The params of both levels reach the node."""
    (trace,) = compare(lambda shared: Outer(start=Many(start=Step())).run(shared), {"numbers": [7, 8]})
    inner = """
            flow Many ok
              prep ok
              iteration ok item=0
                node Step ok
                  exec ok
                  post ok
              iteration ok item=1
                node Step ok
                  exec ok
                  post ok
    """.rstrip()
    assert shown(trace) == tree(f"""
        flow Outer ok
          prep ok
          iteration ok item=0{inner}
          iteration ok item=1{inner}
    """)
    assert [span.attributes["params"] for span in spans_of(trace, "node")] == [
        {"letter": "a", "n": 7},
        {"letter": "a", "n": 8},
        {"letter": "b", "n": 7},
        {"letter": "b", "n": 8},
    ]


def test_a_batch_flow_as_node_of_a_flow() -> None:
    """It is a node of kind flow whose children are its iterations."""

    def make() -> Flow:
        first = Items()
        first >> Many(start=Step())
        return Flow(start=first)

    assert both(make, {"items": [1], "numbers": [7]}) == tree("""
        flow Flow ok
          node Items ok
            prep ok
            exec ok item=0
            post ok
          flow Many ok
            prep ok
            iteration ok item=0
              node Step ok
                exec ok
                post ok
    """)


def test_a_batch_node_inside_a_batch_flow() -> None:
    """Items count from 0 in each iteration."""
    assert both(lambda: Many(start=Items()), {"items": [1, 2], "numbers": [7, 8]}) == tree("""
        flow Many ok
          prep ok
          iteration ok item=0
            node Items ok
              prep ok
              exec ok item=0
              exec ok item=1
              post ok
          iteration ok item=1
            node Items ok
              prep ok
              exec ok item=0
              exec ok item=1
              post ok
    """)
