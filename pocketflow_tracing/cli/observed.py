"""What happens inside a program that `pocketflow-tracing run` started: every flow is traced."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from ..bridge import is_sent
from ..config import TracingConfig, resolve
from ..delivery import delivery
from ..errors import report_failure, take_as_told
from ..model import Trace
from ..sinks.console import ConsoleSink, write
from ..tracing import observe_process
from ..view.output import is_live_terminal, takes_colour
from ..view.text import counted
from .counting import SharedCount
from .delivered import delivered

LIBRARIES = frozenset(
    {"certifi", "dotenv", "google", "markdown_it", "mdurl", "opentelemetry", "pygments", "rich", "urllib3"}
)
"""What tracing may import while the program runs, beside the standard library."""


def observe(order: dict[str, Any], known: frozenset[str]) -> None:
    """Trace the whole process as `order` says; `known` are the modules that any program starts with."""
    take_as_told(order["told"])
    config = resolve(None)
    if not config.enabled:
        return
    shown = None if order["quiet"] else _Shown(config)
    scope = observe_process(console=shown, **order["keywords"])
    scope.__enter__()
    delivery.shipper.wants_urls = shown is not None
    process = os.getpid()

    def finish() -> None:
        try:
            scope.__exit__(None, None, None)
            left = delivery.flush(config.exit_timeout, ships=False)
            # A child made by fork has its parent's exit handlers, and only the parent has a say.
            if shown is not None and os.getpid() == process:
                lines = [shown.summary(left), *delivered(delivery.shipper)]
                write(shown.stream, "\n" + "\n".join(lines) + "\n")
        except Exception as failure:
            report_failure("the end of the run", failure)

    # Before any of the program's own handlers, which therefore run before this one.
    atexit.register(finish)
    if order["folder"] is not None and not getattr(sys.flags, "safe_path", False):
        found = _names_in(order["folder"])
        give_way({name: is_package for name, is_package in found.items() if name not in known}, config)


def _none(config: TracingConfig) -> str:
    """Why no run ended, as far as it is known."""
    if config.sample_rate < 1:
        rate = f"sample_rate is {config.sample_rate:g}"
        return f"no PocketFlow flow was seen, or none chosen to be traced ({rate})"
    return "no PocketFlow flow was seen"


class _Shown(ConsoleSink):
    """The console of a run, which counts the traces of this process and of those it forks."""

    def __init__(self, config: TracingConfig) -> None:
        super().__init__(kept=lambda: self._is_kept, live=_is_watched())
        self._config = config
        self._is_kept = False
        self._ended, self._kept_count = SharedCount(), SharedCount()

    def trace_ended(self, trace: Trace) -> None:
        """Count a run that ended, and print its tree."""
        self._is_kept = self._config.store is not None and delivery.is_kept(self._config)
        self._ended.add(1)
        self._kept_count.add(self._is_kept)
        super().trace_ended(trace)

    def summary(self, left: int) -> str:
        """The last line of a run, with `left` records that are still not written."""
        ended, kept = self._ended.total(), self._kept_count.total()
        if not ended:
            return f"pocketflow-tracing: {_none(self._config)}, so there is nothing to show"
        off = self._config.store is None
        if not (off or left):
            kept = ended  # what could not be written when its run ended has been written since
        again = "again: pocketflow-tracing " + ("show last" if kept == 1 else "list")
        if kept == ended:
            line = f"pocketflow-tracing: {counted(kept, 'trace')} kept; {again}"
            return f"{line} ({counted(left, 'record')} could not be written in time)" if left else line
        why = "the store is off" if off else "the store could not be used"
        line = f"pocketflow-tracing: {counted(ended, 'trace')} shown, {kept or 'none'} kept: {why}"
        return f"{line}; {again}" if kept else line


def _is_watched() -> bool:
    """Whether somebody sees stderr while stdout goes elsewhere: nothing else tells them what goes on."""
    if sys.stderr is None or not is_live_terminal(sys.stderr):
        return False
    try:
        return sys.stdout is not None and not sys.stdout.isatty()
    except ValueError:  # closed
        return False


def give_way(own: dict[str, bool], config: TracingConfig) -> None:
    """Leave the names of modules to the program that has files or packages of its `own` for them.

    A script beside a `queue.py` means that one, and gets it from plain Python, unless Python needed
    the other before the script began. What we need of the others later is imported now, since a
    `rich.py` beside the script would be imported, and so run, in place of the library.
    """
    if own.keys() & (sys.stdlib_module_names | LIBRARIES):
        _load_what_comes_later()
        if is_sent(config):
            _load_what_sends()
    for name in list(sys.modules):
        top, _, inner = name.partition(".")
        # Some libraries import from within themselves later on, and a file has nothing of that name.
        stays = inner and top in LIBRARIES and not own.get(top)
        if top in own and not stays and top != __name__.partition(".")[0]:
            del sys.modules[name]


def _names_in(folder: str) -> dict[str, bool]:
    """What a program in `folder` can import from it, and whether there may be more within."""
    try:
        with os.scandir(folder or ".") as entries:
            return {entry.name.partition(".")[0]: entry.is_dir() for entry in entries}
    except OSError:
        return {}


def _load_what_comes_later() -> None:
    import fcntl  # noqa: F401
    import sqlite3  # noqa: F401

    from ..config.libraries import taken_from
    from ..delivery.followed import Followed  # noqa: F401
    from ..store import Store  # noqa: F401

    taken_from("dotenv", "dotenv_values")
    taken_from("pathlib", "Path")
    if sys.stderr is not None and takes_colour(sys.stderr):
        from ..view import styled  # noqa: F401


def _load_what_sends() -> None:
    """Only where something is sent: it takes a while, which is then taken from delivery."""
    import certifi  # noqa: F401

    from ..delivery.shipping import batches, courier  # noqa: F401
    from ..sinks.langfuse import api, observations  # noqa: F401
    from ..sinks.otlp import encoding, sending, spans, splitting  # noqa: F401
