"""How a program is entered: one after the other, gathered, in threads, cancelled, timed out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from .loops import run_loop, turns
from .running import LANE, Running, in_lane, with_context
from .values import digest, failure

Outcome = tuple[Any, list[str]]
"""What a run gave: its digest, and the frames its exception passed."""


def enter(running: Running) -> list[Outcome]:
    """Runs the program's entry; never raises what the program raises."""
    entry = running.program.entry
    if entry.kind == "run":
        return [outcome(lambda unit=unit: running.run_unit(unit)) for unit in entry.units]  # type: ignore[misc]
    if entry.kind == "threads":
        return in_threads(running)
    return [outcome(lambda: run_loop(_async_entries[entry.kind](running)))]


def outcome(call: Callable[[], Any]) -> Outcome:
    """The digest of what `call` returned or raised."""
    try:
        return digest(call(), consume=True), []
    except BaseException as error:
        return failure(error)


def in_threads(running: Running) -> list[Outcome]:
    """All units at once, each on a thread of its own."""
    entry = running.program.entry
    outcomes: dict[int, Outcome] = {}
    barrier = threading.Barrier(len(entry.units))
    threads = []
    for number, unit in enumerate(entry.units):

        def target(number: int = number, unit: int = unit) -> None:
            barrier.wait()
            outcomes[number] = outcome(lambda: running.run_unit(unit))

        call = in_lane(f"thread{number}", target)
        threads.append(threading.Thread(target=with_context(call) if entry.copied_context else call))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[number] for number in range(len(entry.units))]


def branches(running: Running) -> list[Awaitable[Any]]:
    """A coroutine for each unit of the entry, each in a lane of its own."""
    entry = running.program.entry
    common = running.new_store() if entry.common_store else None

    async def branch(number: int, unit: int) -> Any:
        LANE.set(f"branch{number}")
        return await running.run_unit_async(unit, common)

    return [branch(number, unit) for number, unit in enumerate(entry.units)]


async def settle(running: Running) -> None:
    """Waits for the background tasks that phases left."""
    if running.background:
        await asyncio.gather(*running.background, return_exceptions=True)


async def gathered(running: Running) -> Any:
    """All units at once, in tasks of one gather."""
    try:
        both = await asyncio.gather(
            *branches(running), return_exceptions=running.program.entry.return_exceptions
        )
        return list(both)
    finally:
        await settle(running)


async def grouped(running: Running) -> Any:
    """All units at once in a task group: the first failure cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined,unused-ignore]
            tasks = [group.create_task(branch) for branch in branches(running)]
        return [task.result() for task in tasks]
    finally:
        await settle(running)


async def cancelled(running: Running) -> Any:
    """The units in tasks that are cancelled after some turns of the loop."""
    tasks = [asyncio.ensure_future(branch) for branch in branches(running)]
    await turns(int(running.program.entry.after))
    for task in tasks:
        task.cancel()
    try:
        return list(await asyncio.gather(*tasks, return_exceptions=True))
    finally:
        await settle(running)


async def timed_out(running: Running) -> Any:
    """The units under `wait_for`, which may not leave them enough time."""
    after = running.program.entry.after
    limited = [asyncio.wait_for(branch, after) for branch in branches(running)]
    try:
        return list(await asyncio.gather(*limited, return_exceptions=True))
    finally:
        await settle(running)


_async_entries: dict[str, Callable[[Running], Any]] = {
    "gather": gathered,
    "group": grouped,
    "cancel": cancelled,
    "timeout": timed_out,
}
