"""A signal handler of the program runs on top of our callbacks: what it raises is the program's."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from pocketflow import Flow, Node

from pocketflow_tracing import ordinary, phases
from pocketflow_tracing.live import clock
from pocketflow_tracing.testing import capture_traces

from .harness import outlines


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
