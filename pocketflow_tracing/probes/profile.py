"""The probe for Python 3.10 and 3.11, built on `sys.setprofile`.

The profile function sees every call and return of its thread, but not exceptions: a frame that
unwinds only "returns None". To see which exception it was, `Traps` gives the frame that called it a
trace function for the single step in which the exception arrives there.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType
from typing import Any

from ..anatomy import Call, Machinery, Role
from ..bytecode import begins, ending, is_end_of_await
from ..errors import tell_once
from ..reading import entered_by, is_coroutine_code, read
from .base import Listener, callback_failed
from .traps import Late, Traps

Profiler = Callable[[FrameType, Any, Any], object]
_HIDES_THROWS = sys.version_info < (3, 11)
"""Whether a coroutine that begins looks the same as one that is cancelled before it began."""
_STEPS = frozenset({Role.RUN, Role.ORCH, Role.EXEC, Role.PHASE})


class _ThisThread(threading.local):
    """What is known of the thread that asks."""

    is_watched = False
    previous: Profiler | None = None
    """The profile function that was there before ours, and is there again afterwards."""


class ProfileProbe:
    """Watches the thread it is started in, and threads that begin while it is on."""

    def __init__(self, machinery: dict[int, Machinery], listener: Listener) -> None:
        self.was_hit = False
        self._machinery = machinery
        self._listener = listener
        self._stopped = True
        self._is_alone = False
        """Whether events that are none of our business are nobody's: no other profile function wants them."""
        self._entered: dict[int, FrameType] = {}
        """The frames of machinery that run or are suspended."""
        self._inside: dict[int, tuple[Call, FrameType | None]] = {}
        """By `id` of a frame of machinery: the phase it is in, and the frame of that phase, if Python."""
        self._resumed: dict[int, int] = {}
        """By `id` of a frame that has done nothing yet since it went on: where it goes on."""
        self._seen: dict[int, BaseException] = {}
        """By `id` of a frame of machinery: the exception that last came up in it."""
        self._traps = Traps(self._came_up, listener)
        self._thread = _ThisThread()
        self._previous_hook: Any = None
        self._callback = self._profiler()

    def start(self, *, every_thread: bool) -> bool:
        """Set the profile function; False, told once, where a C profiler such as cProfile is on.

        Threads that run already are reached from Python 3.12 on.
        """
        self._stopped = False
        self._previous_hook = threading._profile_hook
        self._is_alone = self._previous_hook is None
        if not self._set():
            self._stopped, self._is_alone = True, False
            return False
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
        self._stopped, self._is_alone = True, False
        if threading._profile_hook is self._callback:
            threading.setprofile(self._previous_hook)
        self._unset()
        for kept in (self._entered, self._inside, self._resumed, self._seen):
            kept.clear()

    def watch(self, pieces: list[Machinery]) -> None:
        """Nothing: every call is seen, and `machinery` says which ones matter."""

    def is_lost(self) -> bool:
        """Whether this thread's profile function was ours and is another one now."""
        return self._thread.is_watched and sys.getprofile() is not self._callback

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
        if previous is not None:
            self._is_alone = False
        self._thread.previous = previous
        self._thread.is_watched = True
        sys.setprofile(self._callback)
        return True

    def _unset(self) -> Profiler | None:
        thread = self._thread
        # A thread that began under our hook would have begun under the one before it.
        previous = thread.previous if thread.is_watched else self._previous_hook
        if sys.getprofile() is self._callback:
            sys.setprofile(previous)
        self._traps.release()
        thread.is_watched, thread.previous = False, None
        return previous

    def _profiler(self) -> Profiler:
        """The profile function. Nearly all it is told is about other code, and ends in its first lines."""
        machinery, resumed, further = self._machinery, self._resumed, self._profile

        def profile(frame: FrameType, event: str, argument: Any) -> None:
            if self._is_alone:
                if event == "call":
                    if id(frame.f_code) not in machinery:
                        outer = frame.f_back
                        if outer is None:
                            return
                        if id(outer.f_code) not in machinery and id(outer) not in resumed:
                            return
                elif event == "return":
                    if id(frame.f_code) not in machinery:
                        outer = frame.f_back
                        if outer is None or id(outer.f_code) not in machinery:
                            return
                elif id(frame.f_code) not in machinery:
                    return
            further(frame, event, argument)

        return profile

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        thread = self._thread
        if self._stopped:
            previous = self._unset()
        else:
            if not thread.is_watched:
                thread.is_watched, thread.previous = True, self._previous_hook
            previous = thread.previous
            self.was_hit = True
            try:
                if event == "call":
                    self._on_call(frame)
                elif event == "return":
                    self._on_return(frame, argument)
                else:
                    piece = self._machinery.get(id(frame.f_code))
                    if piece is not None:
                        self._on_c_event(piece, frame, event)
            except Exception as failure:
                self.was_hit = not isinstance(failure, RecursionError)
                callback_failed(self._listener, failure)
            self.was_hit = False
        if previous is not None:
            previous(frame, event, argument)

    # Calls.

    def _on_call(self, frame: FrameType) -> None:
        machinery = self._machinery
        outer = frame.f_back
        piece = machinery.get(id(frame.f_code))
        if outer is not None:
            if self._resumed:
                self._resumed.pop(id(outer), None)
            caller = machinery.get(id(outer.f_code))
            if caller is not None:
                self._resumed[id(frame)] = frame.f_lasti
                self._called(caller, outer, frame.f_code, frame)
        if piece is None:
            return
        self._resumed[id(frame)] = frame.f_lasti
        if id(frame) in self._entered:
            self._traps.arm(frame)  # it is being closed, or cancelled, or what it waits for may raise
        elif not piece.is_suspendable:
            self._start(piece, frame)
        elif begins(frame.f_code, frame.f_lasti):
            begin = partial(self._start, piece, frame)
            if not _HIDES_THROWS or not self._traps.arm(frame, begins=begin):
                begin()

    def _start(self, piece: Machinery, frame: FrameType) -> None:
        self._entered[id(frame)] = frame
        self._listener.started(piece, frame)

    def _called(self, caller: Machinery, outer: FrameType, code: CodeType, frame: FrameType) -> None:
        """`outer` called `code`, or resumed the coroutine it awaits."""
        call = caller.call_at(outer.f_lasti)
        if call is None:
            if not caller.own and caller.role is not Role.PHASE:
                self._listener.moved(caller, outer)
            return
        inside = self._inside.get(id(outer))
        goes_on = inside is not None and inside[0] is call
        if goes_on and (inside is None or inside[1] is not None or is_coroutine_code(code)):
            return
        if call.role is Role.PHASE:
            owner = outer.f_locals.get(call.receiver) if call.receiver else None
            expected = None if owner is None else entered_by(read(owner, call.name, None))
            # Finalisers and signal handlers run on top of any frame, and look as if it called them.
            if expected is not code and (goes_on or expected is not None):
                return
            self._inside[id(outer)] = (call, frame)
        self._listener.calling(caller, outer, call, code, None)

    def _on_c_event(self, piece: Machinery, frame: FrameType, event: str) -> None:
        call = piece.call_at(frame.f_lasti)
        if event == "c_exception":
            self._inside.pop(id(frame), None)
            self._traps.arm(frame)
        elif event == "c_call" and call is not None and call.role in (Role.PHASE, Role.WARN):
            inside = self._inside.get(id(frame))
            if inside is None or inside[0] is not call:
                self._listener.calling(piece, frame, call, None, None)

    # Returns.

    def _on_return(self, frame: FrameType, value: Any) -> None:
        piece = self._machinery.get(id(frame.f_code))
        outer = frame.f_back
        caller = None if outer is None else self._machinery.get(id(outer.f_code))
        if piece is None and caller is None:
            return
        stop = ending(frame.f_code, frame.f_lasti)
        stays = self._resumed.pop(id(frame), None) == frame.f_lasti
        if stop == "suspended" and value is None and stays:
            stop = "raised"  # it went on with an exception, which it did not catch
        if piece is not None:
            self._ended(piece, frame, stop, value)
        if caller is not None and outer is not None and stop != "suspended":
            self._callee_ended(outer, frame, value, raised=stop == "raised")

    def _ended(self, piece: Machinery, frame: FrameType, stop: str, value: Any) -> None:
        if stop == "suspended":
            if piece.is_generator:
                self._listener.moved(piece, frame)
            return
        if self._entered.pop(id(frame), None) is None:
            return
        self._inside.pop(id(frame), None)
        exception = self._seen.pop(id(frame), None)
        if stop == "returned":
            self._listener.ended(piece, frame, value, None, False)
            return
        outer = frame.f_back
        # PocketFlow's own code raises nothing that did not come up in it.
        if outer is not None and piece.role in _STEPS and (exception is None or not piece.own):
            late = Late(frame, partial(self._raised, piece, frame, exception))
            if self._traps.arm(outer, late):
                return
        self._listener.ended(piece, frame, None, exception, True)

    def _raised(
        self, piece: Machinery, frame: FrameType, known: BaseException | None, seen: BaseException | None
    ) -> None:
        self._listener.ended(piece, frame, None, known if seen is None else seen, True)

    def _callee_ended(self, outer: FrameType, frame: FrameType, value: Any, *, raised: bool) -> None:
        inside = self._inside.get(id(outer))
        if inside is None:
            return
        call, callee = inside
        is_coroutine = is_coroutine_code(frame.f_code)
        if callee is not frame and not (call.awaited and callee is None):
            return
        if raised:
            self._inside.pop(id(outer), None)
            if not self._traps.arm(outer):
                self._listener.callee_raised(outer, None)
        elif call.awaited and not is_coroutine:
            self._inside[id(outer)] = (call, None)  # it gave something to wait for
        else:
            self._inside.pop(id(outer), None)
            self._listener.callee_returned(outer, value)

    def _came_up(self, frame: FrameType, exception: BaseException) -> None:
        """`exception` came up in `frame`, for which a trap was set."""
        piece = self._machinery.get(id(frame.f_code))
        if piece is None:
            return
        if is_end_of_await(frame.f_code, frame.f_lasti, exception):
            call, callee = self._inside.get(id(frame), (None, None))
            if call is not None and callee is None and call is piece.call_at(frame.f_lasti):
                self._inside.pop(id(frame), None)
                self._listener.callee_returned(frame, StopIteration.__dict__["value"].__get__(exception))
            return
        self._seen[id(frame)] = exception
        self._inside.pop(id(frame), None)
        self._listener.callee_raised(frame, exception)
