"""The ends of processes: what was handed over is written first, and the end is that of the program."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from live_support import PRELUDE, names, stored
from otlp_server_support import Server
from store_support import run_child

from pocketflow_tracing.model import Status


@pytest.mark.parametrize(
    ("end", "status"),
    [("", 0), ("sys.exit(3)", 3), ("raise ValueError('x')", 1), ("os.kill(os.getpid(), 2)", -2)],
    ids=["the end", "sys.exit", "an exception", "Ctrl-C"],
)
def test_a_process_that_ends_writes_its_queue_first(path: Path, end: str, status: int) -> None:
    """However Python ends by itself, nothing that was handed over is lost."""
    program = (
        PRELUDE
        + f"""
for _ in range(20):
    traced(delivery, config(PATH), steps=5)
{end}
"""
    )
    run_child(program, path, status=status)
    traces = stored(path)
    assert len(traces) == 20
    assert all(trace.complete and len(trace.spans) == 6 for trace in traces)
    assert not Path(f"{path}-wal").exists()


@pytest.mark.parametrize(
    "traced", ["", "traced(delivery, config(PATH), Importing())"], ids=["untraced", "traced"]
)
def test_ctrl_c_kills_a_process_as_it_would_untraced(path: Path, traced: str) -> None:
    """The exit status is that of SIGINT, also if modules are imported at the end."""
    program = (
        PRELUDE
        + f"""
class Importing(Sink):
    def trace_ended(self, trace):
        exec("pass")

{traced}
os.kill(os.getpid(), 2)
"""
    )
    _, err = run_child(program, path, status=-signal.SIGINT)
    assert err.endswith("\nKeyboardInterrupt\n")


def test_a_short_program_is_not_held_up(path: Path) -> None:
    """Ending takes no longer than the writing takes, far from exit_timeout."""
    program = (
        PRELUDE
        + """
import atexit
began = time.monotonic()
atexit.register(lambda: print(time.monotonic() - began < 10))
traced(delivery, config(PATH, exit_timeout=20))
began = time.monotonic()
"""
    )
    assert run_child(program, path) == ("True\n", "")
    assert len(stored(path)) == 1


def test_a_trace_still_running_at_exit_is_reported_by_whoever_holds_it(path: Path) -> None:
    """`before_exit` is called first, so that what it hands over is still written."""
    program = (
        PRELUDE
        + """
run = Run(delivery, config(PATH))
run.step()
delivery.before_exit = run.finish
"""
    )
    run_child(program, path)
    [trace] = stored(path)
    assert (trace.status, names(trace)) == (Status.OK, ["Flow", "Node"])


def test_a_stuck_sink_holds_up_neither_the_store_nor_the_end(path: Path) -> None:
    """The queue is written although a sink never returns, and the process ends within exit_timeout."""
    program = (
        PRELUDE
        + """
told = threading.Event()

class Stuck(Sink):
    def span_ended(self, span):
        print("stuck", flush=True)
        told.set()
        threading.Event().wait()

settings = config(PATH, exit_timeout=0.5)
run = Run(delivery, settings, Stuck())
run.step()
run.finish()
told.wait()
for _ in range(10):
    traced(delivery, settings)
began = time.monotonic()
import atexit
atexit.register(lambda: None)
"""
    )
    began = time.monotonic()
    out, err = run_child(program, path)
    assert (out, err) == ("stuck\n", "")
    assert time.monotonic() - began < 10
    assert len(stored(path)) == 11


def test_sinks_are_told_flushed_and_closed_at_the_end(path: Path) -> None:
    """After the store, sinks hear the rest, send it on, and are closed, in this order."""
    program = (
        PRELUDE
        + """
class Sending(Told):
    def flush(self, timeout):
        self._note(f"flush {0 < timeout <= 2}")
        return True
    def close(self):
        self._note("close")
        print(*self.calls, sep="\\n")

