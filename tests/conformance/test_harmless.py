"""The traced program cannot tell that it is traced, not even when the tracer has a bug."""

from __future__ import annotations

import logging
import signal
from typing import Any

import pytest
from pocketflow import Flow, Node

from pocketflow_tracing import ordinary, phases, tracing
from pocketflow_tracing.live import clock
from pocketflow_tracing.probes.base import Listener
from pocketflow_tracing.recorder import Recorder
from pocketflow_tracing.sinks.base import Sink
from pocketflow_tracing.spans import Spans
from pocketflow_tracing.testing import capture_traces

from .harness import assert_same, both, execute, outlines, tree
from .programs import Batch, every_kind


def plant(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[str]:
    """Make a method of ours raise; gives the list to which each call of it adds."""
    called: list[str] = []

    def bug(*args: Any, **kwargs: Any) -> Any:
        called.append(name)
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(owner, name, bug)
    return called


def public(owner: type) -> list[str]:
    """The names of the public methods of a class of ours."""
    return sorted(name for name, value in vars(owner).items() if callable(value) and name[0] != "_")


PLACES = [
    *((Recorder, name) for name in public(Listener)),
    *((Spans, name) for name in public(Spans)),
]


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=lambda value: getattr(value, "__name__", value))
def test_a_bug_in_a_callback_costs_one_line_and_nothing_else(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    """Same result, same exception, same store; the next run without the bug is right."""
    untraced = execute(every_kind, {"n": 1})
    with monkeypatch.context() as patch:
        called = plant(patch, owner, name)
        with capture_traces():
            traced = execute(every_kind, {"n": 1})
    assert_same(untraced, traced)
    assert len(told) == bool(called)
    told.clear()
    assert both(Batch) == tree("""
        node Batch ok -> nowhere
          prep ok
          exec ok item=0
          exec ok item=1
          post ok
    """)


class Raising(Sink):
    """Fails whatever it is told."""

    def __init__(self, method: str) -> None:
        self.calls: list[str] = []

        def bug(*args: Any) -> Any:
            self.calls.append(method)
            raise ZeroDivisionError("a bug of the sink's")

        setattr(self, method, bug)


class Keeping(Sink):
    """Keeps the names of the spans it is told of."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def span_ended(self, span: Any) -> None:
        """Keep one name."""
        self.names.append(span.name)


@pytest.mark.parametrize("method", ["trace_started", "span_ended", "trace_ended", "flush"])
def test_a_sink_that_raises_costs_one_line_and_nothing_else(method: str, told: list[str]) -> None:
    """The sinks beside it are told all the same."""
    untraced = execute(every_kind, {"n": 1})
    raising, keeping = Raising(method), Keeping()
    with tracing(sinks=[raising, keeping]) as scope:
        traced = execute(every_kind, {"n": 1})
        scope.flush()
    assert_same(untraced, traced)
    assert raising.calls
    assert {"Flaky.exec", "Batch.prep", "Broken", "Parallel.exec"} <= set(keeping.names)
    assert len(told) == 1
    told.clear()
    delattr(raising, method)  # it goes on being called, at every flush


@pytest.mark.parametrize("debug", [False, True])
def test_a_broken_logger_does_not_reach_the_program(
    debug: bool, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    """Not even when our bug meets a bug in the user's logging, whatever is to be told there."""

    class Worse(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("no logging today")

    logger, handler = logging.getLogger("pocketflow_tracing"), Worse()
    known = logger.level
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    untraced = execute(every_kind, {"n": 1})
    logger.addHandler(handler)
    try:
        plant(monkeypatch, Recorder, "calling")
        with capture_traces():
            traced = execute(every_kind, {"n": 1})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(known)
    assert_same(untraced, traced)
    told.clear()


class Leaf(Node):
    """Does nothing."""

    def exec(self, prep_res: Any) -> Any:
        pass


class Alarm(BaseException):
    """What a signal handler of the program raises."""


DROPPED = "Python drops a profile function that an exception leaves, be it a signal handler's"


@pytest.mark.profile_misses(DROPPED)
def test_a_signal_handlers_exception_out_of_a_callback_hides_nothing_of_what_follows(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program catches it and goes on, and so does the trace."""
    armed = False

    def interrupted() -> int:
        nonlocal armed
        if armed:
            armed = False
            signal.raise_signal(signal.SIGALRM)
        return clock()

    for module in (phases, ordinary):
        monkeypatch.setattr(module, "clock", interrupted)

    class Interrupted(Node):
        def prep(self, shared: Any) -> Any:
            nonlocal armed
            armed = True

    class Catches(Node):
        def exec(self, prep_res: Any) -> Any:
            try:
                Flow(start=Interrupted()).run({})
            except Alarm:
                return "caught"

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["exec"] = exec_res

    def ring(number: int, frame: object) -> None:
        raise Alarm

    start, shared = Catches(), dict[str, Any]()
    start >> Leaf()
    before = signal.signal(signal.SIGALRM, ring)
    try:
        with capture_traces() as traces:
            Flow(start=start).run(shared)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert shared == {"exec": "caught"}
    told.clear()
    assert outlines(traces)[0].endswith("    post ok\n  node Leaf ok\n    exec ok")
