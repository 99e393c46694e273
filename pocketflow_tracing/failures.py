"""An exception as a span keeps it: told apart at once, written out later by the worker.

Nothing here holds on to the exception, its frames or their locals: a traced program frees its
objects when the untraced one does.
"""

from __future__ import annotations

import linecache
import os
import sys
from types import TracebackType
from typing import Any

from .errors import is_the_programs
from .model import ErrorInfo, Status

MAX_FRAMES = 50
MAX_MESSAGE = 4_096
_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Failure:
    """What a span remembers of an exception: type, message, where it came from, what it followed."""

    __slots__ = ("causes", "frames", "message", "notes", "raised_in", "type")

    def __init__(self, exception: BaseException, raised_in: int | None) -> None:
        self.type = _type_name(exception)
        self.message = message_of(exception)
        self.raised_in = raised_in
        """The id of the span that keeps the stack trace, None where it is this one."""
        inner = raised_in is None
        self.frames = _frames(BaseException.__dict__["__traceback__"].__get__(exception)) if inner else []
        self.causes = _causes(exception) if inner else []
        self.notes = _notes(exception)

    def info(self) -> ErrorInfo:
        """The model's record; reads source lines, so it is for the worker."""
        return ErrorInfo(
            type=self.type,
            message=self.message,
            stacktrace=_written(self.frames, self.type, self.message) if self.raised_in is None else "",
            notes=self.notes,
            causes=self.causes,
            raised_in=None if self.raised_in is None else f"{self.raised_in:016x}",
        )


def status_of(exception: BaseException) -> Status:
    """`cancelled` for what ends tasks and generators from outside, else `error`."""
    for cls in type(exception).__mro__:
        if cls is GeneratorExit or (cls.__name__, cls.__module__.partition(".")[0]) in _CANCELLATIONS:
            return Status.CANCELLED
    return Status.ERROR


_CANCELLATIONS = frozenset(
    {("CancelledError", "asyncio"), ("CancelledError", "concurrent"), ("Cancelled", "trio")}
)


def message_of(exception: BaseException) -> str:
    """`str(exception)`, clipped; `<unprintable X>` where that fails.

    The one place where a method of a program's type runs: an exception with a `__str__` of its own
    has no other text, and the program's own traceback would call it just so.
    """
    try:
        text = str(exception)
    except BaseException as failure:
        if is_the_programs(failure):
            raise
        return f"<unprintable {_type_name(exception)}>"
    if type(text) is not str:
        text = str.__str__(text)
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}… +{len(text) - MAX_MESSAGE} more"


def _type_name(exception: BaseException) -> str:
    return str(type.__dict__["__name__"].__get__(type(exception)))


def _causes(exception: BaseException) -> list[str]:
    found: list[str] = []
    seen = {id(exception)}
    current: BaseException | None = exception
    while current is not None and len(found) < 10:
        cause = BaseException.__dict__["__cause__"].__get__(current)
        if cause is None and not BaseException.__dict__["__suppress_context__"].__get__(current):
            cause = BaseException.__dict__["__context__"].__get__(current)
        if cause is None or id(cause) in seen:
            break
        seen.add(id(cause))
        found.append(f"{_type_name(cause)}: {message_of(cause)}")
        current = cause
    return found


def _notes(exception: BaseException) -> list[str]:
    fields: Any = (
        BaseException.__dict__["__dict__"].__get__(exception) if sys.version_info >= (3, 11) else None
    )
    notes = fields.get("__notes__") if type(fields) is dict else None
    return [note[:MAX_MESSAGE] for note in notes[:20] if type(note) is str] if type(notes) is list else []


def _frames(trace: TracebackType | None) -> list[tuple[str, int, str]]:
    """(file, line, function) from the outermost to the innermost, the middle of long ones left out."""
    frames: list[tuple[str, int, str]] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_OWN):
            frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        if len(frames) > 4 * MAX_FRAMES:
            del frames[MAX_FRAMES : 2 * MAX_FRAMES]
        trace = trace.tb_next
    if len(frames) > MAX_FRAMES:
        frames = [*frames[: MAX_FRAMES // 2], ("…", 0, "…"), *frames[-MAX_FRAMES // 2 :]]
    return frames


def _written(frames: list[tuple[str, int, str]], kind: str, message: str) -> str:
    lines = ["Traceback (most recent call last):"] if frames else []
    for file, line, function in frames:
        if not line:
            lines.append("  …")
            continue
        lines.append(f'  File "{file}", line {line}, in {function}')
        source = linecache.getline(file, line).strip()
        if source:
            lines.append(f"    {source}")
    lines.append(f"{kind}: {message}" if message else kind)
    return "\n".join(lines)
