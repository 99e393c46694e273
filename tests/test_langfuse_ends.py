"""The ends of processes that deliver: short ones, killed ones, forks, servers that are away."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pytest
from otlp_server_support import Server
from shipping_support import FOLDER, PATIENT, TRACED
from store_support import run_child, start_child, until

from pocketflow_tracing.store import Store

ENDING = """
(lane,) = delivery.shipper.lanes()
attempts = sum(courier.attempts for courier in lane.couriers.values())
import atexit
atexit._clear()
began = time.monotonic()
delivery._at_exit()
(courier,) = lane.couriers.values()
print(courier.until - began <= settings.exit_timeout, courier.attempts - attempts)
"""
"""Ends the process, and says whether delivery has only its time for that, and how many requests it makes."""


def test_a_short_program_delivers_at_its_end(server: Server, path: Path) -> None:
    """What a script traced a moment ago is in Langfuse when it has ended."""
    run_child(PATIENT + "traced(delivery, settings, steps=3)", path, server.host, "one")
    assert len(server.rows) == 4
    server.check_sound()


@pytest.mark.parametrize("how", ["away", "hangs", "503"])
def test_no_server_makes_a_program_wait(how: str, server: Server, path: Path) -> None:
    """The end makes one attempt within `exit_timeout`; what was not sent is sent by the next process."""
    if how == "away":
        server.stop()
    elif how == "hangs":
        server.hangs = True
    else:
        server.always = 503
    program = TRACED + "for number in range(20):\n    traced(delivery, settings, steps=20)\n" + ENDING
    out, _ = run_child(program, path, server.host, "one")
    assert out == "True 1\n"
    if how == "hangs":
        server.stop()
    server.hangs, server.always = False, None
    if how != "503":
        server.start()

    if how == "503":
        run_child(PATIENT + "traced(delivery, settings, steps=1)", path, server.host, "two")
        assert len(server.spans("project-1")) == 0
    run_child(PATIENT + "traced(delivery, settings, steps=1)", path, server.host, "one")
    assert len(server.spans("project-1")) == 20 * 21 + 2
    server.check_sound()


@pytest.mark.parametrize("how", ["away", "hangs", "503"])
def test_the_programs_thread_never_meets_server_or_store(how: str, server: Server, path: Path) -> None:
    """Not one socket is made and no database opened on it while its flows run, however the server behaves."""
    if how == "away":
        server.stop()
    server.hangs, server.always = how == "hangs", 503 if how == "503" else None
    program = """
import sys, threading
from pathlib import Path
from pocketflow import Flow, Node
from pocketflow_tracing import TracingConfig, flush, tracing
settings = TracingConfig("sk-lf-one", "pk-lf-one", sys.argv[2], store=Path(sys.argv[1]))
met, main, runs = {True: set(), False: set()}, threading.main_thread(), False
sent = threading.Event()
def hook(event, arguments):
    is_main = threading.current_thread() is main
    if event.partition(".")[0] in ("socket", "sqlite3") and (runs or not is_main):
        met[is_main].add(event.partition(".")[0])
        if event == "socket.connect":
            sent.set()
sys.addaudithook(hook)
class Step(Node):
    def exec(self, prep_res):
        return "x" * 1000
for _ in range(2):
    runs = True
    for _ in range(50):
        with tracing(settings):
            Flow(start=Step()).run({})
    runs = False
    flush(1)
sent.wait(30)  # the modules that send may take longer to import than the flushes
print(sorted(met[True]), sorted(met[False]))
"""
    out, _ = run_child(program, path, server.host)
    assert out == "[] ['socket', 'sqlite3']\n"


def test_a_killed_process_loses_nothing_that_was_kept(server: Server, path: Path) -> None:
    """SIGKILL in the middle of delivery: what is sent again stands once, and all of it arrives."""
    server.delay = 0.05
    child = start_child(
        TRACED + "traced(delivery, settings, steps=6000)\nprint('written', flush=True)\ntime.sleep(60)",
        path, server.host, "one",
    )  # fmt: skip
    server.wait_for_requests(2)
    until(lambda: len(server.requests) >= 1)
    child.kill()
    child.wait()
    assert 0 < len(server.rows) < 6001
    run_child(TRACED + "traced(delivery, settings)\ndelivery.flush(30)", path, server.host, "one")
    assert len(server.rows) == 6001 + 2
    server.check_sound()


def kept_root(path: Path) -> str:
    """The name of the root of the last trace in the store, "" where that is not written yet."""
    with closing(Store(path)) as store:
        trace = store.last()
    return "" if trace is None or trace.root is None else trace.root.name


def test_a_run_killed_in_the_middle_is_sent_as_interrupted(server: Server, path: Path) -> None:
    """The next process sends what the dead one had written."""
    child = start_child(
        TRACED + """
