"""Nothing of the program changes while it is traced, and nothing lives longer."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import random
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pocketflow
import pytest
from pocketflow import AsyncFlow, AsyncNode, BatchFlow, BatchNode, Flow, Node
from surroundings_support import HAS_MONITORING, OURS, Surroundings

from pocketflow_tracing import flush
from pocketflow_tracing.probes.profile import ProfileProbe
from pocketflow_tracing.testing import capture_traces

from .harness import Outcome, assert_same, both, compare, execute, outlines, start_of, tree
from .programs import Batch, Broken, Failing, Flaky, Many, Parallel, every_kind

CLASSES = [
    Flaky,
    Failing,
    Batch,
    Many,
    Parallel,
    Broken,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
    AsyncFlow,
    AsyncNode,
]


def dictionaries() -> list[dict[str, Any]]:
    """The dictionaries of the user's classes, of PocketFlow's, and of its module."""
    return [dict(vars(owner)) for owner in [*CLASSES, pocketflow.BaseNode, pocketflow]]


def codes_in(entries: list[dict[str, Any]]) -> list[Any]:
    """The code of every function in these dictionaries."""
    members = [value for one in entries for value in one.values()]
    return [member.__code__ for member in members if hasattr(member, "__code__")]


def test_no_class_function_or_module_is_changed_at_any_time() -> None:
    """Compared by identity of each entry, during the run and after it."""
    Flow(start=Flaky(max_retries=2)).run({"n": 1})  # copy.copy itself writes __slotnames__, once
    before = dictionaries()
    codes = codes_in(before)
    during: list[Any] = []

    class Look(Node):
        def exec(self, prep_res: Any) -> Any:
            during.extend(dictionaries())

    with capture_traces():
        first = Look()
        first >> Flaky(max_retries=2)
        Flow(start=first).run({"n": 1})
    after = dictionaries()
    for entries, then, now in zip(before, during, after, strict=True):
        assert entries.keys() == then.keys() == now.keys()
        assert all(entries[name] is then[name] is now[name] for name in entries)
    assert codes == [
        value.__code__ for entries in after for value in entries.values() if hasattr(value, "__code__")
    ]


def test_no_instance_is_changed_at_any_time() -> None:
    """Neither the originals nor the copies that run."""

    class Look(Node):
        def exec(self, prep_res: Any) -> Any:
            return sorted(vars(self)), sorted(vars(type(self)))

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["during"] = exec_res

    def program(shared: Any) -> Any:
        node = Look()
        flow = Flow(start=node)
        before = dict(vars(node)), dict(vars(flow))
        flow.run(shared)
        assert (vars(node), vars(flow)) == before
        return sorted(vars(node)), sorted(vars(flow))

    compare(program)


class Copies(Flaky):
    """Copies and pickles the flow that runs it, and itself."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        flow = self.params["flow"]
        for one in (copy.deepcopy(flow), copy.copy(flow), pickle.loads(pickle.dumps(flow))):
            shared["copies"].append([type(one), *vars(one), *vars(start_of(one))])
        for one in (copy.deepcopy(self), copy.copy(self), pickle.loads(pickle.dumps(self))):
            shared["copies"].append([type(one), *vars(one)])
        shared["deep"] = copy.deepcopy(shared["copies"])


def test_a_running_flow_can_be_copied_and_pickled() -> None:
    """Nothing of ours hangs on it."""

    def make() -> Flow:
        flow = Flow(start=Copies(max_retries=2))
        flow.set_params({"flow": flow})
        return flow

    assert both(make, {"n": 1, "copies": []}) == tree("""
        flow Flow ok
          node Copies ok
            prep ok
            exec error ValueError attempt=1 recovered
            exec ok attempt=2
            post ok
    """)


def tools() -> dict[int, str | None]:
    """Who holds which tool id of `sys.monitoring`."""
    return {tool: sys.monitoring.get_tool(tool) for tool in range(6)} if HAS_MONITORING else {}


def test_around_a_running_flow_nothing_changes_but_what_is_promised(every_probe: str) -> None:
    """Our tool id or profile function while the run is on, our one thread; all else is as it was."""

    class Look(Node):
        def exec(self, prep_res: Any) -> Any:
            flush()  # the thread of ours is there by now
            seen.append((Surroundings.now(), tools(), threading.enumerate()))

    seen: list[tuple[Surroundings, dict[int, str | None], list[threading.Thread]]] = []
    before, held = Surroundings.now(), tools()
    threads = [thread for thread in threading.enumerate() if thread.name != OURS]
    with capture_traces():
        Flow(start=Look()).run({})
        seen.append((Surroundings.now(), tools(), threading.enumerate()))
    for now, holding, running in seen:
        assert sorted(thread.name for thread in running if thread not in threads) == [OURS]
        assert all(thread in running for thread in threads)
        if every_probe == "monitoring":
            assert now == before
            assert {tool: name for tool, name in holding.items() if name != held[tool]} == {4: OURS}
        else:
            assert holding == held
            assert now.profiler is now.thread_profiler is not None
            assert now.profiler.__module__ == ProfileProbe.__module__
            profilers = {"profiler": before.profiler, "thread_profiler": before.thread_profiler}
            assert replace(now, **profilers) == before
    assert (Surroundings.now(), tools()) == (before, held)


