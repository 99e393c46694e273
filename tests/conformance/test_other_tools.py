"""Profilers, debuggers, coverage and other tools beside us: all of them work."""

from __future__ import annotations

import bdb
import cProfile
import pstats
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import coverage
import pytest
from pocketflow import Flow, Node
from surroundings_support import HAS_MONITORING

from pocketflow_tracing.testing import capture_traces

from .harness import both, child, compare, outlines, tree

RIGHT = tree("""
    flow Flow ok
      node Work ok
        prep ok
        exec ok
        post ok
""")


class Work(Node):
    """Three phases with some lines and calls in each."""

    def prep(self, shared: Any) -> Any:
        numbers = list(range(3))
        return numbers

    def exec(self, prep_res: Any) -> Any:
        total = 0
        for number in prep_res:
            total += square(number)
        return total

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["total"] = exec_res


def square(number: int) -> int:
    """A function of the user's."""
    return number * number


def run_work() -> Any:
    """Run a flow of one node."""
    shared: dict[str, Any] = {}
    Flow(start=Work()).run(shared)
    return shared


def is_right_now() -> None:
    """The next run, with nothing in its way, has the right tree."""
    assert both(lambda: Flow(start=Work())) == RIGHT


class Notes:
    """Writes down the events of this file that a trace or profile function is given."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, int]] = []

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename == __file__ and frame.f_code.co_name in {
            "prep",
            "exec",
            "post",
            "square",
        }:
            self.events.append((event, frame.f_code.co_name, frame.f_lineno))
        return self


def test_a_trace_function_sees_the_same_lines() -> None:
    """`sys.settrace`, as debuggers use it, set before the run."""

    def program(shared: Any) -> Any:
        notes, before = Notes(), sys.gettrace()
        sys.settrace(notes)
        try:
            run_work()
        finally:
            sys.settrace(before)
        return notes.events

    assert outlines(compare(program)) == [RIGHT]


def test_a_debugger_steps_through_the_same_lines() -> None:
    """`bdb`, on which pdb and most debuggers stand."""

    class Stepper(bdb.Bdb):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[tuple[str, int]] = []

        def user_line(self, frame: FrameType) -> None:
            if frame.f_code.co_filename == __file__:
                self.lines.append((frame.f_code.co_name, frame.f_lineno))
            self.set_step()

    def program(shared: Any) -> Any:
        before = sys.gettrace()
        try:
            debugger = Stepper()
            debugger.runcall(run_work)
        finally:
            sys.settrace(before)
        return debugger.lines

    assert outlines(compare(program)) == [RIGHT]


@pytest.mark.profile_misses("exceptions are seen by a trace function, and a debugger has one already")
def test_an_error_has_its_type_where_a_debugger_traces() -> None:
    """Nothing is hidden by `sys.settrace` being in use."""

    class Fails(Node):
        def exec(self, prep_res: Any) -> Any:
            raise LookupError

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            return None

    def program(shared: Any) -> Any:
        before = sys.gettrace()
        sys.settrace(lambda frame, event, argument: None)
        try:
            Flow(start=Fails()).run(shared)
        finally:
            sys.settrace(before)

    assert outlines(compare(program)) == [
        tree("""
            flow Flow ok
              node Fails ok
                exec error LookupError attempt=1 recovered
                fallback ok
        """)
    ]


def test_a_profile_function_of_the_users_sees_the_same_calls_and_stays() -> None:
    """It was set before the scope was opened; it is there during the scope and after."""

    def profiled() -> list[tuple[str, str, int]]:
        notes, before = Notes(), sys.getprofile()
        sys.setprofile(notes)
        try:
            with capture_traces(**settings) as traces:
                run_work()
            assert sys.getprofile() is notes
        finally:
            sys.setprofile(before)
        seen.extend(traces)
        return notes.events

    seen: list[Any] = []
    settings: dict[str, Any] = {}
    traced = profiled()
    notes = Notes()
    sys.setprofile(notes)
    run_work()
    sys.setprofile(None)
    assert traced == notes.events
    assert outlines(seen) == [RIGHT]


def test_a_profile_function_for_threads_sees_the_same_calls_and_stays() -> None:
    """`threading.setprofile`, set before a scope over the whole process."""

    def in_a_thread() -> None:
        thread = threading.Thread(target=run_work)
        thread.start()
        thread.join()

    before = threading.getprofile()
    untraced, traced = Notes(), Notes()
    try:
        threading.setprofile(untraced)
        in_a_thread()
        threading.setprofile(traced)
        with capture_traces(scope="process") as traces:
            in_a_thread()
        assert threading.getprofile() is traced
    finally:
        threading.setprofile(before)
    assert traced.events == untraced.events
    assert outlines(traces) == [RIGHT]


def test_a_profile_function_set_by_a_phase_is_the_users(told: list[str]) -> None:
    """Whoever sets one while a run is on keeps it, and is given his events."""
    notes = Notes()

    class Sets(Node):
        def exec(self, prep_res: Any) -> Any:
            sys.setprofile(notes)
            return square(2)

    before = sys.getprofile()
    try:
        with capture_traces():
            Flow(start=Sets()).run({})
        assert sys.getprofile() is notes
    finally:
        sys.setprofile(before)
    assert [event[:2] for event in notes.events if event[1] == "square"] == [
        ("call", "square"),
        ("return", "square"),
    ]
    told.clear()
    is_right_now()


def calls(profile: cProfile.Profile) -> dict[str, int]:
    """How often each function of this file was called."""
    stats: Any = pstats.Stats(profile)
    return {key[2]: entry[1] for key, entry in stats.stats.items() if key[0] == __file__}


def profiled_run(traced: bool) -> tuple[dict[str, int], list[Any]]:
    """Run under cProfile; give its counts, and the traces."""
    profile = cProfile.Profile()
    traces: list[Any] = []
    profile.enable()
    try:
        if traced:
            with capture_traces() as traces:
                run_work()
        else:
            run_work()
    finally:
        profile.disable()
    return calls(profile), traces


def test_cprofile_around_a_run_counts_the_same_calls(told: list[str]) -> None:
    """Before 3.12 there is room for one profiler only: it is cProfile, and that is said."""
    untraced, _ = profiled_run(traced=False)
    traced, traces = profiled_run(traced=True)
    names = {"prep", "exec", "post", "square", "run_work"}
    assert {name: traced[name] for name in names} == {name: untraced[name] for name in names}
    if not HAS_MONITORING:
        assert traces == [] and len(told) == 1
        told.clear()
    is_right_now()


@pytest.mark.profile_misses("a C profiler shares its place with nobody", before=(3, 12))
def test_a_run_under_cprofile_is_traced(told: list[str]) -> None:
    """From 3.12 on, cProfile has a tool id of its own."""
    _, traces = profiled_run(traced=True)
    told.clear()
    assert outlines(traces) == [RIGHT]


def test_cprofile_inside_a_phase_counts_the_same_calls(told: list[str]) -> None:
    """Before 3.12 it takes our place, for that run only."""

    class Profiled(Node):
        def exec(self, prep_res: Any) -> Any:
            profile = cProfile.Profile()
            profile.enable()
            square(2)
            profile.disable()
            return calls(profile)

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["calls"] = exec_res

    untraced: dict[str, Any] = {}
    traced: dict[str, Any] = {}
    Flow(start=Profiled()).run(untraced)
    with capture_traces() as traces:
        Flow(start=Profiled()).run(traced)
    assert traced == untraced == {"calls": {"square": 1}}
    if HAS_MONITORING:
        assert outlines(traces) == [RIGHT.replace("Work", "Profiled").replace("    prep ok\n", "")]
    else:
        assert [trace.complete for trace in traces] == [False] and len(told) == 1
        told.clear()
    is_right_now()


FLOWS = """
from pocketflow import Flow, Node

