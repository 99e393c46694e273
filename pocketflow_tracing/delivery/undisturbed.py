"""Starting threads where no signal handler can break in."""

from __future__ import annotations

import _thread
from collections.abc import Callable

from ..errors import is_the_programs, tell_failure
from .bell import Bell


def start_undisturbed(start: Callable[[], None]) -> bool:
    """Have `start` start a thread, and wait until it has; False where not even one can be had.

    A signal handler that raises inside `Thread.start()` leaves a thread that ends at once, or none,
    and nobody knows. Handlers run on the main thread only, so `start` runs on another, whose own
    start is a single step: it is there, or it is not.
    """
    begun = Bell()

    def aside() -> None:
        try:
            start()
        except BaseException as failure:
            tell_failure("the start of a thread", failure)
        finally:
            begun.ring()

    try:
        _thread.start_new_thread(aside, ())
    except RuntimeError as failure:
        if is_the_programs(failure):
            raise
        return False
    begun.wait()
    return True
