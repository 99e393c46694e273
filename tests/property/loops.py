"""An event loop on a clock of its own: sleeps and timeouts take no time, and all falls in a fixed order."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any


class _Selector(selectors.SelectSelector):
    """Moves the loop's clock forward instead of waiting."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if timeout is None:
            raise RuntimeError("the program's event loop waits for ever")
        self.loop.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop whose time only passes when all its tasks wait for a timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pool: ThreadPoolExecutor | None = None
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Runs `func` on another thread, to its end at once: when it ends must not depend on the machine."""
        if self.pool is None:
            self.pool = ThreadPoolExecutor(max_workers=1)
        future = self.pool.submit(func, *args)
        wait([future])
        return asyncio.wrap_future(future, loop=self)

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown()
        super().close()


def run_loop(main: Coroutine[Any, Any, Any]) -> Any:
    """What `asyncio.run(main)` gives, on a `VirtualLoop`."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        try:
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _cancel_all(loop: VirtualLoop) -> None:
    """Cancels what still runs, oldest first, so that the order is fixed, until nothing is left."""
    while left := sorted(asyncio.all_tasks(loop), key=lambda task: int(task.get_name().rpartition("-")[2])):
        for task in left:
            task.cancel()
        try:
            loop.run_until_complete(asyncio.wait(left))
        except (KeyboardInterrupt, SystemExit):  # stops the loop whatever task it is raised in
            continue


async def turns(count: int) -> None:
    """Let the loop turn `count` times."""
    for _ in range(count):
        await asyncio.sleep(0)
