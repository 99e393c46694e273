"""The probe for Python 3.12 and later, built on `sys.monitoring` (PEP 669).

Only PocketFlow's machinery is instrumented, by local events. What unwinds is a global event before
3.15, so that one is on while a scope is open.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from sys import _getframe
from types import CodeType
from typing import Any

from ..anatomy import Machinery, Role
from ..errors import tell_once
from ..ordinary import Called, Returned
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
        # Who is told of what, by `id` of the code.
        self._calls: dict[int, dict[int, Called]] = {}
        self._returns: dict[int, Returned] = {}
        self._tool: int | None = None
        self.was_hit = False  # and if one was, events go on
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
            if piece.role is Role.ORCH and piece.own:
                events &= ~self._monitoring.events.CALL  # its nodes are met when they are chosen
            if piece.is_lazy and not piece.starts_early:
                events &= ~self._monitoring.events.PY_START
            if piece.is_generator:
                events |= self._monitoring.events.PY_YIELD
            if _LOCAL_UNWIND:
                events |= self._monitoring.events.PY_UNWIND
            key = id(piece.code)
            self._calls[key], self._returns[key] = self._listener.listeners(piece)
            self._monitoring.set_local_events(tool, piece.code, events)
            self._watched[key] = piece.code

    def is_lost(self) -> bool:
        """Whether the tool id is no longer ours."""
        return self._tool is None or self._monitoring.get_tool(self._tool) != NAME

    def _callbacks(self) -> dict[int, Callable[..., object]]:
        """What is called for each event.

        An exception in a callback would reach the program, so each guards itself. Only `Exception` is
        caught: an interrupt that lands in here belongs to the program.
        """
        events = self._monitoring.events
        listener, machinery, disable = self._listener, self._machinery, self._monitoring.DISABLE
        calls, returns = self._calls, self._returns

        def on_start(code: CodeType, offset: int) -> object:
            try:
                piece, frame = machinery[id(code)], _getframe(1)
                if not piece.starts_early or listener.starts_early(piece, frame):
                    listener.started(piece, frame)
            except Exception as failure:
                callback_failed(listener, failure)
            return None

        def on_call(code: CodeType, offset: int, called: object, argument: object) -> object:
            try:
                told = calls[id(code)].get(offset)
                if told is not None:
                    told(_getframe(1), called, argument)
                elif machinery[id(code)].own:
                    return disable
                else:  # in an override even an unknown call ends the phase before it
                    listener.moved(machinery[id(code)], _getframe(1))
            except Exception as failure:
                callback_failed(listener, failure)
            return None

        def on_line(code: CodeType, line: int) -> object:
            try:
                piece = machinery[id(code)]
                if line in piece.quiet_lines:
                    return disable
                frame = _getframe(1)
                # The line of a `with` or a comprehension comes again while an exception leaves it.
                if frame.f_lasti not in piece.landings:
                    listener.moved(piece, frame)
            except Exception as failure:
                callback_failed(listener, failure)
            return None

        def on_yield(code: CodeType, offset: int, value: object) -> object:
            try:
                listener.moved(machinery[id(code)], _getframe(1))
            except Exception as failure:
                callback_failed(listener, failure)
            return None

        def on_return(code: CodeType, offset: int, value: object) -> object:
            try:
                returns[id(code)](_getframe(1), value)
            except Exception as failure:
                callback_failed(listener, failure)
            return None

        def on_unwind(code: CodeType, offset: int, exception: BaseException) -> object:
            piece = machinery.get(id(code))
            if piece is not None:
                try:
                    listener.ended(piece, _getframe(1), None, exception, True)
                except Exception as failure:
                    callback_failed(listener, failure)
            return None

        return {
            events.PY_START: on_start,
            events.CALL: on_call,
            events.LINE: on_line,
            events.PY_YIELD: on_yield,
            events.PY_RETURN: on_return,
            events.PY_UNWIND: on_unwind,
        }
