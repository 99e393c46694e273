"""The traced program cannot tell that it is traced, not even when the tracer has a bug."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from pocketflow_tracing import current_trace, flush, span, trace_flow, tracing
from pocketflow_tracing.capture import Capture
from pocketflow_tracing.config import TracingConfig
from pocketflow_tracing.delivery import Delivery, delivery
from pocketflow_tracing.engine import Engine, _guarded
from pocketflow_tracing.ordinary import OrdinaryExec, OrdinaryNext, OrdinaryRun
from pocketflow_tracing.recorder import Recorder
from pocketflow_tracing.scopes import Scope, Scopes
from pocketflow_tracing.spans import Spans
from pocketflow_tracing.testing import capture_traces

from .harness import Outcome, assert_same, both, execute, tree
from .programs import Batch, every_kind

Plant = Callable[[pytest.MonkeyPatch, Any, str], list[str]]


def at_once(patch: pytest.MonkeyPatch, owner: Any, name: str) -> list[str]:
    """Make a method of ours raise; gives the list to which each call of it adds."""
    called: list[str] = []

    def bug(*args: Any, **kwargs: Any) -> Any:
        called.append(name)
        raise ZeroDivisionError("a bug of ours")

    patch.setattr(owner, name, as_guarded(getattr(owner, name), bug))
    return called


def in_the_end(patch: pytest.MonkeyPatch, owner: Any, name: str) -> list[str]:
    """The same, but the method does its work before it raises."""
    called: list[str] = []
    original = getattr(owner, name)
    works = getattr(original, "__wrapped__", original)

    def bug(*args: Any, **kwargs: Any) -> Any:
        works(*args, **kwargs)
        called.append(name)
        raise ZeroDivisionError("a bug of ours")

    patch.setattr(owner, name, as_guarded(original, bug))
    return called


def as_guarded(original: Any, bug: Any) -> Any:
    """`bug`, behind the guard that `original` has, if any."""
    return _guarded(bug) if hasattr(original, "__wrapped__") else bug


def public(owner: type) -> list[str]:
    """The names of the public methods of a class of ours."""
    return sorted(name for name, value in vars(owner).items() if callable(value) and name[0] != "_")


OWNERS: dict[type, list[str]] = {
    **{owner: public(owner) for owner in (Recorder, OrdinaryRun, OrdinaryExec, OrdinaryNext, Spans)},
    **{owner: public(owner) for owner in (Engine, Scopes, Scope)},
    Delivery: ["trace_started", "span_ended", "trace_ended"],
    Capture: ["value"],
}
PLACES = [(owner, name) for owner, names in OWNERS.items() for name in names]

NOT_REACHED = {
    (Recorder, "disown"): "after a fork",
    (Engine, "end_all"): "when the process ends",
    (Scopes, "note_missed"): "from threads that no scope sees",
    (Recorder, "failed"): "after another failure: planted below",
    (Spans, "abandon"): "after another failure: planted below",
    (Spans, "mark_incomplete"): "where the stack or the memory had no room for a callback",
    (Spans, "close_orphans"): "where a signal handler's exception hit a callback",
}
"""What the program does not come to, and where it would."""

ONLY_MONITORING = {
    (Recorder, "called"),
    (Recorder, "returned"),
    (Recorder, "listeners"),
    (Recorder, "starts_early"),
    *((owner, name) for owner in (OrdinaryRun, OrdinaryExec, OrdinaryNext) for name in public(owner)),
}
ONLY_PROFILE = {(Recorder, "callee_returned"), (Recorder, "callee_raised")}

SENSELESS = {
    (Engine, "enter", in_the_end): "nothing follows what it does last, and nobody would leave",
    (Engine, "mute", in_the_end): "the same",
    (Engine, "leave", at_once): "what is to be closed stays open",
}


class Again(Node):
    """Has a way of its own to try again."""

    def exec(self, prep_res: Any) -> Any:
        self.tries = vars(self).get("tries", 0) + 1
        if self.tries == 1:
            raise ValueError("first")

    def _exec(self, prep_res: Any) -> Any:
        for attempt in (self.exec, self.exec):  # under another name: the code itself has to be known
            try:
                return attempt(prep_res)
            except ValueError:
                continue


class Late(Node):
    """Runs code of its own before its prep."""

    @property
    def prep(self) -> Any:
        return lambda shared: None


class Starter(AsyncNode):
    """Starts what outlives the run."""

    async def exec_async(self, prep_res: Any) -> Any:
        self.params["tasks"].append(asyncio.ensure_future(self.later()))
        await asyncio.sleep(0)

    async def later(self) -> None:
        """Goes on until it is let go."""
        with span("late"):
            await self.params["go"].wait()


async def outlived() -> None:
    """Run a flow whose task goes on after it."""
    flow = AsyncFlow(start=Starter())
    params: dict[str, Any] = {"tasks": [], "go": asyncio.Event()}
    flow.set_params(params)
    await flow.run_async({})
    params["go"].set()
    await asyncio.gather(*params["tasks"])


@trace_flow()
def decorated(question: str) -> str:
    """A run of its own outside of a scope, and a part of what runs in one."""
    return question.upper()


def program(shared: Any) -> Any:
    """Every kind of step, twice: the second time, what is known of the classes makes the way short."""
    assert isinstance(execute(every_kind, shared).error, LookupError)
    Again().run(shared)
    for _ in range(2):
        Flow(start=Late()).run(shared)
    asyncio.run(outlived())
    with span("by hand", size=1) as step:
        step.update(more=2)
        current_trace().update(tags=["all"], metadata={"kinds": "all"})
        shared["said"] = decorated("why")
    with tracing(TracingConfig(enabled=False)):
        Batch().run(shared)
    return every_kind(shared)


@pytest.fixture(scope="module")
def untraced() -> Outcome:
    """What comes of the program where nothing is traced."""
    with tracing(TracingConfig(enabled=False)):
        return execute(program, {"n": 1})


@pytest.mark.parametrize("plant", [at_once, in_the_end])
@pytest.mark.parametrize(("owner", "name"), PLACES, ids=lambda value: getattr(value, "__name__", value))
def test_a_bug_in_a_callback_costs_one_line_and_nothing_else(
    owner: Any,
    name: str,
    plant: Plant,
    every_probe: str,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
    untraced: Outcome,
) -> None:
    """Same result, same exception, same store; the next run without the bug is right."""
    if (owner, name, plant) in SENSELESS:
        pytest.skip(SENSELESS[owner, name, plant])
    with monkeypatch.context() as patch:
        called = plant(patch, owner, name)
        with capture_traces():
            traced = execute(program, {"n": 1})
    assert_same(untraced, traced)
    elsewhere = ONLY_PROFILE if every_probe == "monitoring" else ONLY_MONITORING
    is_reached = (owner, name) not in NOT_REACHED and (owner, name) not in elsewhere
    assert bool(called) is is_reached
    assert len(told) == is_reached
    told.clear()
    is_right_again()


def is_right_again() -> None:
    """The next run, with nothing planted, has the right tree; nothing of what was cut short still waits."""
    assert flush() == 0
    assert delivery.filled == 0
    assert both(Batch) == tree("""
        node Batch ok -> nowhere
          prep ok
          exec ok item=0
          exec ok item=1
          post ok
    """)


AFTERWARDS = [(Recorder, "failed"), (Spans, "abandon"), (Spans, "end_trace"), (Delivery, "trace_ended")]


@pytest.mark.parametrize(("owner", "name"), AFTERWARDS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("first", [(Recorder, "calling"), (Engine, "begin")], ids=["callback", "span"])
def test_a_bug_in_what_follows_a_bug_costs_no_second_line(
    first: tuple[Any, str],
    owner: Any,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
    untraced: Outcome,
) -> None:
    """What ends the traces under way after one failure may fail as well."""
    with monkeypatch.context() as patch:
        reached = at_once(patch, *first)
        called = at_once(patch, owner, name)
        with capture_traces():
            traced = execute(program, {"n": 1})
    assert_same(untraced, traced)
    assert reached
    assert bool(called) is not (name == "failed" and first[0] is Engine)
    assert len(told) == 1
    told.clear()
    is_right_again()


@pytest.mark.parametrize("debug", [False, True])
def test_a_broken_logger_does_not_reach_the_program(
    debug: bool, monkeypatch: pytest.MonkeyPatch, told: list[str], untraced: Outcome
) -> None:
    """Not even when our bug meets a bug in the user's logging, whatever is to be told there."""

    class Worse(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("no logging today")

    logger, handler = logging.getLogger("pocketflow_tracing"), Worse()
    known = logger.level
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    logger.addHandler(handler)
    try:
        called = at_once(monkeypatch, Recorder, "calling")
        with capture_traces():
            traced = execute(program, {"n": 1})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(known)
    assert_same(untraced, traced)
    assert called
    told.clear()
