"""The probe for Python 3.10 and 3.11, built on `sys.setprofile`.

The profile function sees every call and return of its thread, but not exceptions: a frame that
unwinds only "returns None". To see which exception a phase raised, the frame that called it gets a
trace function for the single step in which the exception arrives there. No code of the program runs
in between, and where a debugger already traces, the exception stays unknown.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from ..anatomy import Call, Machinery, Role
from ..bytecode import ending
from ..errors import tell_once
from ..reading import entered_by, is_coroutine_code, read
from .base import Listener, callback_failed

Profiler = Callable[[FrameType, Any, Any], object]


class ProfileProbe:
    """Watches the thread it is started in, and threads that begin while it is on."""

    def __init__(self, machinery: dict[int, Machinery], listener: Listener) -> None:
        self._machinery = machinery
        self._listener = listener
        self._stopped = True
        self._entered: dict[int, FrameType] = {}
        """The frames of machinery that run or are suspended."""
        self._inside: dict[int, tuple[Call, FrameType | None]] = {}
        """By `id` of a frame of machinery: the phase it is in, and the frame of that phase, if Python."""
        self._seen: dict[int, BaseException] = {}
        """By `id` of a frame of machinery: the exception that last came up in it."""
        self._late: dict[int, list[tuple[Machinery, FrameType]]] = {}
        """By `id` of a frame of machinery: frames it called that ended by an exception not yet seen."""
        self._previous: dict[int, Profiler | None] = {}
        self._previous_hook: Any = None
        self._armed: dict[int, FrameType] = {}
        """By thread: the frame in which an exception is about to come up."""
        # One object each: a bound method is a new one every time it is read.
        self._callback: Profiler = self._profile
        self._trap_callback = self._trap
        self._disarm_callback = self._disarm

    def start(self, *, every_thread: bool) -> bool:
        """Set the profile function; False, told once, where a C profiler such as cProfile is on.

        Threads that run already are reached from Python 3.12 on.
        """
        self._stopped = False
        if not self._set():
            self._stopped = True
            return False
        self._previous_hook = threading._profile_hook
        if every_thread and sys.version_info >= (3, 12):
            threading.setprofile_all_threads(self._callback)
        else:
            threading.setprofile(self._callback)
        return True

    def join(self) -> None:
        """Watch the calling thread too."""
        if sys.getprofile() is not self._callback:
            self._set()

    def stop(self) -> None:
        """Put back the profile function that was there; other threads do so at their next event."""
        self._stopped = True
        if threading._profile_hook is self._callback:
            threading.setprofile(self._previous_hook)
        self._unset()
        for kept in (self._entered, self._inside, self._seen, self._late):
            kept.clear()

    def watch(self, pieces: list[Machinery]) -> None:
        """Nothing: every call is seen, and `machinery` says which ones matter."""

    def is_lost(self) -> bool:
        """Whether this thread's profile function was ours and is another one now."""
        return threading.get_ident() in self._previous and sys.getprofile() is not self._callback

    def _set(self) -> bool:
        previous = sys.getprofile()
        if previous is self._callback:
            return True
        if previous is not None and not callable(previous):
            tell_once(
                "foreign-profiler",
                "[TRACING] a C profiler (cProfile?) is on, which this Python cannot share; nothing is traced",
            )
            return False
        self._previous[threading.get_ident()] = previous
        sys.setprofile(self._callback)
        return True

    def _unset(self) -> None:
        previous = self._previous.pop(threading.get_ident(), None)
        if sys.getprofile() is self._callback:
            sys.setprofile(previous)

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if self._stopped:
            if threading is not None:  # None while the interpreter takes its modules apart
                self._unset()
            return
        try:
            if event == "call":
                self._on_call(frame)
            elif event == "return":
                self._on_return(frame, argument)
            else:
                piece = self._machinery.get(id(frame.f_code))
                if piece is not None:
                    self._on_c_event(piece, frame, event, argument)
        except Exception as failure:
            callback_failed(self._listener, failure)
        previous = self._previous.get(threading.get_ident()) if self._previous else None
        if previous is not None:
            previous(frame, event, argument)

    # Calls.

    def _on_call(self, frame: FrameType) -> None:
        machinery = self._machinery
        outer = frame.f_back
        if outer is not None:
            caller = machinery.get(id(outer.f_code))
            if caller is not None:
                self._called(caller, outer, frame.f_code, frame)
        piece = machinery.get(id(frame.f_code))
        if piece is None:
            return
        if id(frame) not in self._entered:
            self._entered[id(frame)] = frame
            self._listener.started(piece, frame)
        elif self._awaits_foreign(piece, frame):
            self._arm(frame)  # what it waits for may raise here

    def _called(self, caller: Machinery, outer: FrameType, code: CodeType, frame: FrameType) -> None:
        """`outer` called `code`, or resumed the coroutine it awaits."""
        call = caller.call_at(outer.f_lasti)
        inside = self._inside.get(id(outer))
        if inside is not None and inside[0] is call:
            return
        if call is None:
            if not caller.own:
                self._listener.moved(caller, outer)
            return
        if call.role is Role.PHASE:
            owner = outer.f_locals.get(call.receiver) if call.receiver else None
            if owner is not None:
                # Finalisers and signal handlers run on top of any frame, and look as if it called them.
                expected = entered_by(read(owner, call.name, None))
                if expected is not None and expected is not code:
                    return
            self._inside[id(outer)] = (call, frame)
        self._listener.calling(caller, outer, call, code, None)

    def _on_c_event(self, piece: Machinery, frame: FrameType, event: str, function: Any) -> None:
        call = piece.call_at(frame.f_lasti)
        if event == "c_exception":
            self._inside.pop(id(frame), None)
            self._arm(frame)
        elif event == "c_call" and call is not None and call.role in (Role.PHASE, Role.WARN):
            inside = self._inside.get(id(frame))
            if inside is None or inside[0] is not call:
                self._listener.calling(piece, frame, call, None, None)

    def _awaits_foreign(self, piece: Machinery, frame: FrameType) -> bool:
        """Whether a resumed frame waits for something that is no Python coroutine, such as a Task."""
        call = piece.call_at(frame.f_lasti)
        if call is None:
            return True
        inside = self._inside.get(id(frame))
        return call.role is Role.PHASE and inside is not None and inside[1] is None

    # Returns.

    def _on_return(self, frame: FrameType, value: Any) -> None:
        machinery = self._machinery
        piece = machinery.get(id(frame.f_code))
        outer = frame.f_back
        caller = None if outer is None else machinery.get(id(outer.f_code))
        if piece is not None:
            stop = ending(frame.f_code, frame.f_lasti)
            if stop == "suspended":
                if piece.is_generator:
                    self._listener.moved(piece, frame)
                return
            self._entered.pop(id(frame), None)
            self._inside.pop(id(frame), None)
            if stop == "returned":
                self._seen.pop(id(frame), None)
                self._listener.returned(piece, frame, value)
            else:
                self._unwound(piece, frame, caller, outer)
        if caller is not None and outer is not None:
            self._callee_ended(outer, frame, value)

    def _callee_ended(self, outer: FrameType, frame: FrameType, value: Any) -> None:
        inside = self._inside.get(id(outer))
        if inside is None:
            return
        call, callee = inside
        is_coroutine = is_coroutine_code(frame.f_code)
        if callee is not frame and not (call.awaited and is_coroutine and callee is None):
            return
        stop = ending(frame.f_code, frame.f_lasti)
        if stop == "suspended":
            return
        if stop == "raised":
            self._inside.pop(id(outer), None)
            if not self._arm(outer):
                self._listener.callee_raised(outer, None)
        elif call.awaited and not is_coroutine:
            self._inside[id(outer)] = (call, None)  # it gave something to wait for
        else:
            self._inside.pop(id(outer), None)
            self._listener.callee_returned(outer, value)

    def _unwound(
        self, piece: Machinery, frame: FrameType, caller: Machinery | None, outer: FrameType | None
    ) -> None:
        exception = self._seen.pop(id(frame), None)
        if exception is None and caller is not None and outer is not None and self._arm(outer):
            self._late.setdefault(id(outer), []).append((piece, frame))
            return
        if exception is not None and caller is not None:
            self._seen[id(outer)] = exception
        self._listener.raised(piece, frame, exception)

    # Exceptions.

    def _arm(self, frame: FrameType) -> bool:
        """Have the next exception that comes up in `frame` told; False where a debugger is at work."""
        if sys.gettrace() is not None:
            return sys.gettrace() is self._disarm_callback
        frame.f_trace = self._trap_callback
        sys.settrace(self._disarm_callback)
        self._armed[threading.get_ident()] = frame
        return True

    def _disarm(self, frame: FrameType, event: str, argument: Any) -> None:
        """Some other frame begins: no exception is on its way."""
        self._release()

    def _release(self) -> None:
        sys.settrace(None)
        frame = self._armed.pop(threading.get_ident(), None)
        if frame is not None:
            frame.f_trace = None

    def _trap(self, frame: FrameType, event: str, argument: Any) -> None:
        self._release()
        late = self._late.pop(id(frame), ())
        exception = argument[1] if event == "exception" else None
        try:
            for piece, inner in late:
                self._listener.raised(piece, inner, exception)
            if exception is not None:
                self._seen[id(frame)] = exception
                self._inside.pop(id(frame), None)
                self._listener.callee_raised(frame, exception)
        except Exception as failure:
            callback_failed(self._listener, failure)
