"""Sees exceptions for a probe that has only `sys.setprofile`.

A frame in which an exception is about to come up gets a trace function for that one step. None of
the program's code runs in between: whatever else happens first ends the watch. Where a debugger
already traces, exceptions stay unknown.
"""

from __future__ import annotations

import sys
import threading
from abc import ABCMeta
from collections.abc import Callable
from types import CoroutineType, FrameType, TracebackType
from typing import Any, NamedTuple

from .base import Listener, callback_failed

# The interpreter itself asks of an exception on its way what class it is; trio's is an abstract one.
_CLASS_CHECK = ABCMeta.__subclasscheck__.__code__


class Late(NamedTuple):
    """A frame that ended by an exception not yet seen, and who is to be told of it."""

    frame: FrameType
    tell: Callable[[BaseException | None], None]


class _ThisThread(threading.local):
    """The trap that is set in the thread that asks."""

    frame: FrameType | None = None
    before: Any = None
    """The trace function the frame had."""
    begins: Callable[[], None] | None = None
    task: Any = None
    """The task whose coroutine has just ended, if it was one."""

    def __init__(self) -> None:
        self.late: list[Late] = []


class Traps:
    """At most one trap in each thread."""

    def __init__(self, came_up: Callable[[FrameType, BaseException], None], listener: Listener) -> None:
        self._came_up = came_up
        self._listener = listener
        self._thread = _ThisThread()
        # One object each: a bound method is a new one every time it is read.
        self._trap_callback = self._trap
        self._other_callback = self._other

    def arm(
        self, frame: FrameType, late: Late | None = None, *, begins: Callable[[], None] | None = None
    ) -> bool:
        """Have the next exception that comes up in `frame` told; False where a debugger is at work.

        `late` is told of it too, with None if there is none after all. `begins` is called instead
        if the frame begins to run without one.
        """
        tracer = sys.gettrace()
        if tracer is not None and tracer is not self._other_callback:
            return False
        thread = self._thread
        if thread.frame is not frame:
            self.release()
            thread.frame, thread.before = frame, frame.f_trace
            frame.f_trace = self._trap_callback
            sys.settrace(self._other_callback)
        thread.begins = begins
        if late is not None:
            thread.late.append(late)
            thread.task = thread.task or _task_of(late.frame)
        return True

    def release(self) -> None:
        """Take the trap of this thread away: no exception came up."""
        if self._thread.frame is not None:
            self._spring(None, None)

    def _other(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Some frame begins: no exception is on its way, unless the frame is resumed to be given it."""
        if frame is self._thread.frame:
            return self._trap_callback
        if frame.f_code is not _CLASS_CHECK:
            self.release()
        return None

    def _trap(self, frame: FrameType, event: str, argument: Any) -> None:
        if frame is not self._thread.frame:
            return
        if event == "exception":
            self._spring(argument[1], argument[2])
        else:
            self._spring(None, None)

    def _spring(self, exception: BaseException | None, trace: TracebackType | None) -> None:
        thread = self._thread
        frame, late, begins, task = thread.frame, thread.late, thread.begins, thread.task
        assert frame is not None
        if sys.gettrace() is self._other_callback:
            sys.settrace(None)
        frame.f_trace = thread.before
        thread.frame = thread.before = thread.begins = thread.task = None
        thread.late = []
        try:
            if exception is not None:
                self._tell(frame, exception, trace, late)
            elif begins is not None:
                begins()
            else:
                seen = _outcome(task)
                for one in late:
                    one.tell(seen)
        except Exception as failure:
            callback_failed(self._listener, failure)

    def _tell(
        self, frame: FrameType, exception: BaseException, trace: TracebackType | None, late: list[Late]
    ) -> None:
        # Before 3.12 an exception gets its traceback only when it is caught: lend it this one.
        attribute = BaseException.__dict__["__traceback__"]
        own = attribute.__get__(exception)
        attribute.__set__(exception, trace)
        try:
            for one in late:
                one.tell(exception)
            self._came_up(frame, exception)
        finally:
            attribute.__set__(exception, own)


def _task_of(frame: FrameType) -> Any:
    """The running task, if `frame` is that of its coroutine."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return None
    if type(task) is not asyncio.Task:
        return None
    coroutine = task.get_coro()
    return task if type(coroutine) is CoroutineType and coroutine.cr_frame is frame else None


def _outcome(task: Any) -> BaseException | None:
    """The exception a task ended with; read so that asyncio still tells of it if nobody else does."""
    if task is None or not task.done():
        return None
    if task.cancelled():
        cancelled: BaseException = sys.modules["asyncio"].CancelledError()
        return cancelled
    exception: BaseException | None = task._exception
    return exception
