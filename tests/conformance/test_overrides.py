"""PocketFlow's own methods overridden: whatever replaces them is machinery, and the tree stays."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, BatchNode, Flow, Node

from .harness import both, tree


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


class RunThroughSuper(Work):
    """Does something before and after the run."""

    def _run(self, shared: Any) -> Any:
        shared["before"] = True
        result = super()._run(shared)
        shared["after"] = True
        return result


class RunItself(Work):
    """Calls the phases itself."""

    def _run(self, shared: Any) -> Any:
        prepared = self.prep(shared)
        worked = self._exec(prepared)
        return self.post(shared, prepared, worked)


class RunWithoutExec(Work):
    """Calls the phases itself and leaves out `_exec`."""

    def _run(self, shared: Any) -> Any:
        prepared = self.prep(shared)
        worked = self.exec(prepared)
        return self.post(shared, prepared, worked)


class RunTwiceRemoved(RunThroughSuper):
    """An override of an override."""

    def _run(self, shared: Any) -> Any:
        return super()._run(shared)


class ExecThroughSuper(Work):
    """Measures, counts, logs around PocketFlow's `_exec`."""

    def _exec(self, prep_res: Any) -> Any:
        return super()._exec(prep_res)


class ExecItself(Work):
    """Replaces PocketFlow's `_exec`."""

    def _exec(self, prep_res: Any) -> Any:
        return self.exec(prep_res)


@pytest.mark.parametrize(
    "kind", [RunThroughSuper, RunItself, RunWithoutExec, RunTwiceRemoved, ExecThroughSuper, ExecItself]
)
def test_an_override_with_or_without_super_is_one_node_with_its_phases(kind: Any) -> None:
    """The tree is that of a node without an override."""
    assert both(lambda: Flow(start=kind())) == tree(f"""
        flow Flow ok
          node {kind.__name__} ok
            prep ok
            exec ok
            post ok
    """)


class AsyncRunThroughSuper(AsyncWork):
    """Does something before and after the run."""

    async def _run_async(self, shared: Any) -> Any:
        shared["before"] = True
        result = await super()._run_async(shared)
        shared["after"] = True
        return result


class AsyncRunItself(AsyncWork):
    """Calls the phases itself."""

    async def _run_async(self, shared: Any) -> Any:
        prepared = await self.prep_async(shared)
        worked = await self._exec(prepared)
        return await self.post_async(shared, prepared, worked)


class WithTimeout(AsyncWork):
    """Runs exec in a task of its own."""

    async def _exec(self, prep_res: Any) -> Any:
        return await asyncio.wait_for(self.exec_async(prep_res), 60)


class WithTimeoutAround(AsyncWork):
    """Runs PocketFlow's whole `_exec` in a task of its own."""

    async def _exec(self, prep_res: Any) -> Any:
        return await asyncio.wait_for(super()._exec(prep_res), 60)


class WithSemaphore(AsyncWork):
    """Waits for its turn."""

    async def _exec(self, prep_res: Any) -> Any:
        async with asyncio.Semaphore(1):
            return await super()._exec(prep_res)


@pytest.mark.parametrize(
    "kind", [AsyncRunThroughSuper, AsyncRunItself, WithTimeout, WithTimeoutAround, WithSemaphore]
)
def test_an_async_override_is_one_node_with_its_phases(kind: Any) -> None:
    """The same on an event loop, also where exec runs in another task."""
    assert both(lambda: AsyncFlow(start=kind())) == tree(f"""
        flow AsyncFlow ok
          node {kind.__name__} ok
            prep ok
            exec ok
            post ok
    """)


class ManyItems(Node):
    """Has three things to do."""

    def prep(self, shared: Any) -> Any:
        return [1, 2, 3]

    def exec(self, prep_res: Any) -> Any:
        return prep_res * 2

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


class InALoop(ManyItems):
    """Calls exec for each item."""

    def _exec(self, prep_res: Any) -> Any:
        return [self.exec(item) for item in prep_res]


class InAPool(ManyItems):
    """Calls exec for each item in threads that know nothing of our context."""

    def _exec(self, prep_res: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self.exec, prep_res))


class SuperInALoop(ManyItems):
    """Calls PocketFlow's `_exec`, retries and all, for each item."""

    def _exec(self, prep_res: Any) -> Any:
        return [super(SuperInALoop, self)._exec(item) for item in prep_res]


@pytest.mark.parametrize("kind", [InALoop, InAPool, SuperInALoop])
def test_exec_called_for_many_items_is_many_spans_and_no_retry(kind: Any) -> None:
    """Each call is a first attempt."""
    assert both(lambda: Flow(start=kind(max_retries=3))) == tree(f"""
        flow Flow ok
          node {kind.__name__} ok
            prep ok
            exec ok
            exec ok
            exec ok
            post ok
    """)


class PooledBatch(BatchNode):
    """A batch node whose items run in threads, as the cookbook's readers do it."""

    prep = ManyItems.prep
    exec = ManyItems.exec
    post = ManyItems.post

    def _exec(self, prep_res: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return list(pool.map(super(BatchNode, self)._exec, prep_res))


def test_a_batch_node_in_a_pool_has_its_items_beneath_it() -> None:
    """Threads without our context find the open node."""
    assert both(lambda: Flow(start=PooledBatch())) == tree("""
        flow Flow ok
          node PooledBatch ok
            prep ok
            exec ok
            exec ok
            exec ok
            post ok
    """)


class Gathered(AsyncNode):
    """Calls exec for all items at once."""

    async def prep_async(self, shared: Any) -> Any:
        return [1, 2, 3]

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return prep_res * 2

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res

    async def _exec(self, prep_res: Any) -> Any:
        return await asyncio.gather(*(self.exec_async(item) for item in prep_res))


class GatheredThroughSuper(Gathered):
    """Calls PocketFlow's `_exec` for all items, two at a time."""

    async def _exec(self, prep_res: Any) -> Any:
        turn = asyncio.Semaphore(2)

        async def one(item: Any) -> Any:
            async with turn:
                return await super(Gathered, self)._exec(item)

        return await asyncio.gather(*(one(item) for item in prep_res))


@pytest.mark.parametrize("kind", [Gathered, GatheredThroughSuper])
def test_gathered_execs_are_spans_of_the_node_and_no_retry(kind: Any) -> None:
    """Each runs in a task of its own."""
    assert both(lambda: AsyncFlow(start=kind(max_retries=3))) == tree(f"""
        flow AsyncFlow ok
          node {kind.__name__} ok
            prep ok
            exec ok
            exec ok
            exec ok
            post ok
    """)


def test_a_gathered_exec_that_fails_fails_the_node() -> None:
    """The override has no fallback."""

    class OneFails(Gathered):
        async def exec_async(self, prep_res: Any) -> Any:
            if prep_res == 2:
                raise ValueError("two")

    assert both(lambda: AsyncFlow(start=OneFails())) == tree("""
        flow AsyncFlow error ValueError
          node OneFails error ValueError
            prep ok
            exec ok
            exec error ValueError
            exec ok
    """)
