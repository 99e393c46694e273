"""What happens inside a program that `pocketflow-tracing run` started: every flow is traced."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from ..config import resolve
from ..errors import report_failure
from ..sinks.console import ConsoleSink, write
from ..tracing import observe_process
from ..view.output import takes_colour
from ..view.text import counted


def observe(order: dict[str, Any], known: frozenset[str]) -> None:
    """Trace the whole process as `order` says; `known` are the modules that any program starts with."""
    config = resolve(None)
    if not config.enabled:
        return
    console = None if order["quiet"] else ConsoleSink(kept=config.store is not None)
    scope = observe_process(console=console, **order["keywords"])
    observed = scope.__enter__()
    process = os.getpid()

    def finish() -> None:
        try:
            scope.__exit__(None, None, None)
            left = observed.flush(config.exit_timeout)
            # A child made by fork has its parent's exit handlers, and only the parent has a say.
            if console is not None and os.getpid() == process:
                write(console.stream, f"\n{_summary(console.trace_count, config.store, left)}\n")
        except Exception as failure:
            report_failure("the end of the run", failure)

    # Before any of the program's own handlers, which therefore run before this one.
    atexit.register(finish)
    _load_what_comes_later()
    if order["folder"] is not None and not getattr(sys.flags, "safe_path", False):
        give_way(order["folder"], known)


def _summary(traces: int, store: object, left: int) -> str:
    if not traces:
        return "pocketflow-tracing: no PocketFlow flow ran, so there is nothing to show"
    if store is None:
        return f"pocketflow-tracing: {counted(traces, 'trace')} shown, none kept: the store is off"
    again = "show last" if traces == 1 else "list"
    line = f"pocketflow-tracing: {counted(traces, 'trace')} kept; again: pocketflow-tracing {again}"
    return f"{line} ({counted(left, 'record')} could not be written in time)" if left else line


def _load_what_comes_later() -> None:
    """Import now what tracing needs later, while no file of the program's can be taken for it.

    A `rich.py` beside the script would be imported, and so run, in place of the library.
    """
    import fcntl  # noqa: F401
    import sqlite3  # noqa: F401

    from ..delivery.followed import Followed  # noqa: F401
    from ..store import Store  # noqa: F401

    if sys.stderr is not None and takes_colour(sys.stderr):
        from ..view import styled  # noqa: F401


def give_way(folder: str, known: frozenset[str]) -> None:
    """Forget the modules that we imported and that the program has files of its own for.

    A script beside a `queue.py` means that one, and gets it from plain Python, unless Python needed
    the other before the script began.
    """
    try:
        entries = os.listdir(folder or ".")
    except OSError:
        return
    own = {entry.partition(".")[0] for entry in entries} - known
    for name in list(sys.modules):
        top = name.partition(".")[0]
        if top in own and top != __name__.partition(".")[0]:
            del sys.modules[name]
