"""Processes that are killed, or gone at once, and many at the same time: nothing is lost that need not be."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from live_support import PRELUDE, names, stored
from store_support import run_child, start_child, until

from pocketflow_tracing.model import Status
from pocketflow_tracing.store import Store


def test_a_killed_process_leaves_what_had_ended_a_second_before(path: Path) -> None:
    """After SIGKILL, the trace is interrupted, with its ended spans and those that were open."""
    program = (
        PRELUDE
        + """
settings = config(PATH)
traced(delivery, settings)
run = Run(delivery, settings, name="Killed", value={"question": "why?"})
for number in range(50):
    run.step(f"Node{number}", {"number": number})
long = run.start("Long", {"prompt": "hello"})
print("running", flush=True)
sys.stdin.readline()
"""
    )
    child = start_child(program, path)
    assert child.stdout is not None and child.stdout.readline() == "running\n"
    began = time.monotonic()
    while time.monotonic() < began + 1.0:  # the promise is about this second
        until(lambda: time.monotonic() >= began + 1.0)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL

    whole, killed = stored(path)
    assert (whole.status, whole.complete) == (Status.OK, True)
    assert (killed.status, killed.complete, killed.end_ns) == (Status.INTERRUPTED, False, None)
    assert killed.input == {"question": "why?"}
    assert names(killed) == [
        "Flow" if n is None else n for n in ["Killed", *(f"Node{n}" for n in range(50)), "Long"]
    ]
    assert [span.status for span in killed.spans] == [
        Status.INTERRUPTED,
        *[Status.OK] * 50,
        Status.INTERRUPTED,
    ]
    assert killed.spans[-1].input == {"shared": {"prompt": "hello"}}


def test_processes_killed_at_any_moment_leave_a_sound_file(path: Path) -> None:
    """Writers killed in the middle of whatever they do never damage what others wrote."""
    program = (
        PRELUDE
        + """
for number in range(1000):
    traced(delivery, config(PATH), steps=20)
    if number == int(sys.argv[2]):
        print("running", flush=True)
    if number % 10 == 0:
        delivery.flush()
"""
    )
    for number in range(6):
        child = start_child(program, path, 7 * number)
        assert child.stdout is not None and child.stdout.readline() == "running\n"
        child.kill()
        child.communicate()

    store = Store(path)
    assert store._call(lambda found: found.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
    store.close()
    assert {trace.status for trace in stored(path)} <= {Status.OK, Status.INTERRUPTED}


def test_os_exit_loses_at_most_the_last_batch(path: Path) -> None:
    """What was written by then is there, and the file is sound."""
    program = (
        PRELUDE
        + """
traced(delivery, config(PATH))
delivery.flush()
run = Run(delivery, config(PATH))
run.step()
os._exit(0)
"""
    )
    run_child(program, path)
    assert stored(path)[0].status is Status.OK


def test_a_process_that_is_gone_at_once_leaves_a_trace(path: Path) -> None:
    """The first run of a process is in the store as soon as the worker sees it, not with the first batch."""
    program = (
        PRELUDE
        + """
from pocketflow_tracing.delivery import worker
worker.SAVE_SECONDS = 3600
run = Run(delivery, config(PATH))
run.step("Node0")
print("begun", flush=True)
sys.stdin.readline()
os._exit(0)
"""
    )
    child = start_child(program, path)
    assert child.stdout is not None and child.stdout.readline() == "begun\n"
    until(lambda: path.exists() and stored(path), "the trace")
    child.communicate("\n", timeout=20)
    (trace,) = stored(path)
    assert trace.status is Status.INTERRUPTED


FLOWS = """
import sys
from pocketflow import BatchNode, Flow, Node
from pocketflow_tracing import TracingConfig, tracing

class Each(BatchNode):
    def prep(self, shared):
        return [shared["number"], shared["number"] + 1]

    def exec(self, prep_res):
        return prep_res * prep_res

    def post(self, shared, prep_res, exec_res):
        shared["squares"] = exec_res

class Last(Node):
    def post(self, shared, prep_res, exec_res):
        return "done"

first = Each()
first >> Last()
print("ready", flush=True)
sys.stdin.readline()
with tracing(TracingConfig(store=sys.argv[1])):
    for number in range(15):
        Flow(start=first).run({"number": number})
"""


@pytest.mark.one_python
def test_eight_traced_processes_at_once_lose_nothing(path: Path) -> None:
    """They make the file together, and each writes all its runs; nobody is told of the others."""
    children = [start_child(FLOWS, path) for _ in range(8)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        assert child.communicate(timeout=60) == ("", "")
        assert child.returncode == 0

    traces = stored(path)
    assert len(traces) == 8 * 15
    kinds = ["flow", "node", "prep", "exec", "exec", "post", "node", "post"]
    for trace in traces:
        assert (trace.status, trace.complete, trace.dropped_spans) == (Status.OK, True, 0)
        assert [span.kind.value for span in trace.spans] == kinds
    numbers = sorted(trace.input["shared"]["number"] for trace in traces)
    assert numbers == sorted(list(range(15)) * 8)
