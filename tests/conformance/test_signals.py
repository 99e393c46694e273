"""A signal handler of the program runs on top of our callbacks: what it raises is the program's."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import pytest
from pocketflow import Flow, Node

from pocketflow_tracing import ordinary, phases
from pocketflow_tracing.live import clock
from pocketflow_tracing.ordinary import OrdinaryExec, OrdinaryNext, OrdinaryRun
from pocketflow_tracing.recorder import Recorder
from pocketflow_tracing.testing import capture_traces

from .harness import both, outlines, tree


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


@contextmanager
def handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """A handler of the program's for SIGALRM."""
    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


class One(Node):
    """Has every phase."""

    def prep(self, shared: Any) -> Any:
        return 1

    def exec(self, prep_res: Any) -> Any:
        return 2

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = exec_res


def one() -> Flow:
    """A flow of one node."""
    return Flow(start=One())


RIGHT = tree("""
    flow Flow ok
      node One ok
        prep ok
        exec ok
        post ok
""")

CALLBACKS = {
    Recorder: ["started", "calling", "moved", "callee_returned", "callee_raised", "ended"],
    OrdinaryRun: ["prep_called", "middle_called", "post_called", "returned"],
    OrdinaryExec: ["exec_called", "returned"],
    OrdinaryNext: ["returned"],
}


class Alarms:
    """Has the signal come in one callback of a run, the one of that number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number: int | None = None
        self.calls = 0
        self._is_inside = False
        for owner, names in CALLBACKS.items():
            for name in names:
                monkeypatch.setattr(owner, name, self._alarming(getattr(owner, name)))

    def _alarming(self, original: Any) -> Any:
        def callback(*args: Any, **kwargs: Any) -> Any:
            if self._is_inside:  # the short way gives up, and tells the recorder
                return original(*args, **kwargs)
            self._is_inside = True
            try:
                self.calls += 1
                if self.calls == self.number:
                    signal.raise_signal(signal.SIGALRM)
                return original(*args, **kwargs)
            finally:
                self._is_inside = False

        return callback

    def count(self) -> int:
        """How many callbacks a run has, once its classes are known."""
        for _ in range(2):
            self.calls = 0
            assert both(one) == RIGHT
        return self.calls


def test_a_signal_in_any_callback_whose_handler_returns_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The handler runs once, there and then."""
    rung: list[int] = []
    alarms = Alarms(monkeypatch)
    callbacks = alarms.count()
    with handling(lambda number, frame: rung.append(number)):
        for number in range(1, callbacks + 1):
            alarms.number, alarms.calls = number, 0
            assert both(one) == RIGHT
    assert rung == [signal.SIGALRM] * callbacks


def stages(alarm: str, probe: str) -> list[list[str]]:
    """What there is of the run, from one callback to the next.

    An exception takes the profile function off, so nobody sees of what kind it is. That probe tells of
    some things one by one that the other one tells at once.
    """
    by_profile = probe == "profile"
    error = "error" if by_profile else f"error {alarm}"
    flow, node = f"flow Flow {error}", f"  node One {error}"
    prep, exec_, post = "    prep ok", "    exec ok", "    post ok"
    return [
        [],
        [flow],
        *([[flow, node]] if by_profile else []),
        [flow, node, f"    prep {error}"],
        [flow, node, prep],
        [flow, node, prep, f"    exec {error}"],
        [flow, node, prep, exec_],
        [flow, node, prep, exec_, f"    post {error}"],
        *([[flow, node, prep, exec_, post]] if by_profile else []),
        [flow, "  node One ok", prep, exec_, post],
        *([RIGHT.splitlines()] if by_profile else []),
    ]


class MildAlarm(Exception):
    """What looks like a failure of ours, and is the program's."""


@pytest.mark.parametrize("alarm", [Alarm, MildAlarm])
def test_what_a_handler_raises_in_any_callback_ends_the_run_where_it_came(
    alarm: type[BaseException], every_probe: str, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    """It reaches the program; what had ended is right, what was open failed; the next run is right."""

    def ring(number: int, frame: Any) -> None:
        raise alarm

    alarms = Alarms(monkeypatch)
    ends = []
    for number in range(1, alarms.count() + 1):
        alarms.number, alarms.calls = number, 0
        with handling(ring), capture_traces() as traces, pytest.raises(alarm):
            one().run({})
        ends.append("\n".join(outlines(traces)))
        alarms.number = None
        assert both(one) == RIGHT
    told.clear()
    assert [end.splitlines() for end, _ in groupby(ends)] == stages(alarm.__name__, every_probe)
