"""The probe for Python 3.12 and later, built on `sys.monitoring` (PEP 669).

Only PocketFlow's machinery is instrumented, by local events. What unwinds is a global event before
3.15, so that one is on while a scope is open.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from ..anatomy import Machinery, Role, code_of
from ..errors import tell_once
from .base import Listener, callback_failed

NAME = "pocketflow-tracing"
# 0, 1 and 2 are the debugger's, coverage's and the profiler's by convention; 5 is the optimizer's.
_TOOL_IDS = (4, 5, 3)
_LOCAL_UNWIND = sys.version_info >= (3, 15)


class MonitoringProbe:
    """Watches through a tool id of its own, held from `start` to `stop`."""

    def __init__(self, machinery: dict[int, Machinery], listener: Listener) -> None:
        self._machinery = machinery
        self._listener = listener
        self._watched: dict[int, CodeType] = {}
        self._tool: int | None = None
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
        self._monitoring = monitoring
        events = monitoring.events
        self._events = {
            Role.IMPORT: events.PY_RETURN,
            Role.ENTRY: events.PY_START | events.CALL,
            Role.NEXT: events.PY_RETURN | events.CALL,
            Role.PHASE: events.PY_START | events.PY_RETURN,
            Role.ORCH: events.PY_START | events.PY_RETURN | events.CALL,
            Role.RUN: events.PY_START | events.PY_RETURN | events.CALL | events.LINE,
            Role.EXEC: events.PY_START | events.PY_RETURN | events.CALL | events.LINE,
        }

    def start(self, *, every_thread: bool) -> bool:
        """Take a free tool id and instrument the machinery; False, told once, if all are taken."""
        monitoring = self._monitoring
        for tool in _TOOL_IDS:
            try:
                monitoring.use_tool_id(tool, NAME)
            except ValueError:  # taken
                continue
            self._tool = tool
            for event, callback in self._callbacks().items():
                monitoring.register_callback(tool, event, callback)
            if not _LOCAL_UNWIND:
                monitoring.set_events(tool, monitoring.events.PY_UNWIND)
            self.watch(list(self._machinery.values()))
            return True
        tell_once(
            "no-tool-id", "[TRACING] all monitoring tool ids are taken by other tools; nothing is traced"
        )
        return False

    def join(self) -> None:
        """Nothing: events arrive from every thread."""

    def stop(self) -> None:
        """Remove every event and callback, and free the tool id if it is still ours."""
        tool, self._tool = self._tool, None
        watched, self._watched = self._watched, {}
        monitoring = self._monitoring
        if tool is None or monitoring.get_tool(tool) != NAME:
            return
        # Before 3.14, freeing the id leaves events and callbacks behind.
        monitoring.set_events(tool, 0)
        for code in watched.values():
            monitoring.set_local_events(tool, code, 0)
        for event in self._callbacks():
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    def watch(self, pieces: list[Machinery]) -> None:
        """Instrument the code of these pieces."""
        tool = self._tool
        if tool is None:
            return
        for piece in pieces:
            events = self._events[piece.role]
            if piece.is_generator:
                events |= self._monitoring.events.PY_YIELD
            if _LOCAL_UNWIND:
                events |= self._monitoring.events.PY_UNWIND
            self._monitoring.set_local_events(tool, piece.code, events)
            self._watched[id(piece.code)] = piece.code

    def is_lost(self) -> bool:
        """Whether the tool id is no longer ours."""
        return self._tool is None or self._monitoring.get_tool(self._tool) != NAME

    def _callbacks(self) -> dict[int, Callable[..., object]]:
        events = self._monitoring.events
        return {
            events.PY_START: self._on_start,
            events.CALL: self._on_call,
            events.LINE: self._on_line,
            events.PY_YIELD: self._on_yield,
            events.PY_RETURN: self._on_return,
            events.PY_UNWIND: self._on_unwind,
        }

    # An exception in a callback would reach the program, so each guards itself. Only `Exception` is
    # caught: an interrupt that lands in here belongs to the program.

    def _on_start(self, code: CodeType, offset: int) -> object:
        try:
            self._listener.started(self._machinery[id(code)], sys._getframe(1))
        except Exception as failure:
            callback_failed(self._listener, failure)
        return None

    def _on_call(self, code: CodeType, offset: int, called: object, argument: object) -> object:
        try:
            piece = self._machinery[id(code)]
            call = piece.calls.get(offset)
            if call is None:
                # In an override even an unknown call ends the phase before it.
                if piece.own:
                    return self._monitoring.DISABLE
                self._listener.moved(piece, sys._getframe(1))
                return None
            self._listener.calling(piece, sys._getframe(1), call, code_of(called), argument)
        except Exception as failure:
            callback_failed(self._listener, failure)
        return None

    def _on_line(self, code: CodeType, line: int) -> object:
        try:
            piece = self._machinery[id(code)]
            if piece.own and piece.role is Role.EXEC and line not in piece.handlers:
                return self._monitoring.DISABLE
            frame = sys._getframe(1)
            # The line of a `with` or a comprehension comes again while an exception leaves it.
            if frame.f_lasti not in piece.landings:
                self._listener.moved(piece, frame)
        except Exception as failure:
            callback_failed(self._listener, failure)
        return None

    def _on_yield(self, code: CodeType, offset: int, value: object) -> object:
        try:
            self._listener.moved(self._machinery[id(code)], sys._getframe(1))
        except Exception as failure:
            callback_failed(self._listener, failure)
        return None

    def _on_return(self, code: CodeType, offset: int, value: object) -> object:
        try:
            self._listener.returned(self._machinery[id(code)], sys._getframe(1), value)
        except Exception as failure:
            callback_failed(self._listener, failure)
        return None

    def _on_unwind(self, code: CodeType, offset: int, exception: BaseException) -> object:
        piece = self._machinery.get(id(code))
        if piece is not None:
            try:
                self._listener.raised(piece, sys._getframe(1), exception)
            except Exception as failure:
                callback_failed(self._listener, failure)
        return None