class Large:
    """A value whose end can be seen."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        weakref.finalize(self, log.append, f"{name} ended")


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Nothing ends but by its last reference."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
def test_values_live_no_longer_than_untraced() -> None:
    """The tracer keeps what it saw of a value, never the value."""

    class First(Node):
        def prep(self, shared: Any) -> Any:
            return Large(shared["log"], "prep")

        def exec(self, prep_res: Any) -> Any:
            return Large(prep_res.log, "exec")

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["log"].append("post")
            return Large(shared["log"], "action")

    class Last(Node):
        def prep(self, shared: Any) -> Any:
            shared["log"].append("next prep")

    def program(shared: Any) -> Any:
        First().run(shared)
        Last().run(shared)
        return list(shared["log"])

    compare(program, lambda: {"log": []})


class Thing:
    """Can be told to be gone."""


@pytest.mark.profile_misses("before 3.11, a profiler makes Python keep a dict of the locals", before=(3, 11))
def test_what_a_phase_deletes_is_gone_at_once() -> None:
    """Nothing keeps the locals of the program's functions as they were."""

    class Deletes(Node):
        def exec(self, prep_res: Any) -> Any:
            thing = Thing()
            gone = weakref.ref(thing)
            len("")  # a call that a profiler is told of
            del thing
            return gone() is None

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["gone"] = exec_res

    compare(lambda shared: Flow(start=Deletes()).run(shared))


@pytest.mark.xfail(
    sys.version_info < (3, 13), reason="before 3.13, f_locals keeps what it showed", strict=True
)
def test_what_a_run_of_the_programs_own_deletes_is_gone_at_once() -> None:
    """What prep returned is kept for exec only where PocketFlow's own `_run` keeps it too."""

    class Whole(Node):
        def prep(self, shared: Any) -> Any:
            return Thing()

        def _run(self, shared: Any) -> Any:
            thing = self.prep(shared)
            gone = weakref.ref(thing)
            action = self.post(shared, thing, self._exec(thing))
            del thing
            shared["gone"] = gone() is None
            return action

    compare(lambda shared: Flow(start=Whole()).run(shared))


@pytest.mark.usefixtures("without_collector")
def test_exceptions_live_no_longer_than_untraced() -> None:
    """Nor the frames in their tracebacks."""

    class Fails(Node):
        def exec(self, prep_res: Any) -> Any:
            error = ValueError("no")
            weakref.finalize(error, prep_res.append, "error ended")
            try:
                raise error
            finally:
                del error

        def prep(self, shared: Any) -> Any:
            return shared["log"]

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            prep_res.append("fallback")

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["log"].append("post")

    def program(shared: Any) -> Any:
        Fails(max_retries=2).run(shared)
        return list(shared["log"])

    compare(program, lambda: {"log": []})


def test_random_numbers_are_the_same() -> None:
    """Our ids come from a generator of our own."""

    class Draw(Node):
        def exec(self, prep_res: Any) -> Any:
            return random.random()

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["drawn"] = exec_res, random.random()

    def program(shared: Any) -> Any:
        random.seed(7)
        Flow(start=Draw()).run(shared)
        return random.random()

    compare(program)


def test_the_event_loop_is_left_alone() -> None:
    """No task, no handler and no hook of ours in it."""

    class Look(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            loop = asyncio.get_running_loop()
            hooks = loop.get_task_factory(), loop.get_debug(), loop.get_exception_handler()
            return len(asyncio.all_tasks()), hooks

        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["loop"] = exec_res

    compare(lambda shared: AsyncFlow(start=Look()).run_async(shared))


def test_the_program_sees_no_tracer_in_its_outcome() -> None:
    """The comparison these tests rest on does see a difference where there is one."""
    one = execute(every_kind, {"n": 1})
    with pytest.raises(AssertionError):
        assert_same(one, execute(every_kind, {"n": 1, "more": 1}))
    with pytest.raises(AssertionError):
        assert_same(one, Outcome(None, LookupError("other"), one.shared, one.warned))
    assert outlines([]) == []
