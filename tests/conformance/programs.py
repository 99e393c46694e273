"""A program in which every kind of step happens, for tests of what the tracer leaves alone."""

from __future__ import annotations

import asyncio
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchNode, BatchFlow, BatchNode, Flow, Node

from pocketflow_tracing import span


class Flaky(Node):
    """Fails once, then works; its fallback is never needed."""

    def prep(self, shared: Any) -> Any:
        return shared["n"]

    def exec(self, prep_res: Any) -> Any:
        if self.cur_retry == 0:
            raise ValueError("first")
        return prep_res + 1

    def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
        return -1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = exec_res
        return "batch"


class Failing(Flaky):
    """Needs its fallback."""

    def exec(self, prep_res: Any) -> Any:
        raise KeyError("always")


class Batch(BatchNode):
    """Two items."""

    def prep(self, shared: Any) -> Any:
        return [1, 2]

    def exec(self, prep_res: Any) -> Any:
        return prep_res * 2

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["batch"] = exec_res
        return "nowhere"


class Many(BatchFlow):
    """Two iterations."""

    def prep(self, shared: Any) -> Any:
        return [{"k": 1}, {"k": 2}]


class Parallel(AsyncParallelBatchNode):
    """Two items at once."""

    async def prep_async(self, shared: Any) -> Any:
        return [1, 2]

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return prep_res * 3

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["parallel"] = exec_res


class Broken(AsyncNode):
    """Ends the run with an error."""

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        raise LookupError("end")


def every_kind(shared: Any) -> Any:
    """A program in which every kind of step happens, and at last an error."""
    flaky, failing, batch, last = Flaky(max_retries=2), Failing(), Batch(), Batch()
    flaky - "batch" >> failing
    failing - "batch" >> batch
    batch - "elsewhere" >> last
    shared["first"] = Flow(start=flaky).run(shared)
    shared["second"] = Many(start=Flow(start=Failing(max_retries=2))).run(shared)
    with span("by hand"):
        Batch().run(shared)

    async def work() -> Any:
        parallel = Parallel()
        parallel >> Broken()
        await AsyncFlow(start=parallel).run_async(shared)

    return asyncio.run(work())
