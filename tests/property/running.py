"""What generated phases do when they are called, and the log they leave."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .loops import run_loop, turns
from .programs import Act, Phase, Program, plain_name
from .values import Awkward, digest, make, new_error, new_store

LANE: contextvars.ContextVar[str] = contextvars.ContextVar("lane", default="main")
"""Which thread or task of the entry this is: each has its own log and its own counts."""

BUDGET = 250
"""After so many calls of phases in a lane, no phase runs another unit by hand any more."""


class Running:
    """One run of a program: its units, its log by lane, its counts, its stores."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.units: list[Any] = []
        self.logs: dict[str, list[Any]] = {}
        self.counts: Counter[Any] = Counter()
        self.stores: dict[str, list[Any]] = {}
        self.background: list[asyncio.Task[Any]] = []
        self.events: dict[str, asyncio.Event] = {}

    def new_store(self) -> Any:
        """A store of the program's kind, kept for the comparison at the end."""
        store = new_store(self.program.store)
        self.stores.setdefault(LANE.get(), []).append(store)
        return store

    def log(self, *entry: Any) -> None:
        """Append to the log of this lane."""
        self.logs.setdefault(LANE.get(), []).append(entry)

    def count(self, *key: Any) -> int:
        """How often this was called with `key` in this lane, this time included."""
        key = (LANE.get(), *key)
        self.counts[key] += 1
        return self.counts[key]

    # ---- phases -------------------------------------------------------------------------------------

    def enter(
        self, name: str, phase: str, plan: Phase, subject: Any, args: tuple[Any, ...]
    ) -> tuple[int, Any]:
        """Logs the start of a phase; gives the number of the call and the store, if the phase has one."""
        item = item_of(args[0]) if args and plain_name(phase).startswith("exec") else None
        call = self.count(name, phase, item)
        shown = (
            [digest(arg) for arg in args]
            if plain_name(phase).startswith("exec")
            else [digest(a) for a in args[1:]]
        )
        # Threads that share a unit which copies itself overwrite each other's params, traced or not.
        alone = self.program.entry.kind != "threads" and hasattr(type(subject), "set_params")
        params = digest(vars(subject)["params"]) if alone else None
        self.log("enter", name, phase, call, shown, params)
        store = args[0] if plain_name(phase) in ("prep", "post") else None
        if store is not None:
            store["trail"].append(f"{name}.{phase}")
        return call, store

    def perform(self, name: str, phase: str, plan: Phase, subject: Any, args: tuple[Any, ...]) -> Any:
        """What a sync phase does."""
        call, store = self.enter(name, phase, plan, subject, args)
        try:
            for act in plan.acts:
                self.act(act, store)
            return self.leave(name, phase, plan, call, args)
        except BaseException as error:
            self.log("raise", name, phase, call, type(error).__name__)
            raise

    async def perform_async(
        self, name: str, phase: str, plan: Phase, subject: Any, args: tuple[Any, ...]
    ) -> Any:
        """What an async phase does."""
        call, store = self.enter(name, phase, plan, subject, args)
        try:
            for act in plan.acts:
                await self.act_async(act, store, name, args)
            return self.leave(name, phase, plan, call, args)
        except BaseException as error:
            self.log("raise", name, phase, call, type(error).__name__)
            raise

    def leave(self, name: str, phase: str, plan: Phase, call: int, args: tuple[Any, ...]) -> Any:
        """The result of the call, or its planned failure."""
        item = item_of(args[0]) if args and plain_name(phase).startswith("exec") else None
        if call in plan.fails and (not plan.only or item in plan.only):
            raise new_error(plan.error)
        result = plan.results[min(call, len(plan.results)) - 1]
        self.log("leave", name, phase, call, result)
        if result == "consume":  # post: reads the iterator that exec returned
            return self.consume(args[-1])
        return args[0] if result == "same" else make(result)

    def consume(self, value: Any) -> None:
        """Reads an iterator to its end, logging what was left in it."""
        self.log("consumed", digest(value, consume=True))

    # ---- acts ---------------------------------------------------------------------------------------

    def act(self, act: Act, store: Any) -> None:
        """Does a sync act."""
        if act.kind == "put" and store is not None:
            store[f"key{act.count}"] = make(act.value)
        elif act.kind == "warn":
            warnings.warn(f"user warning {act.value}", stacklevel=1)
        elif act.kind == "run" and self.may_run():
            self.guarded(act, lambda: self.run_by_hand(act))
        elif act.kind == "abandon" and self.may_run():
            self.guarded(act, lambda: self.abandon(act))

    async def act_async(self, act: Act, store: Any, name: str, args: tuple[Any, ...]) -> None:
        """Does an act of an async phase."""
        if act.kind == "pause":
            await turns(int(act.count) + (item_of(args[0]) or 0) * int(act.unit))
        elif act.kind == "sleep":
            await asyncio.sleep(act.count)
        elif act.kind == "expire":
            try:
                await asyncio.wait_for(asyncio.sleep(act.count * 2), act.count)
            except asyncio.TimeoutError as error:
                self.caught(act, error)
        elif act.kind in ("wait", "signal"):
            await self.wait_or_signal(act, f"{LANE.get()} {name}", item_of(args[0]))
        elif act.kind == "spawn" and self.may_run():
            self.background.append(asyncio.create_task(self.in_background(act)))
        elif act.kind == "run" and act.how in AWAITED and self.may_run():
            try:
                await self.run_awaiting(act)
            except Exception as error:
                self.caught(act, error)
        else:
            self.act(act, store)

    def may_run(self) -> bool:
        """Whether the lane's budget is left for another run by hand."""
        return len(self.logs.get(LANE.get(), ())) < BUDGET

    def guarded(self, act: Act, call: Callable[[], Any]) -> None:
        """Does `call`, catching its exception if the act says so."""
        try:
            self.log("by hand", act.unit, digest(call()))
        except Exception as error:
            self.caught(act, error)

    def caught(self, act: Act, error: Exception) -> None:
        """Logs an exception of a run by hand; raises it on unless the act catches."""
        self.log("by hand", act.unit, type(error).__name__)
        if not act.catch:
            raise error

    async def wait_or_signal(self, act: Act, key: str, item: int | None) -> None:
        """The last item of a parallel batch sets the event that the first one waits for."""
        event = self.events.setdefault(key, asyncio.Event())
        if act.kind == "signal" and item == int(act.count):
            event.set()
        elif act.kind == "wait" and item == 0:
            await event.wait()

    async def in_background(self, act: Act) -> None:
        """A task that outlives the phase that made it, and then runs a unit."""
        await turns(int(act.count))
        try:
            await self.run_unit_async(act.unit)
        except Exception as error:
            self.log("background", type(error).__name__)

    # ---- runs by hand -------------------------------------------------------------------------------

    def run_unit(self, unit: int, store: Any = None) -> Any:
        """Runs a unit from sync code; an async one on an event loop of its own."""
        store = self.new_store() if store is None else store
        if self.program.is_async(unit):
            return run_loop(self.units[unit].run_async(store))
        return self.units[unit].run(store)

    async def run_unit_async(self, unit: int, store: Any = None) -> Any:
        """Runs a unit from async code; a sync one directly."""
        store = self.new_store() if store is None else store
        if self.program.is_async(unit):
            return await self.units[unit].run_async(store)
        return self.units[unit].run(store)

    def run_by_hand(self, act: Act) -> Any:
        """Runs a unit from a phase, on this thread or on another one that is waited for."""
        how = act.how if act.how not in AWAITED else "call"
        lane = LANE.get()
        call = in_lane(f"{lane}/{how}", self.run_unit, act.unit)
        if how in ("context_thread", "context_pool"):
            call = with_context(call)
        elif how == "call":
            if asyncio._get_running_loop() is None or not self.program.is_async(act.unit):
                return self.run_unit(act.unit)
            call = with_context(call)
        return in_pool(call) if how.endswith("pool") else in_thread(call)

    async def run_awaiting(self, act: Act) -> None:
        """Runs a unit from an async phase in one of the ways that only async code has."""
        how = act.how
        if how == "await":
            result = await self.run_unit_async(act.unit)
        elif how == "task":
            result = await asyncio.create_task(self.run_unit_async(act.unit))
        elif how == "gather":
            result = await asyncio.gather(self.run_unit_async(act.unit), self.run_unit_async(act.unit))
        elif how == "timeout":
            result = await asyncio.wait_for(self.run_unit_async(act.unit), 0.5)
        elif how == "to_thread":
            result = await asyncio.to_thread(in_lane(f"{LANE.get()}/to_thread", self.run_unit, act.unit))
        else:
            call = in_lane(f"{LANE.get()}/executor", self.run_unit, act.unit)
            result = await asyncio.get_running_loop().run_in_executor(None, call)
        self.log("by hand", act.unit, digest(result))

    def abandon(self, act: Act) -> None:
        """Starts a coroutine, if the act says so, and closes it unfinished."""
        coroutine = self.units[act.unit].run_async(self.new_store())
        context = contextvars.copy_context()
        try:
            if act.count:
                context.run(coroutine.send, None)
        except StopIteration:
            pass
        finally:
            context.run(coroutine.close)


AWAITED = ("await", "task", "gather", "timeout", "to_thread", "executor")
"""The ways to run a unit that only an async phase has."""


def item_of(value: Any) -> int | None:
    """The number of a batch's item, whatever the item is."""
    if type(value) is int:
        return value
    return object.__getattribute__(value, "index") if type(value) is Awkward else None


def in_lane(lane: str, call: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """`call` with its log and counts in a lane of its own."""

    def inside() -> Any:
        token = LANE.set(lane)
        try:
            return call(*args)
        finally:
            LANE.reset(token)

    return inside


def with_context(call: Callable[[], Any]) -> Callable[[], Any]:
    """`call` in a copy of the context of now."""
    context = contextvars.copy_context()
    return lambda: context.run(call)


def in_thread(call: Callable[[], Any]) -> Any:
    """The result of `call` on a new thread; its exception is raised here."""
    outcome: list[Any] = []

    def target() -> None:
        try:
            outcome[:] = [call(), None]
        except BaseException as error:
            outcome[:] = [None, error]

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def in_pool(call: Callable[[], Any]) -> Any:
    """The result of `call` on a thread of an executor."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(call).result()
