"""Processes: forks inside a trace, children of multiprocessing, interrupts from outside."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pocketflow_tracing import Trace
from pocketflow_tracing.store import Store

from .harness import assert_well_formed, child, child_env, outlines, tree

PRELUDE = """
import os, signal, sys
from pocketflow import Flow, Node
from pocketflow_tracing import flush, trace_flow, tracing

class Leaf(Node):
    def exec(self, prep_res):
        return os.getpid()

class Child(Flow):
    pass
"""

FORK = """
class Fork(Node):
    def prep(self, shared):
        return shared

    def exec(self, prep_res):
        pid = os.fork()
        if pid == 0:
            in_child(prep_res)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        return "parent"

with tracing():
    first = Fork()
    first >> Leaf()
    Flow(start=first).run({})
print("end of", "parent" if os.getpid() == parent else "child")
"""

PARENT = tree("""
    flow Flow ok
      node Fork ok
        prep ok
        exec ok
      node Leaf ok
        exec ok
""")
CHILD = tree("""
    flow Child ok
      node Leaf ok
        exec ok
""")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of this test's own, for the processes it starts."""
    path = tmp_path / "traces.db"
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", str(path))
    return path


def kept(path: Path) -> list[Trace]:
    """What the store at `path` holds, spans and all."""
    with_spans = Store(path)
    try:
        return [with_spans.load(trace.id) for trace in with_spans.traces()]
    finally:
        with_spans.close()


def run_script(folder: Path, *parts: str, status: int = 0) -> str:
    """Run the parts as one script; give what it printed."""
    script = folder / "program.py"
    script.write_text("\n".join([PRELUDE, *parts]))
    return child(folder, str(script), status=status)


def test_a_child_that_exits_at_once_leaves_the_parents_trace_alone(tmp_path: Path, store: Path) -> None:
    """Only the parent writes what the parent began."""
    in_child = "parent = os.getpid()\ndef in_child(shared): os._exit(0)"
    assert run_script(tmp_path, in_child, FORK) == "end of parent\n"
    traces = kept(store)
    assert outlines(traces) == [PARENT]
    assert_well_formed(traces[0])


def test_a_forked_child_runs_flows_of_its_own_as_new_traces(tmp_path: Path, store: Path) -> None:
    """Not as part of the phase in which it was forked."""
    in_child = """
parent = os.getpid()
def in_child(shared):
    Child(start=Leaf()).run({})
    assert flush(30) == 0
    os._exit(0)
"""
    assert run_script(tmp_path, in_child, FORK) == "end of parent\n"
    traces = kept(store)
    assert outlines(traces) == [CHILD, PARENT]
    for trace in traces:
        assert_well_formed(trace)


def test_a_forked_child_that_goes_on_with_the_run_writes_nothing_of_it(tmp_path: Path, store: Path) -> None:
    """Both processes come to the end of the flow; it is the parent's trace, and complete."""
    going_on = FORK.replace("in_child(prep_res)", "return 'child'")
    printed = run_script(tmp_path, "parent = os.getpid()", going_on)
    assert sorted(printed.splitlines()) == ["end of child", "end of parent"]
    traces = kept(store)
    assert outlines(traces) == [PARENT]
    assert_well_formed(traces[0])


def test_a_forked_child_may_raise_through_the_run(tmp_path: Path, store: Path) -> None:
    """The parent's spans are not failed by it."""
    in_child = "parent = os.getpid()\ndef in_child(shared): raise SystemExit(0)"
    assert run_script(tmp_path, in_child, FORK) == "end of parent\n"
    assert outlines(kept(store)) == [PARENT]


MULTIPROCESSING = """
import multiprocessing

@trace_flow()
class Child(Flow):
    pass

def work(number):
    Child(start=Leaf()).run({})
    return number * 2

if __name__ == "__main__":
    method, way = sys.argv[1:]
    context = multiprocessing.get_context(method)
    with tracing():
        if way == "process":
            children = [context.Process(target=work, args=(number,)) for number in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join()
            print([child.exitcode for child in children])
        else:
            with context.Pool(2) as pool:
                print(pool.map(work, range(2)))
                pool.close()
                pool.join()
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize(("way", "printed"), [("process", "[0, 0]\n"), ("pool", "[0, 2]\n")])
def test_children_of_multiprocessing_keep_their_traces(
    method: str, way: str, printed: str, tmp_path: Path, store: Path
) -> None:
    """They end by `os._exit`, after multiprocessing's own clean-up: that is when we flush."""
    script = tmp_path / "program.py"
    script.write_text(PRELUDE + MULTIPROCESSING)
    assert child(tmp_path, str(script), method, way) == printed
    traces = kept(store)
    assert outlines(traces) == [CHILD, CHILD]
    for trace in traces:
        assert_well_formed(trace)


