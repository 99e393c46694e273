"""What every probe does: turn events of the interpreter into calls of a listener."""

from __future__ import annotations

from types import CodeType, FrameType
from typing import Protocol

from ..anatomy import Call, Machinery
from ..errors import RECORDER, report_failure
from ..ordinary import Called, Returned


class Listener(Protocol):
    """Who is told; in this package, the recorder. No `Exception` it raises reaches the program."""

    def listeners(self, piece: Machinery) -> tuple[dict[int, Called], Returned]:
        """Who is told of the calls of `piece`, by offset, and of its return, by a probe that sees both."""

    def starts_early(self, piece: Machinery, frame: FrameType) -> bool:
        """Whether the start of `frame` matters, though `piece` is lazy."""

    def started(self, piece: Machinery, frame: FrameType) -> None:
        """`frame` began to run `piece`."""

    def calling(
        self, piece: Machinery, frame: FrameType, call: Call, code: CodeType | None, argument: object
    ) -> None:
        """`frame` makes `call` and so enters `code`, if Python; `argument` is the first, if known."""

    def moved(self, piece: Machinery, frame: FrameType) -> None:
        """`frame` came to another line, or yielded an item."""

    def ended(
        self,
        piece: Machinery,
        frame: FrameType,
        value: object,
        exception: BaseException | None,
        failed: bool,
    ) -> None:
        """`frame` ended: it returned `value`, or `failed` by `exception`, None where none was seen."""

    def callee_returned(self, frame: FrameType, value: object) -> None:
        """What `frame` called returned."""

    def callee_raised(self, frame: FrameType, exception: BaseException | None) -> None:
        """What `frame` called raised."""

    def failed(self, *, is_ours: bool) -> None:
        """One of these calls was cut short, by a bug of ours or for want of stack or memory."""


class Probe(Protocol):
    """A source of events. It watches from `start` to `stop` and leaves nothing behind."""

    was_hit: bool
    """Whether an exception of a signal handler's came out of a callback, and so ended what ran."""

    def start(self, *, every_thread: bool) -> bool:
        """Begin to watch; False, told once, where that is not possible."""

    def join(self) -> None:
        """Watch in this thread too, where that takes a step of its own."""

    def stop(self) -> None:
        """Watch no more."""

    def watch(self, pieces: list[Machinery]) -> None:
        """Watch these too, from now on."""

    def is_lost(self) -> bool:
        """Whether another tool has taken our place, so that no events arrive any more."""


def callback_failed(listener: Listener, failure: Exception) -> None:
    """Tell once that a callback failed, and let the listener begin anew.

    Near the recursion limit, or out of memory, a callback may well fail: what it would have said
    is missing, and nothing more.
    """
    try:
        is_ours = not isinstance(failure, (RecursionError, MemoryError))
        if is_ours:
            report_failure(RECORDER, failure)
        listener.failed(is_ours=is_ours)
    except RecursionError:
        pass
    except Exception as another:  # a second bug, or the program's, which is told apart there
        report_failure(RECORDER, another)
