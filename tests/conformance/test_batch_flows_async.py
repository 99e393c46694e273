"""Async batch flows, one iteration after the other or all at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    Node,
)

from .harness import both, compare, shown, spans_of, tree


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


class AsyncMany(AsyncBatchFlow):
    """One iteration after the other, on an event loop."""

    async def prep_async(self, shared: Any) -> Any:
        return [{"n": n} for n in shared["numbers"]]


class ParallelMany(AsyncParallelBatchFlow):
    """All iterations at once."""

    async def prep_async(self, shared: Any) -> Any:
        return [{"n": n} for n in shared["numbers"]]


@pytest.mark.parametrize("kind", [AsyncMany, ParallelMany])
@pytest.mark.parametrize("node", [Step, AsyncStep])
def test_async_batch_flows_hold_iterations_and_not_under_prep(kind: Any, node: Any) -> None:
    """Also in parallel, each iteration holds its own nodes, plain or async."""
    (trace,) = compare(lambda shared: kind(start=node()).run_async(shared), {"numbers": [7, 8, 9]})
    iterations = "".join(
        f"""
          iteration ok item={item}
            node {node.__name__} ok
              exec ok
              post ok"""
        for item in range(3)
    )
    assert shown(trace) == tree(f"""
        flow {kind.__name__} ok
          prep ok{iterations}
    """)
    by_id = {span.span_id: span for span in trace.spans}
    for span in spans_of(trace, "exec"):
        iteration = by_id[by_id[span.parent_id].parent_id]
        assert span.output == iteration.attributes["params"]["n"]


def test_a_parallel_batch_flow_without_prep_has_no_iteration() -> None:
    """prep_async gives None unless it is written."""
    assert both(lambda: AsyncParallelBatchFlow(start=Step())) == tree("""
        flow AsyncParallelBatchFlow ok
    """)


def test_parallel_flows_with_parallel_nodes_keep_everything_apart() -> None:
    """Iterations and items interleave; each exec stands under its own iteration."""

    class Scaled(AsyncParallelBatchNode):
        async def prep_async(self, shared: Any) -> Any:
            return [1, 2]

        async def exec_async(self, prep_res: Any) -> Any:
            await asyncio.sleep(0)
            return prep_res * self.params["n"]

    (trace,) = compare(lambda shared: ParallelMany(start=Scaled()).run_async(shared), {"numbers": [5, 7]})
    assert shown(trace) == tree("""
        flow ParallelMany ok
          prep ok
          iteration ok item=0
            node Scaled ok
              prep ok
              exec ok item=0
              exec ok item=1
          iteration ok item=1
            node Scaled ok
              prep ok
              exec ok item=0
              exec ok item=1
    """)
    outputs = {span.parent_id: [] for span in spans_of(trace, "exec")}
    for span in spans_of(trace, "exec"):
        outputs[span.parent_id].append(span.output)
    assert list(outputs.values()) == [[5, 10], [7, 14]]
