"""The exceptions we raise, and the one guard that keeps our own failures out of the program."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Any

logger = logging.getLogger("pocketflow_tracing")


class _Log(logging.LoggerAdapter):  # type: ignore[type-arg]  # no generic before 3.11
    """Writes to `logger` and never raises: the handlers that run there are the program's own."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Write a line, as far as the program's handlers can."""
        try:
            super().log(level, msg, *args, **kwargs)
        except Exception:  # a broken handler or a closed stream must not reach the traced program
            pass


log = _Log(logger, {})

RECORDER = "the recorder"
"""Where a failure is said to be that happened on the program's own thread."""


class TracingError(Exception):
    """Anything this package raises on purpose."""


class ArgumentTypeError(TracingError, TypeError):
    """A function of ours was given something of a kind that it does not take."""


class ArgumentValueError(TracingError, ValueError):
    """A function of ours was given the right kind of thing, with a value that it does not take."""


class ConfigError(TracingError, ValueError):
    """A setting has a value it cannot take; the message names it, what was found, what is wanted."""


class StoreError(TracingError):
    """The local store cannot be opened, read or written; the message names the file and the reason."""


class _Unsaid(Exception):
    """Stands in for an exception whose message is not to be shown."""


_told: set[str] = set()


def tell_once(key: str, message: str) -> None:
    """Log `message` as a warning, the first time only that `key` is told in this process.

    Without any logging set up, Python's last-resort handler shows it on stderr. Never raises.
    """
    if key in _told:
        return
    _told.add(key)
    log.warning(message)


def report_failure(where: str, failure: BaseException) -> None:
    """Tell once that our own code failed at `where`; the traced program goes on untouched.

    Raises `failure` again where it is not ours: a signal handler of the program runs on top of
    whatever code is running, and what it raises is meant for the program.
    """
    if is_the_programs(failure):
        raise failure
    tell_failure(where, failure)


class _Contained:
    """A `with` block of our own code on the program's thread: what fails in it costs one line."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(failure, Exception) or is_the_programs(failure):
            return False
        tell_failure(RECORDER, failure)
        return True


contained = _Contained()


def tell_failure(where: str, failure: BaseException) -> None:
    """Tell once that something failed at `where` on the worker's thread, ours or a sink's; never raises."""
    kind = type(failure).__name__
    tell_once(
        f"failure:{where}",
        f"[TRACING] internal failure in {where}: {kind}; this run's trace may be incomplete, "
        "the program is not affected",
    )
    # Where it happened, and not what it says: that may quote a value which nobody has masked.
    log.debug("internal failure in %s", where, exc_info=_Unsaid(kind).with_traceback(failure.__traceback__))


def is_the_programs(failure: BaseException) -> bool:
    """Whether a signal handler raised `failure`: those are given the frame that they interrupt."""
    if type(failure) is KeyboardInterrupt:
        return True
    trace = failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        interrupted = trace.tb_frame
        trace = trace.tb_next
        for value in trace.tb_frame.f_locals.values():
            if value is interrupted or (type(value) is tuple and any(part is interrupted for part in value)):
                return True
    return False


def told() -> list[str]:
    """The keys of all that was told in this process."""
    return sorted(_told)


def take_as_told(keys: Iterable[str]) -> None:
    """Tell nothing of what another process has told already for this one."""
    _told.update(keys)


def forget_told() -> None:
    """Let every message be told again (a new process after a fork, a new test)."""
    _told.clear()