run = Run(delivery, settings, name="Killed")
for number in range(50):
    run.step(f"Node{number}")
delivery.flush(5)
print("written", flush=True)
sys.stdin.readline()
""", path, server.host, "one",
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "written\n"
    # The root is written when it has been open for a while.
    until(lambda: kept_root(path) == "Killed")
    child.kill()
    child.wait()
    assert not server.rows
    run_child(TRACED + "traced(delivery, settings)\ndelivery.flush(30)", path, server.host, "one")
    assert server.named("Killed")["langfuse.observation.level"] == "ERROR"
    assert {span.name for span in server.rows.values()} >= {f"Node{n}" for n in range(50)}
    server.check_sound()


def test_a_sender_that_stood_still_past_its_lease_changes_nothing(server: Server, path: Path) -> None:
    """Another process takes over; when the first goes on, what it sends again is the same."""
    server.delay = 30.0
    short = "from pocketflow_tracing.store import outbox\noutbox.LEASE_SECONDS = 0.2\n" + PATIENT
    child = start_child(
        short + "traced(delivery, settings, steps=6000)\nprint(delivery.flush(60))", path, server.host, "one"
    )
    server.wait_for_requests(1)
    child.send_signal(signal.SIGSTOP)  # while it waits for an answer: it would keep a lock for ever
    server.released.set()
    out, _ = run_child(
        short + "traced(delivery, settings)\n(lane,) = delivery.shipper.lanes()\nlane.look_at = 0\n"
        "while delivery.flush(1) or lane.left(own=False): lane.look_at = 0\nprint('all')",
        path, server.host, "one",
    )  # fmt: skip
    assert out == "all\n"
    assert len(server.rows) == 6001 + 2
    child.send_signal(signal.SIGCONT)
    out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == ("0\n", "", 0)
    assert len(server.rows) == 6001 + 2
    server.check_sound()


def test_processes_share_an_outbox_without_sending_twice(server: Server, path: Path) -> None:
    """Four at once, one file, one server: every span arrives once."""
    program = (
        TRACED + "for _ in range(30):\n    traced(delivery, settings, steps=20)\nprint(delivery.flush(60))"
    )
    children = [start_child(program, path, server.host, "one") for _ in range(4)]
    for child in children:
        out, err = child.communicate(timeout=90)
        assert (out, err, child.returncode) == ("0\n", "", 0)
    assert len(server.rows) == 4 * 30 * 21
    assert set(server.arrivals.values()) == {1}
    server.check_sound()


def test_forks_send_what_is_their_own(server: Server, path: Path) -> None:
    """Parent and child each deliver their runs, over connections of their own."""
    # Neither ends while it may be sending for the other, which would send that once more.
    program = (
        TRACED
        + """
traced(delivery, settings, steps=2)
delivery.flush(20)
done, says = os.pipe()
child = os.fork()
traced(delivery, settings, steps=3 if child else 4)
assert delivery.flush(20) == 0
if child:
    os.write(says, b"parent")
    assert os.waitpid(child, 0)[1] == 0
else:
    os.read(done, 100)
    os._exit(0)
"""
    )
    run_child(program, path, server.host, "one")
    assert len(server.rows) == 3 + 4 + 5
    assert set(server.arrivals.values()) == {1}


def test_flush_waits_for_no_process_that_is_gone(server: Server, path: Path) -> None:
    """Another one may have taken what this one traced, and end before it has sent it."""
    server.stop()
    taking = f"""
