"""Decorated flows of this package's tests: on module level, where pickle finds them."""

from __future__ import annotations

import asyncio
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from pocketflow_tracing import trace_flow

from .harness import tree


class Step(Node):
    """Adds up its params."""

    def exec(self, prep_res: Any) -> Any:
        return self.params.get("n", 1)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["sum"] = shared.get("sum", 0) + exec_res


class AsyncStep(AsyncNode):
    """The same in coroutines."""

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return 1

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["sum"] = shared.get("sum", 0) + exec_res


@trace_flow()
class Support(Flow):
    """Answers tickets."""

    limit = 3

    def __init__(self, start: Any, extra: int = 0) -> None:
        super().__init__(start=start)
        self.extra = extra


@trace_flow
class AsyncSupport(AsyncFlow):
    """Answers tickets on an event loop."""


class PlainSupport(Flow):
    """Answers tickets."""

    limit = 3

    def __init__(self, start: Any, extra: int = 0) -> None:
        super().__init__(start=start)
        self.extra = extra


@trace_flow()
class Called(Flow):
    """Is decorated with parentheses, and has nothing of its own."""


def run_of(name: str) -> str:
    """The outline of one run of one step."""
    return tree(f"""
        flow {name} ok
          node Step ok
            exec ok
            post ok
    """)


SUPPORT = run_of("Support")
