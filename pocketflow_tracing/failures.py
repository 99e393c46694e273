"""An exception as a span keeps it: told apart at once, written out later by the worker.

Nothing here holds on to the exception, its frames or their locals: a traced program frees its
objects when the untraced one does.
"""

from __future__ import annotations

import builtins
import linecache
import os
import sys
from collections.abc import Collection
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import report_failure
from .model import ErrorInfo, Status
from .values import Limits, Snapshot, snapshot
from .values.classes import inherits
from .values.saying import Said, message_of

if TYPE_CHECKING:
    from .values import Policy

MAX_FRAMES = 50
MAX_NOTES = 20
MAX_CAUSES = 10
MAX_MEMBERS = 20
MAX_LOCALS_BYTES = 16_384
MAX_LOCALS_DEPTH = 5
_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_FOLDED = "PocketFlow"
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", None)  # from 3.11 on
_traceback_of = BaseException.__dict__["__traceback__"].__get__

_Line = tuple[str, int, str]
"""File, line, function; or whose frames are left out, and how many of them."""


class _Other(NamedTuple):
    """Another exception, in one line: what stands before its message, the message, what stands after."""

    before: str
    message: Said
    after: str = ""

    def masked(self, policy: Policy) -> str:
        return self.message.masked(policy, self.before) + self.after


class Failure:
    """What a span remembers of an exception: type, message, where it came from, what it followed.

    With `limits`, the local variables of the program's innermost frame too, as they are now. Objects of
    the types that are `serialized` show no more than their class in what it says.
    """

    __slots__ = ("causes", "frames", "locals", "members", "message", "notes", "raised_in", "type")

    def __init__(
        self,
        exception: BaseException,
        raised_in: int | None,
        limits: Limits | None = None,
        serialized: Collection[type] = (),
    ) -> None:
        self.type = _type_name(exception)
        self.message = message_of(exception, serialized)
        self.raised_in = raised_in
        """The id of the span that keeps the stack trace, None where it is this one."""
        self.notes = _notes(exception)
        self.frames: list[_Line] = []
        self.causes: list[_Other] = []
        self.members: list[_Other] = []
        self.locals: Snapshot | None = None
        if raised_in is None:
            trace = _traceback_of(exception)
            self.frames = _frames(trace)
            self.causes = _causes(exception, serialized)
            self.members = _members(exception, "  ", serialized)
            if limits is not None:
                self.locals = _locals(trace, limits)

    def info(self, policy: Policy) -> ErrorInfo:
        """The model's record, masked, without the local variables; reads source lines: for the worker."""
        message = self.message.masked(policy)
        return ErrorInfo(
            type=policy.mask_text(self.type, "error.type"),
            message=policy.own_text(message, "error.message"),
            stacktrace=self._written(policy, message) if self.raised_in is None else "",
            notes=[policy.own_text(note.masked(policy), "error.notes") for note in self.notes],
            causes=[policy.own_text(cause.masked(policy), "error.causes") for cause in self.causes],
            raised_in=None if self.raised_in is None else f"{self.raised_in:016x}",
        )

    def status_message(self, policy: Policy) -> str:
        """What went wrong, masked, in one line."""
        return policy.own_text(self.message.masked(policy, f"{self.type}: "), "status_message")

    def _written(self, policy: Policy, message: str) -> str:
        lines = ["Traceback (most recent call last):"] if self.frames else []
        for file, line, function in self.frames:
            if not function:
                lines.append(f"  … {line} {'frame' if line == 1 else 'frames'} of {file}" if file else "  …")
                continue
            lines.append(f'  File "{file}", line {line}, in {function}')
            source = linecache.getline(file, line).strip()
            if source:
                lines.append(f"    {source}")
        lines.append(f"{self.type}: {message}" if message else self.type)
        lines += [member.masked(policy) for member in self.members]
        return policy.mask_text("\n".join(lines), "error.stacktrace")


def status_of(exception: BaseException) -> Status:
    """`cancelled` for what ends tasks and generators from outside, else `error`."""
    for cls in type(exception).__mro__:
        if cls is GeneratorExit or (cls.__name__, cls.__module__.partition(".")[0]) in _CANCELLATIONS:
            return Status.CANCELLED
    return Status.ERROR


_CANCELLATIONS = frozenset(
    {("CancelledError", "asyncio"), ("CancelledError", "concurrent"), ("Cancelled", "trio")}
)


