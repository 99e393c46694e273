"""The exceptions we raise, and the one guard that keeps our own failures out of the program."""

from __future__ import annotations

import logging

log = logging.getLogger("pocketflow_tracing")


class TracingError(Exception):
    """Anything this package raises on purpose."""


class ConfigError(TracingError, ValueError):
    """A setting has a value it cannot take; the message names it, what was found, what is wanted."""


class StoreError(TracingError):
    """The local store cannot be opened, read or written; the message names the file and the reason."""


_told: set[str] = set()


def tell_once(key: str, message: str) -> None:
    """Log `message` as a warning, the first time only that `key` is told in this process.

    Without any logging set up, Python's last-resort handler shows it on stderr. Never raises: a
    broken handler or a closed stream must not reach the traced program.
    """
    if key in _told:
        return
    _told.add(key)
    try:
        log.warning(message)
    except Exception:  # the user's logging handlers run here
        pass


def report_failure(where: str, failure: BaseException) -> None:
    """Tell once that our own code failed at `where`; the traced program goes on untouched."""
    kind = type(failure).__name__
    tell_once(
        f"failure:{where}",
        f"[TRACING] internal failure in {where}: {kind}; this run's trace may be incomplete, "
        "the program is not affected",
    )
    log.debug("internal failure in %s", where, exc_info=failure)


def forget_told() -> None:
    """Let every message be told again (a new process after a fork, a new test)."""
    _told.clear()