class Count(Node):
    def exec(self, prep_res):
        if prep_res:
            return "never"
        return [number for number in range(3)]

    def post(self, shared, prep_res, exec_res):
        if exec_res == "never":
            shared["wrong"] = True
        shared["out"] = exec_res
"""

MAIN = """
import sys
from flows import Count, Flow

shared = {}
if sys.argv[1] == "traced":
    from pocketflow_tracing.testing import capture_traces, outline
    with capture_traces() as traces:
        Flow(start=Count()).run(shared)
    print(outline(traces[0]).strip())
else:
    Flow(start=Count()).run(shared)
assert shared == {"out": [0, 1, 2]}
"""

CORES = ["ctrace", "pytrace", *(["sysmon"] if HAS_MONITORING else [])]


@pytest.mark.parametrize("core", CORES)
def test_coverage_measures_the_same_lines(core: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Each of coverage's cores: its C and Python trace functions, and sys.monitoring."""
    (tmp_path / "flows.py").write_text(FLOWS)
    (tmp_path / "main.py").write_text(MAIN)
    monkeypatch.setenv("COVERAGE_CORE", core)
    measured = {}
    for mode in ("untraced", "traced"):
        options = ["-m", "coverage", "run", f"--data-file={mode}", "--include=flows.py", "main.py", mode]
        printed = child(tmp_path, *options)
        data = coverage.CoverageData(str(tmp_path / mode))
        data.read()
        measured[mode] = sorted(data.lines(str((tmp_path / "flows.py").resolve())) or ())
    assert printed.strip() == tree("""
        flow Flow ok
          node Count ok
            exec ok
            post ok
    """)
    assert measured["traced"] == measured["untraced"]
    assert len(measured["traced"]) == 8
