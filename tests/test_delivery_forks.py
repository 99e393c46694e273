"""Processes that make processes: by fork, and by multiprocessing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live_support import PRELUDE, names, stored
from store_support import run_child, start_child, until

from pocketflow_tracing.model import Status

# Forks


def test_a_fork_child_drops_what_is_the_parents(path: Path) -> None:
    """Queue and running traces stay the parent's; runs of the child are traces of its own."""
    program = (
        PRELUDE
        + """
settings = config(PATH)
run = Run(delivery, settings, name="Parent")
run.step("Before")
child = os.fork()
if child == 0:
    run.step("Ghost")
    run.finish()
    assert not delivery.records
    traced(delivery, settings)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
run.step("After")
run.finish()
"""
    )
    assert run_child(program, path) == ("", "")
    parent, child = stored(path)
    assert (parent.status, names(parent)) == (Status.OK, ["Parent", "Before", "After"])
    assert (child.status, names(child)) == (Status.OK, ["Flow", "Node0"])


def test_a_fork_does_not_end_the_parents_heartbeat(path: Path) -> None:
    """After a fork the worker comes back by itself with the next span."""
    program = (
        PRELUDE
        + """
settings = config(PATH)
run = Run(delivery, settings)
run.step("Before")
delivery.flush()
if os.fork() == 0:
    os._exit(0)
os.wait()
run.step("After")
print("stepped", flush=True)
sys.stdin.readline()
"""
    )
    child = start_child(program, path)
    assert child.stdout is not None and child.stdout.readline() == "stepped\n"
    until(lambda: names(stored(path)[0])[1:] == ["Before", "After"])
    child.communicate("go\n")
    assert child.returncode == 0


def test_no_warning_about_threads_and_forks(path: Path) -> None:
    """From 3.12 on Python warns of a fork beside threads: ours is at rest then."""
    program = (
        "import warnings; warnings.simplefilter('error')\n"
        + PRELUDE
        + """
run = Run(delivery, config(PATH))
for number in range(20):
    run.step()
    if os.fork() == 0:
        os._exit(0)
    os.wait()
run.finish()
"""
    )
    assert run_child(program, path) == ("", "")
    assert len(stored(path)[0].spans) == 21


def test_many_forks_beside_a_busy_worker(path: Path) -> None:
    """Forks at any moment, children that trace and end in both ways: all is kept, nothing hangs."""
    program = (
        PRELUDE
        + """
settings = config(PATH)
stop = threading.Event()
count = 0
def work():
    global count
    while not stop.is_set() and count < 200:
        traced(delivery, settings, steps=10)
        count += 1
        if count % 20 == 0:
            delivery.flush()
thread = threading.Thread(target=work)
import warnings
warnings.simplefilter("ignore")  # the program's own threads are its own business
thread.start()
for number in range(8):
    child = os.fork()
    if child == 0:
        traced(delivery, settings, steps=2)
        if number % 2:
            delivery.flush()
            os._exit(0)
        os._exit(0 if delivery.flush() == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
thread.join()
print(count)
"""
    )
    out, err = run_child(program, path)
    assert err == ""
    lengths = [len(trace.spans) for trace in stored(path)]
    assert (lengths.count(11), lengths.count(3)) == (int(out), 8)


def test_a_sink_that_forks_leaves_the_child_alone(path: Path) -> None:
    """A fork on the worker's own thread: the child is not a second worker."""
    program = (
        PRELUDE
        + """
class Forking(Sink):
    def trace_ended(self, trace):
        child = os.fork()
        if child:
            print(os.waitpid(child, 0)[1], flush=True)

import warnings
warnings.simplefilter("ignore")
traced(delivery, config(PATH), Forking())
delivery.flush()
"""
    )
    out, err = run_child(program, path)
    assert (out, err) == ("0\n", "")
    assert len(stored(path)) == 1


# multiprocessing

CHILD_MODULE = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from live_support import config, traced
from pocketflow_tracing.delivery import delivery

def work(path, steps=3):
    return traced(delivery, config(path), steps=steps)

def fail(path):
    traced(delivery, config(path), steps=3)
    raise SystemExit(4)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_write_at_their_end(path: Path, tmp_path: Path, method: str) -> None:
    """They end without exit handlers, and their traces are whole all the same."""
    (tmp_path / "child_work.py").write_text(CHILD_MODULE)
    (tmp_path / "program.py").write_text(f"""
import multiprocessing, os, sys
sys.path.insert(0, os.path.dirname(__file__))
import child_work

if __name__ == "__main__":
    path = sys.argv[1]
    context = multiprocessing.get_context({method!r})
    if {method!r} == "fork":
        child_work.work(path, steps=1)
    children = [context.Process(target=child_work.work, args=(path,)) for _ in range(3)]
    children.append(context.Process(target=child_work.fail, args=(path,)))
    for child in children:
        child.start()
    for child in children:
        child.join()
    print([child.exitcode for child in children])
""")
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py", path], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("[0, 0, 0, 4]\n", "")
    lengths = sorted(len(trace.spans) for trace in stored(path))
    assert lengths == ([2] if method == "fork" else []) + [4, 4, 4, 4]
    assert all(trace.complete for trace in stored(path))


def test_process_pools_write_at_their_end(path: Path, tmp_path: Path) -> None:
    """Executors and closed pools keep what their workers traced."""
    (tmp_path / "child_work.py").write_text(CHILD_MODULE)
    (tmp_path / "program.py").write_text("""
import concurrent.futures, multiprocessing, os, sys
sys.path.insert(0, os.path.dirname(__file__))
import child_work

if __name__ == "__main__":
    path = sys.argv[1]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        ids = list(pool.map(child_work.work, [path] * 6))
    pool = context.Pool(2)
    ids += pool.map(child_work.work, [path] * 6)
    pool.close()
    pool.join()
    print(len(ids))
""")
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py", path], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("12\n", "")
    assert [len(trace.spans) for trace in stored(path)] == [4] * 12