import sys
sys.path.insert(0, {FOLDER!r})
from pathlib import Path
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.addresses import Destination
from pocketflow_tracing.store.outbox import Outbox
print(len(Outbox(Store(Path({str(path)!r})), Destination("langfuse", *sys.argv[1:])).claim()), flush=True)
sys.stdin.readline()
"""
    program = (
        TRACED
        + f"""
import subprocess
traced(delivery, settings, steps=2)
assert delivery.flush(5) == 3
arguments = [sys.executable, "-c", {taking!r}, HOST, "pk-lf-one"]
taker = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert taker.stdout.readline() == "1\\n"
print("taken", flush=True)
sys.stdin.readline()
killing = threading.Timer(0.5, taker.kill)
killing.start()
print(delivery.flush(20))
"""
    )
    child = start_child(program, path, server.host, "one")
    assert child.stdout is not None
    assert child.stdout.readline() == "taken\n"
    server.start()
    out, err = child.communicate("\n", timeout=60)
    assert (out, child.returncode) == ("0\n", 0), err
    assert len(server.rows) == 3


def test_a_fork_never_waits_for_the_server(server: Server, path: Path) -> None:
    """The thread may hang in a request: the fork goes on, and nothing is lost."""
    server.hangs = True
    program = (
        TRACED
        + """
import warnings
warnings.simplefilter("ignore")  # of a fork beside threads
traced(delivery, settings, steps=2)
print("hangs", flush=True)
sys.stdin.readline()
began = time.perf_counter()
child = os.fork()
if not child:
    traced(delivery, settings, steps=3)
    delivery.flush(0.5)
    os._exit(0)
print(time.perf_counter() - began)
os.waitpid(child, 0)
"""
    )
    child = start_child(program, path, server.host, "one")
    server.wait_for_requests(1)
    out, err = child.communicate("\n", timeout=60)
    assert child.returncode == 0, err
    assert float(out.split()[-1]) < 6  # the request may take 10 s
    server.stop()
    server.hangs = False
    server.start()
    run_child(TRACED + "traced(delivery, settings)\ndelivery.flush(20)", path, server.host, "one")
    assert len(server.rows) == 3 + 4 + 2


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_children_of_multiprocessing_deliver_at_their_end(
    method: str, server: Server, path: Path, tmp_path: Path
) -> None:
    """They end by os._exit, and their runs arrive all the same."""
    script = tmp_path / "parent.py"
    script.write_text(
        "if __name__ == '__mp_main__' or __name__ == '__main__':\n"
        + "".join(
            f"    {line}\n"
            for line in PATIENT.replace("sys.argv[1:4]", repr((str(path), server.host, "one"))).splitlines()
        )
        + f"""
def work():
    traced(delivery, settings, steps=5)

if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context({method!r})
    children = [context.Process(target=work) for _ in range(2)]
    for child in children: child.start()
    for child in children: child.join()
    assert [child.exitcode for child in children] == [0, 0]
"""
    )
    run_child(
        f"import runpy, sys\nsys.argv = [{str(script)!r}]\nimport subprocess\n"
        f"sys.exit(subprocess.run([sys.executable, {str(script)!r}]).returncode)"
    )
    assert len(server.rows) == 12
    assert set(server.arrivals.values()) == {1}


def test_a_program_that_is_interrupted_still_delivers(server: Server, path: Path) -> None:
    """Ctrl-C ends the program as it would, and the trace arrives."""
    child = start_child(
        PATIENT + "traced(delivery, settings, steps=3)\nprint('go', flush=True)\nsys.stdin.readline()",
        path, server.host, "one",
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "go\n"
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGINT
    assert len(server.rows) == 4


@pytest.mark.one_python
def test_memory_stays_bounded_while_the_server_is_away(path: Path) -> None:
    """What waits is in the file: ten runs of 15 MB each take no more memory than one."""
    program = (
        TRACED
        + """
import resource
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 1024
def run():
    run = Run(delivery, settings)
    for number in range(1_000):
        run.step("Node", f"{number:15000}")
    run.finish()
    delivery.flush(30, ships=False)

run()
delivery.flush(0.2)
before = rss()
for _ in range(9):
    run()
delivery.flush(0.2)
print(rss() - before)
"""
    )
    out, _ = run_child(program, path, "http://127.0.0.1:9", "one")
    assert int(out) < 60_000  # the queue's limit is 32 MiB