INTERRUPTED = """
# Held back until `exec` lets it come: inside a callback of ours it would hit another line.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])

class Hang(Node):
    def exec(self, prep_res):
        print("ready", flush=True)
        sys.stdin.readline()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])

def main():
    Flow(start=Hang()).run({})

if sys.argv[1] == "traced":
    with tracing():
        main()
else:
    main()
"""


def interrupted(script: Path, mode: str) -> tuple[int, list[str]]:
    """Start the script, interrupt it when it is ready; give exit status and the traceback's end."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, str(script), mode], cwd=script.parent, env=child_env(), text=True, **pipes
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate("go\n", timeout=60)
        finally:
            process.kill()
    lines = errors.splitlines()
    return process.returncode, lines[lines.index("    Flow(start=Hang()).run({})") :]


def test_ctrl_c_ends_a_traced_program_as_it_ends_an_untraced_one(tmp_path: Path, store: Path) -> None:
    """Same exit status, same traceback; the trace says where it was."""
    script = tmp_path / "program.py"
    script.write_text(PRELUDE + INTERRUPTED)
    assert interrupted(script, "traced") == interrupted(script, "untraced")
    traces = kept(store)
    assert outlines(traces) == [
        tree("""
            flow Flow error KeyboardInterrupt
              node Hang error KeyboardInterrupt
                exec error KeyboardInterrupt
        """)
    ]


STORM = """
import random
from pocketflow_tracing.testing import capture_traces, outline

class Alarm({base}):
    pass

class Again(Node):
    def exec(self, prep_res):
        began.add(flow)
        return sum(range(20))

    def post(self, shared, prep_res, exec_res):
        return "again"

rung = flow = 0
began = set()  # the alarm may come before a run has begun

def ring(number, frame):
    global rung
    rung += 1
    raise Alarm

signal.signal(signal.SIGALRM, ring)
again = Again()
again - "again" >> again
delays = random.Random(7)
caught = 0

def run():
    global caught
    try:
        signal.setitimer(signal.ITIMER_REAL, delays.uniform(0.0002, 0.004), 2.0)
        Flow(start=again).run({{}})
    except Alarm as alarm:
        signal.setitimer(signal.ITIMER_REAL, 0)
        while alarm is not None:  # a second one may ring while the first is on its way
            caught += isinstance(alarm, Alarm)
            alarm = alarm.__context__

traces, ends = [], {{"error"}}
if os.environ.get("POCKETFLOW_TRACING_PROBE") == "profile" or sys.version_info < (3, 12):
    # Python takes a profile function off that an exception leaves: the next scope sets it again. Where
    # that comes before the first line of ours, it looks as if the recursion limit had done it.
    ends.add("unset")
    for flow in range(150):
        with capture_traces() as found:
            run()
        traces += found
else:
    with capture_traces() as traces:
        for flow in range(150):
            run()
assert caught >= 150, caught
assert rung == caught, (rung, caught)
assert len(began) <= len(traces) <= 150, (len(began), len(traces))
for trace in traces:
    assert all(span.end_ns is not None for span in trace.spans)
    kind, name, end = outline(trace).split()[:3]
    assert end in ends and (end == "error" or not trace.complete), outline(trace)[:80]
with capture_traces() as traces:
    Child(start=Leaf()).run({{}})
print(outline(traces[0]).strip())
"""


@pytest.mark.parametrize("base", ["BaseException", "Exception"])
def test_signals_at_any_moment_reach_the_program(base: str, tmp_path: Path) -> None:
    """A handler that raises does so also from inside our callbacks; the spans end, the next run is right."""
    assert run_script(tmp_path, STORM.format(base=base)).strip() == CHILD