def _type_name(exception: BaseException) -> str:
    return str(type.__dict__["__name__"].__get__(type(exception)))


def _causes(exception: BaseException, serialized: Collection[type]) -> list[_Other]:
    found: list[_Other] = []
    seen = {id(exception)}
    current: BaseException | None = exception
    while current is not None and len(found) < MAX_CAUSES:
        cause = BaseException.__dict__["__cause__"].__get__(current)
        if cause is None and not BaseException.__dict__["__suppress_context__"].__get__(current):
            cause = BaseException.__dict__["__context__"].__get__(current)
        if cause is None or id(cause) in seen:
            break
        seen.add(id(cause))
        found.append(_Other(f"{_type_name(cause)}: ", message_of(cause, serialized)))
        current = cause
    return found


def _notes(exception: BaseException) -> list[Said]:
    fields: Any = (
        BaseException.__dict__["__dict__"].__get__(exception) if sys.version_info >= (3, 11) else None
    )
    notes = fields.get("__notes__") if type(fields) is dict else None
    if type(notes) is not list:
        return []
    return [Said.of(note) for note in notes[:MAX_NOTES] if type(note) is str]


def _members(exception: BaseException, indent: str, serialized: Collection[type]) -> list[_Other]:
    """What the exceptions of a group are, and where each was raised, as lines under the group's own."""
    if _GROUP is None or not inherits(type(exception), _GROUP):
        return []
    found: list[_Other] = []
    members = _GROUP.exceptions.__get__(exception)
    for member in members[:MAX_MEMBERS]:
        frames = [frame for frame in _frames(_traceback_of(member)) if frame[2]]
        where = f"  ({os.path.basename(frames[-1][0])}:{frames[-1][1]})" if frames else ""
        found.append(_Other(f"{indent}- {_type_name(member)}: ", message_of(member, serialized), where))
        found += _members(member, indent + "  ", serialized)
        if len(found) >= MAX_MEMBERS:
            break
    left = len(members) - MAX_MEMBERS
    more = [_Other("", Said.of(f"{indent}… +{left} more"))] if left > 0 else []
    return found[:MAX_MEMBERS] + more


def _frames(trace: TracebackType | None) -> list[_Line]:
    """The lines from the outermost to the innermost, PocketFlow's folded, the middle of many left out."""
    frames: list[_Line] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if trace.tb_next is not None and _is_pocketflows(trace.tb_frame):
            count = frames.pop()[1] if frames and frames[-1][0] == _FOLDED else 0
            frames.append((_FOLDED, count + 1, ""))
        elif not code.co_filename.startswith(_OWN):
            frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        if len(frames) > 4 * MAX_FRAMES:
            del frames[MAX_FRAMES : 2 * MAX_FRAMES]
        trace = trace.tb_next
    if len(frames) > MAX_FRAMES:
        frames = [*frames[: MAX_FRAMES // 2], ("", 0, ""), *frames[-MAX_FRAMES // 2 :]]
    return frames


def _is_pocketflows(frame: FrameType) -> bool:
    """Whether the code is PocketFlow's, installed or copied into the program."""
    names = frame.f_globals
    name = names.get("__name__") if type(names) is dict else None
    return type(name) is str and (name == "pocketflow" or name.endswith(".pocketflow"))


def _locals(trace: TracebackType | None, limits: Limits) -> Snapshot | None:
    """The local variables of the innermost frame that is the program's own."""
    try:
        frame = _innermost(trace)
        if frame is None or (not frame.f_code.co_flags & _OPTIMIZED and type(frame.f_locals) is not dict):
            return None  # the body of a class whose metaclass made a mapping of its own
        kept = {
            name: value
            for name, value in frame.f_locals.items()
            if type(name) is str and not name.startswith(("__", "."))
        }
        smaller = Limits(
            min(limits.max_depth, MAX_LOCALS_DEPTH),
            min(limits.max_bytes, MAX_LOCALS_BYTES),
            limits.serializers,
        )
        return snapshot(kept, smaller)
    except Exception as failure:
        report_failure("values.locals", failure)
        return None


_OPTIMIZED = 1
"""The flag of code whose local variables are those of a function."""


def _innermost(trace: TracebackType | None) -> FrameType | None:
    found: FrameType | None = None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        is_librarys = file.startswith((_STDLIB, _OWN, "<frozen")) or "-packages" + os.sep in file
        if not is_librarys and not _is_pocketflows(trace.tb_frame):
            found = trace.tb_frame
        trace = trace.tb_next
    return found