traced(delivery, config(PATH), Sending())
"""
    )
    out, err = run_child(program, path)
    assert (out.splitlines(), err) == (
        ["started Flow", "span Node0", "span Flow", "ended Flow", "flush True", "close"],
        "",
    )


def test_runs_in_exit_handlers_are_kept_too(path: Path) -> None:
    """Handlers registered before and after our first trace run flows that are written."""
    program = (
        PRELUDE
        + """
import atexit
atexit.register(lambda: traced(delivery, config(PATH), steps=2))
traced(delivery, config(PATH), steps=1)
atexit.register(lambda: traced(delivery, config(PATH), steps=3))
"""
    )
    assert run_child(program, path) == ("", "")
    assert [len(trace.spans) for trace in stored(path)] == [2, 4, 3]


def test_a_first_run_in_an_exit_handler_is_kept(path: Path) -> None:
    """From 3.12 on no thread can start then: the work is done in its place."""
    program = (
        PRELUDE
        + """
import atexit
told = Told()
atexit.register(lambda: print(*told.calls, sep="\\n"))
atexit.register(lambda: traced(delivery, config(PATH), told))
"""
    )
    out, err = run_child(program, path)
    assert err == ""
    assert out.splitlines()[0] == "started Flow"
    assert [names(trace) for trace in stored(path)] == [["Flow", "Node0"]]


def test_what_cannot_be_written_in_time_is_told(path: Path) -> None:
    """With a queue that takes longer than exit_timeout, one line says how much is lost."""
    program = (
        PRELUDE
        + """
from pathlib import Path
from live_support import stored, until

def slow(value, where):
    time.sleep(0.01)
    return value

traced(delivery, config(PATH, exit_timeout=0.3, mask=slow), steps=500)
until(lambda: stored(Path(PATH)), "the first lines of the trace")
"""
    )
    _, err = run_child(program, path)
    assert err.startswith("[TRACING] not everything could be written within exit_timeout (0.3 s); about ")
    assert err.count("\n") == 1
    [trace] = stored(path)
    assert (trace.status, trace.complete) == (Status.INTERRUPTED, False)


def test_a_process_without_threads_still_keeps_its_traces(path: Path) -> None:
    """Where no thread can be started, the program's own does the work when a run ends."""
    program = (
        PRELUDE
        + """
def refuse(self):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse
told = Told()
for _ in range(3):
    traced(delivery, config(PATH), told)
print(len(told.calls), delivery.flush(5))
"""
    )
    assert run_child(program, path) == ("12 0\n", "")
    assert len(stored(path)) == 3


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("base", ["BaseException", "RuntimeError"])
def test_a_signal_while_the_thread_is_started_takes_nothing_from_anybody(
    when: str, base: str, path: Path, server: Server
) -> None:
    """The program gets what its handler raises, the threads come to live, and nothing is said."""
    program = (
        PRELUDE
        + f"""
import signal

class Alarm({base}):
    pass

def ring(number, frame):
    raise Alarm

to = dict(langfuse_public_key="pk-lf-one", langfuse_secret_key="sk-lf-one", langfuse_host="{server.host}")
settings = config(PATH, exit_timeout=20.0, **to)
name = next(name for name in ("_start_joinable_thread", "_start_new_thread") if hasattr(threading, name))
start = getattr(threading, name)

def interrupt(*arguments, **keywords):
    if {when == "before"}:
        signal.raise_signal(signal.SIGALRM)
    started = start(*arguments, **keywords)
    if {when == "after"}:
        signal.raise_signal(signal.SIGALRM)
    return started

signal.signal(signal.SIGALRM, ring)
setattr(threading, name, interrupt)
alarms = 0
while alarms < 3:
    try:
        traced(delivery, settings)
        break
    except Alarm:  # at the start of the thread that sends, and of the one that writes
        alarms += 1
print(alarms, delivery.flush(10, ships=False), *sorted(thread.name for thread in threading.enumerate()))
"""
    )
    told = "2 0 MainThread pocketflow-tracing pocketflow-tracing-shipping\n"
    assert run_child(program, path) == (told, "")
    assert stored(path)[-1].status is Status.OK
    assert server.rows
