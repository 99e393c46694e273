"""The way from the traced program to the worker's thread, and the ends of process and thread."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..errors import tell_failure, tell_once
from ..live import LiveTrace
from ..model import Trace
from .bell import Bell
from .queue import ENDED, FLUSH, STARTED, Queue
from .shipping import Shipper
from .undisturbed import start_undisturbed
from .worker import POLL_SECONDS, Ticket, Worker

if TYPE_CHECKING:
    from ..config import TracingConfig

THREAD_NAME = "pocketflow-tracing"
FLUSH_SECONDS = 30.0
"""How long `flush` waits where it is not told."""
WRITE_SECONDS = 2.0
"""How long a sink waits to know whether a trace could be written."""
CALM_BYTES = 4 * 1024 * 1024
"""The worker comes by itself, unless more than this waits for it."""
FORK_SECONDS = 2.0
"""How long a fork waits for the worker's thread to end."""
FORK_SINK_SECONDS = 0.1
"""How long it waits for one that is held up in a sink."""
FORK_LOCK_SECONDS = 5.0
"""How long it waits for the worker to come out of the store, where it stays for a batch at most."""

_of_parents: list[Shipper] = []


class Delivery(Queue):
    """The one worker of this process, its thread started on first need.

    What is handed over comes from the program's own threads; nothing here makes them wait, but for
    `flush`, a fork, the end of the process, and a full queue.
    """

    before_exit: Callable[[], None] | None = None
    """Called first when the process ends: whoever holds running traces can report them."""

    def __init__(self) -> None:
        super().__init__()
        self._is_registered = False

    def reset(self) -> None:
        """Begin anew, with nothing under way and no thread."""
        super().reset()
        self.shipper = Shipper()
        self._worker = Worker(self, self.shipper)
        self._thread: threading.Thread | None = None
        # Whoever takes the one token may start the thread, or work in its place. Taking is a single
        # step; a lock would block for ever whatever breaks in while its own thread holds it.
        self._may_start = deque([True])
        self._may_work = deque([True])
        self._is_asleep = False
        self._holds_start = False
        self._holds_work = False
        self._leave = False
        self._finish_until: float | None = None
        self._finished = Bell()
        self._exit_seconds = 2.0
        self._calm = CALM_BYTES
        self._ends_with_multiprocessing = False

    # Told by the engine.

    def trace_started(self, trace: LiveTrace) -> None:
        """A trace began."""
        self._exit_seconds = trace.config.exit_timeout
        self._calm = min(self._calm, trace.config.max_queue_bytes // 8)
        if self._thread is not None:
            self.alarm = self._calm
        self._register()
        # Now, since no thread can be started any more once the process ends.
        self.shipper.begin(trace.config)
        self.records.append((STARTED, trace))
        if self._thread is None or self._is_asleep:
            self.call_worker()

    def trace_ended(self, trace: LiveTrace) -> None:
        """The root and all spans of a trace ended."""
        if trace.pid != self.pid:
            return
        self.records.append((ENDED, trace))
        if self._thread is None or self._is_asleep:
            self.call_worker()

    def flush(self, timeout: float | None = None, *, ships: bool = True) -> int:
        """Wait until all that was handed over is written and told; how many records still are not.

        With `ships`, also until it has arrived where it is sent over the network.
        """
        if threading.get_ident() == self.worker_thread:
            return len(self.records)
        deadline = time.monotonic() + (FLUSH_SECONDS if timeout is None else timeout)
        ticket = Ticket(deadline)
        self.records.append((FLUSH, ticket))
        self.call_worker()
        if not ticket.done.wait(deadline - time.monotonic()):
            return max(1, len(self.records))
        return ticket.left + (self.shipper.flush(deadline) if ships else 0)

    def is_kept(self, config: TracingConfig) -> bool:
        """Whether what ended is in the store that `config` names; it is written first. For sinks."""
        self._worker.write_all(time.monotonic() + WRITE_SECONDS)
        keeper = self._worker.keeper(config.store)
        return keeper is not None and keeper.is_in_file

    def load(self, ids: Iterable[str], config: TracingConfig) -> list[Trace]:
        """Traces of this process, from the store or from the memory that stands in for it."""
        keeper = self._worker.keeper(config.store)
        return [] if keeper is None else keeper.load(ids)

    # The thread.

    def call_worker(self) -> None:
        """Have the worker come now; starts its thread where there is none."""
        if self._thread is None and not self._start():
            self._work_here()
        else:
            self.bell.ring()

    def _start(self) -> bool:
        """Start the thread; False where there cannot be one."""
        if self._finish_until is not None or _in_exit_handlers():
            return False  # nobody would wait for it
        if start_undisturbed(self._start_thread) and (self._thread is not None or not self._may_start):
            return True  # without the token, somebody else starts it, or forks and lets it start afterwards
        # No thread is to be had: this one works in its place, at the end of a run or when the queue
        # fills up.
        self.alarm = self._calm
        return False

    def _start_thread(self) -> None:
        try:
            self._may_start.pop()
        except IndexError:
            return
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            self._may_start.append(True)

    def _run(self) -> None:
        # A profiler that the program sets for all its threads has no business in ours.
        sys.setprofile(None)
        this = threading.current_thread()
        self.worker_thread = threading.get_ident()
        self.alarm = self._calm
        # The program goes on undisturbed for a moment, and whole runs arrive at once.
        pause: float | None = POLL_SECONDS[0]
        while True:
            try:
                self._sleep(pause)
                if self._thread is not this:
                    return  # a sink forked, and this is the child: nothing here is its own
                if self._leave or self._finish_until is not None:
                    break
                pause = self._worker.turn()
            except BaseException as failure:
                tell_failure("the worker", failure)
                pause = 1.0
        self._end_thread()

    def _sleep(self, pause: float | None) -> None:
        if pause is None:
            self._is_asleep = True
            if not self.records:
                self.bell.wait()
            self._is_asleep = False
            if self._leave or self._finish_until is not None:
                return
            pause = POLL_SECONDS[0]
        self.bell.wait(pause)

    def _end_thread(self) -> None:
        self.alarm = 0
        try:
            if self._finish_until is None:
                self._worker.rest()
            else:
                self._worker.finish(self._finish_until)
        except BaseException as failure:
            tell_failure("the worker", failure)
        self.worker_thread = None
        self._thread = None
        if self._finish_until is None:
            self._may_start.append(True)
        self._finished.ring()

    def _work_here(self) -> None:
        """Do the worker's work on the calling thread, where there is no other."""
        try:
            self._may_work.pop()
        except IndexError:
            return
        try:
            self._worker.work_until(time.monotonic() + self._exit_seconds)
        except Exception as failure:
            tell_failure("the worker", failure)
        finally:
            self._may_work.append(True)

    # Ends.

    def _register(self) -> None:
        """See to it that this process does not end or fork unnoticed."""
        if not self._is_registered:
            self._is_registered = True
            self.pid = os.getpid()  # a fork before the first trace went unnoticed
            atexit.register(self._at_exit)
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )
        if not self._ends_with_multiprocessing:
            # Its children end by os._exit, which runs its finalizers and not those of atexit. Looked
            # at whenever a trace starts: importing it is the program's business.
            util, process = (sys.modules.get(f"multiprocessing.{name}") for name in ("util", "process"))
            if util is not None and process is not None and process.parent_process() is not None:
                self._ends_with_multiprocessing = True
                util.Finalize(None, self._at_exit, exitpriority=-100)

    def _at_exit(self) -> None:
        """Write what is queued, then let the sinks use what is left of the time."""
        deadline = time.monotonic() + self._exit_seconds
        if self.before_exit is not None:
            try:
                self.before_exit()
            except Exception as failure:
                tell_failure("the end of the process", failure)
        # Here and not on the worker's thread, which may be held up in a sink.
        if not self._worker.write_all(deadline):
            tell_once(
                "exit",
                f"[TRACING] not everything could be written within exit_timeout ({self._exit_seconds:g} s); "
                f"about {len(self.records)} records are lost",
            )
        self._finish_until = deadline
        if self._thread is None:
            self._worker.finish(deadline)
        else:
            self.bell.ring()
            self._finished.wait(deadline - time.monotonic())
        _keep_interrupt()

    def _before_fork(self) -> None:
        """Bring the worker to rest: a fork copies this thread only, and whatever the others hold."""
        if threading.get_ident() == self.worker_thread:
            return
        began = time.monotonic()
        self._leave = True
        self.shipper.rest()
        while not self._holds_start:
            waited = time.monotonic() - began
            if waited > FORK_SECONDS or (waited > FORK_SINK_SECONDS and self._worker.is_telling):
                break
            thread = self._thread
            if thread is not None:
                self.bell.ring()
                try:
                    thread.join(FORK_SINK_SECONDS)
                except RuntimeError:
                    time.sleep(0.001)  # another thread is starting it at this moment
                _wait_for_end(thread)
            try:
                self._holds_start = self._may_start.pop()
            except IndexError:
                pass
        self._leave = False
        if not self._holds_start:
            # Held up in a sink. That is no harm; to be in the middle of SQLite would be: the child
            # could not even clean up after that thread.
            # Where another thread forks as well and holds the lock, it has said so itself.
            if self._worker.lock.acquire(timeout=FORK_LOCK_SECONDS):
                self._holds_work = True

    def _after_fork_in_parent(self) -> None:
        self.shipper.go_on()
        if self._holds_work:
            self._holds_work = False
            self._worker.lock.release()
        if self._holds_start:
            self._holds_start = False
            self._may_start.append(True)
            # Else with the next record: Python warns of a fork beside threads, also of this one.
            if self._worker.has_more and threading.active_count() > 1:
                self.call_worker()

    def _after_fork_in_child(self) -> None:
        self._worker.abandon()
        _of_parents.append(self.shipper)  # its connections are not ours to close
        self.reset()


def _wait_for_end(thread: threading.Thread) -> None:
    """Wait until a thread that was joined is gone for the system too: before 3.13 that takes longer."""
    until = time.monotonic() + FORK_SINK_SECONDS
    while not thread.is_alive() and time.monotonic() < until:
        if not os.path.exists(f"/proc/self/task/{thread.native_id}"):
            return
        time.sleep(0.0001)


def _in_exit_handlers() -> bool:
    """Whether Python is past the end of the main thread, and this is that thread."""
    main = threading.main_thread()
    return main.ident == threading.get_ident() and not main.is_alive()


def _keep_interrupt() -> None:
    """See that a program ended by Ctrl-C still counts as killed by it, whatever was imported since.

    CPython notes at the end of each top-level piece of code whether it was interrupted, and dies of
    SIGINT if the last one was. Every `exec` of a string counts as such a piece, and what a sink
    imports may hold some (named tuples, data classes).
    """
    last = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if isinstance(last, KeyboardInterrupt) and not hasattr(sys, "ps1"):
        try:
            exec("raise KeyboardInterrupt")
        except KeyboardInterrupt:
            pass
