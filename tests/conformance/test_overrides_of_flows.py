"""Flows with machinery of their own: the loop, the choice of the next node, the run."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, BatchFlow, Flow, Node

from .harness import both, start_of, tree


class Work(Node):
    """Three phases that leave a mark."""

    def prep(self, shared: Any) -> Any:
        return shared.setdefault("log", [])

    def exec(self, prep_res: Any) -> Any:
        return len(prep_res)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["log"].append(exec_res)


class AsyncWork(AsyncNode):
    """The same in coroutines."""

    async def prep_async(self, shared: Any) -> Any:
        return shared.setdefault("log", [])

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return len(prep_res)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["log"].append(exec_res)


class OwnLoop(Flow):
    """Goes from node to node itself."""

    def _orch(self, shared: Any, params: Any = None) -> Any:
        node, action = copy.copy(start_of(self)), None
        while node:
            node.set_params(params or {**self.params})
            action = node._run(shared)
            node = copy.copy(self.get_next_node(node, action))
        return action


class ThroughSuper(Flow):
    """Does something around PocketFlow's loop and its choice of the next node."""

    def _orch(self, shared: Any, params: Any = None) -> Any:
        return super()._orch(shared, params)

    def get_next_node(self, curr: Any, action: Any) -> Any:
        return super().get_next_node(curr, action)


class OwnChoice(Flow):
    """Chooses the next node itself."""

    def get_next_node(self, curr: Any, action: Any) -> Any:
        return curr.successors.get("default")


class OwnRun(Flow):
    """Runs the nodes itself."""

    def _run(self, shared: Any) -> Any:
        self._orch(shared)


@pytest.mark.parametrize("kind", [OwnLoop, ThroughSuper, OwnChoice, OwnRun])
def test_a_flow_with_its_own_machinery_gives_the_same_tree(kind: Any) -> None:
    """Two nodes, the second an instance of the same class."""

    def make() -> Flow:
        first = Work()
        first >> Work()
        return kind(start=first)

    assert both(make) == tree(f"""
        flow {kind.__name__} ok
          node Work ok
            prep ok
            exec ok
            post ok
          node Work#2 ok
            prep ok
            exec ok
            post ok
    """)


class AsyncOwnLoop(AsyncFlow):
    """Goes from node to node itself."""

    async def _orch_async(self, shared: Any, params: Any = None) -> Any:
        node, action = copy.copy(start_of(self)), None
        while node:
            node.set_params(params or {**self.params})
            is_async = isinstance(node, AsyncNode)
            action = await node._run_async(shared) if is_async else node._run(shared)
            node = copy.copy(self.get_next_node(node, action))
        return action


class AsyncOwnRun(AsyncFlow):
    """Runs the nodes itself."""

    async def _run_async(self, shared: Any) -> Any:
        await self.prep_async(shared)
        await self._orch_async(shared)


@pytest.mark.parametrize("kind", [AsyncOwnLoop, AsyncOwnRun])
def test_an_async_flow_with_its_own_machinery_gives_the_same_tree(kind: Any) -> None:
    """An async node, then a plain one."""

    def make() -> AsyncFlow:
        first = AsyncWork()
        first >> Work()
        return kind(start=first)

    assert both(make) == tree(f"""
        flow {kind.__name__} ok
          node AsyncWork ok
            prep ok
            exec ok
            post ok
          node Work ok
            prep ok
            exec ok
            post ok
    """)


def test_a_batch_flow_that_runs_its_iterations_itself() -> None:
    """Its loop is machinery like PocketFlow's own."""

    class Backwards(BatchFlow):
        def prep(self, shared: Any) -> Any:
            return [{"n": 1}, {"n": 2}]

        def _run(self, shared: Any) -> Any:
            for params in reversed(self.prep(shared)):
                self._orch(shared, {**self.params, **params})

    assert both(lambda: Backwards(start=Work())) == tree("""
        flow Backwards ok
          prep ok
          iteration ok item=0
            node Work ok
              prep ok
              exec ok
              post ok
          iteration ok item=1
            node Work ok
              prep ok
              exec ok
              post ok
    """)
