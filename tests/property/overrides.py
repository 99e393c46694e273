"""Users' overrides of PocketFlow's own methods, and the quirks their nodes may have."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pocketflow

from .running import LANE
from .values import touch

Own = Callable[[], Any]
"""Gives the class that holds the override (for `super`)."""


def _run_super(base: type, own: Own) -> tuple[str, Any]:
    def override(self: Any, shared: Any) -> Any:
        return super(own(), self)._run(shared)

    async def override_async(self: Any, shared: Any) -> Any:
        return await super(own(), self)._run_async(shared)

    return ("_run_async", override_async) if is_async(base) else ("_run", override)


def _run_whole(base: type, own: Own) -> tuple[str, Any]:
    """The node's own `_run`, without super."""

    def override(self: Any, shared: Any) -> Any:
        prepared = self.prep(shared)
        executed = self._exec(prepared)
        return self.post(shared, prepared, executed)

    async def override_async(self: Any, shared: Any) -> Any:
        prepared = await self.prep_async(shared)
        executed = await self._exec(prepared)
        return await self.post_async(shared, prepared, executed)

    return ("_run_async", override_async) if is_async(base) else ("_run", override)


def _entry_super(base: type, own: Own) -> tuple[str, Any]:
    """`run` with a further argument, as users write it."""

    def override(self: Any, shared: Any, extra: Any = None) -> Any:
        return super(own(), self).run(shared)

    async def override_async(self: Any, shared: Any, extra: Any = None) -> Any:
        return await super(own(), self).run_async(shared)

    return ("run_async", override_async) if is_async(base) else ("run", override)


def _exec_super(base: type, own: Own) -> tuple[str, Any]:
    def override(self: Any, prepared: Any) -> Any:
        return super(own(), self)._exec(prepared)

    async def override_async(self: Any, prepared: Any) -> Any:
        return await super(own(), self)._exec(prepared)

    return ("_exec", override_async if is_async(base) else override)


def _exec_loop(base: type, own: Own) -> tuple[str, Any]:
    """An `_exec` that calls exec for each of three items, one after the other."""

    def override(self: Any, prepared: Any) -> Any:
        return [self.exec(item) for item in range(3)]

    async def override_async(self: Any, prepared: Any) -> Any:
        results = []
        for item in range(3):
            results.append(await self.exec_async(item))
        return results

    return ("_exec", override_async if is_async(base) else override)


def _exec_pool(base: type, own: Own) -> tuple[str, Any]:
    """An `_exec` over a pool of threads, or over gather."""

    def override(self: Any, prepared: Any) -> Any:
        with ThreadPoolExecutor(1, initializer=LANE.set, initargs=(LANE.get(),)) as pool:
            futures = [pool.submit(self.exec, item) for item in range(3)]
        return [future.result() for future in futures]

    async def override_async(self: Any, prepared: Any) -> Any:
        limit = asyncio.Semaphore(2)

        async def limited(item: int) -> Any:
            async with limit:
                return await self.exec_async(item)

        return await asyncio.gather(*(limited(item) for item in range(3)))

    return ("_exec", override_async if is_async(base) else override)


def _exec_timeout(base: type, own: Own) -> tuple[str, Any]:
    """An async `_exec` under a time limit."""

    async def override_async(self: Any, prepared: Any) -> Any:
        return await asyncio.wait_for(self.exec_async(prepared), 0.5)

    return ("_exec", override_async)


def _orch_super(base: type, own: Own) -> tuple[str, Any]:
    def override(self: Any, shared: Any, params: Any = None) -> Any:
        return super(own(), self)._orch(shared, params)

    async def override_async(self: Any, shared: Any, params: Any = None) -> Any:
        return await super(own(), self)._orch_async(shared, params)

    return ("_orch_async", override_async) if is_async(base) else ("_orch", override)


def _orch_whole(base: type, own: Own) -> tuple[str, Any]:
    """The flow's own loop over its nodes, without super."""

    def override(self: Any, shared: Any, params: Any = None) -> Any:
        current, action = copy.copy(start_of(self)), None
        while current:
            current.set_params(params or {**self.params})
            action = current._run(shared)
            current = copy.copy(self.get_next_node(current, action))
        return action

    async def override_async(self: Any, shared: Any, params: Any = None) -> Any:
        current, action = copy.copy(start_of(self)), None
        while current:
            current.set_params(params or {**self.params})
            if isinstance(current, pocketflow.AsyncNode):
                action = await current._run_async(shared)
            else:
                action = current._run(shared)
            current = copy.copy(self.get_next_node(current, action))
        return action

    return ("_orch_async", override_async) if is_async(base) else ("_orch", override)


def _next_super(base: type, own: Own) -> tuple[str, Any]:
    def override(self: Any, curr: Any, action: Any) -> Any:
        return super(own(), self).get_next_node(curr, action)

    return ("get_next_node", override)


def start_of(flow: Any) -> Any:
    """The flow's first node, whatever this PocketFlow calls it."""
    return vars(flow)["start_node"] if "start_node" in vars(flow) else vars(flow)["start"]


def is_async(base: type) -> bool:
    """Whether the class is run with `run_async`."""
    return issubclass(base, pocketflow.AsyncNode)


OVERRIDES: dict[str, Callable[[type, Own], tuple[str, Any]]] = {
    "run super": _run_super,
    "run whole": _run_whole,
    "entry super": _entry_super,
    "exec super": _exec_super,
    "exec loop": _exec_loop,
    "exec pool": _exec_pool,
    "exec timeout": _exec_timeout,
    "orch super": _orch_super,
    "orch whole": _orch_whole,
    "next super": _next_super,
}
NODE_OVERRIDES = ("run super", "run whole", "entry super", "exec super", "exec loop", "exec pool")
FLOW_OVERRIDES = ("run super", "entry super", "orch super", "orch whole", "next super")


# ---- quirks ------------------------------------------------------------------------------------------


def _equal_to_all() -> dict[str, Any]:
    def equal(self: Any, other: Any) -> bool:
        touch("node eq")
        return True

    def hashed(self: Any) -> int:
        touch("node hash")
        return 1

    return {"__eq__": equal, "__hash__": hashed}


def _unhashable() -> dict[str, Any]:
    return {**_equal_to_all(), "__hash__": None}


def _empty() -> dict[str, Any]:
    def length(self: Any) -> int:
        touch("node len")
        return 0

    return {"__len__": length}


def _sized() -> dict[str, Any]:
    def length(self: Any) -> int:
        touch("node len")
        return 1

    return {"__len__": length}


def _copies_itself() -> dict[str, Any]:
    return {"__copy__": lambda self: self}


def _answers_everything() -> dict[str, Any]:
    def answer(self: Any, name: str) -> Any:
        touch("node getattr")
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None

    return {"__getattr__": answer}


def _unprintable() -> dict[str, Any]:
    def text(self: Any) -> str:
        touch("node repr")
        raise RuntimeError("no text")

    return {"__repr__": text, "__str__": text}


QUIRKS: dict[str, Callable[[], dict[str, Any]]] = {
    "equal": _equal_to_all,
    "unhashable": _unhashable,
    "empty": _empty,
    "sized": _sized,
    "copies itself": _copies_itself,
    "answers": _answers_everything,
    "unprintable": _unprintable,
    "slots": lambda: {"__slots__": ("extra",)},
}
