"""The command that serves the dashboard."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import click

from ..config import TracingConfig
from ..errors import TracingError
from ..server.serving import DEFAULT_PORT, serve
from ..store import Store
from ..store.completing import completed
from .browser import open_in_browser
from .commands import commands
from .ending import failing_clearly
from .opened import tell


@commands.command("ui")
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(min=0, max=65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to serve it on 127.0.0.1; 0 takes a free port.",
)
@click.option("--no-open", is_flag=True, help="Open no browser.")
@click.option(
    "--store",
    "path",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Show the traces of this file instead of those of the settings.",
)
@failing_clearly
def ui(port: int, no_open: bool, path: Path | None) -> None:
    """Show the kept traces in the browser, also while they run.

    There are lists, sessions, metrics and comparisons. The dashboard is for you on this machine only,
    and changes nothing. Ctrl-C ends it.
    """
    chosen = path or TracingConfig.from_env().store
    if chosen is None:
        raise TracingError("the trace store is off (POCKETFLOW_TRACING_STORE); name a file with --store")
    _bring_up_to_date(chosen)
    serve(chosen, port, lambda address: _started(address, chosen, opens=not no_open))


def _bring_up_to_date(path: Path) -> None:
    """Let a store of an older version become one of this version: the dashboard itself never writes."""
    if path.exists():
        with closing(Store(path)) as store, completed(store):
            pass


def _started(address: str, store: Path, *, opens: bool) -> None:
    tell(f"the dashboard is at {address}\ntraces: {store}\nend it: Ctrl-C")
    if opens:
        # Some browsers are waited for, and ask for the page meanwhile.
        threading.Thread(target=_open, args=(address,), daemon=True).start()


def _open(address: str) -> None:
    if not open_in_browser(address):
        tell("no browser was found here; open it yourself")
