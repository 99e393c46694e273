"""The command that shows a trace as a page: one file, opened in the browser."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import click

from ..errors import TracingError
from ..view.page import render_page
from .browser import open_in_browser
from .commands import commands
from .ending import failing_clearly
from .opened import opened_store, tell, trace_named
from .writing import written

PAGES = ".pages"
"""What follows the name of the store in that of the folder for pages."""

KEPT_SECONDS = 24 * 3600
"""How long a page that was written beside the store is left there: it can be had again any time."""


@commands.command()
@click.argument("id", default="last", metavar="[last|ID|START OF AN ID]")
@click.option("--no-open", is_flag=True, help="Only write the page; do not open it.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Where to write it, or - for stdout; by default beside the store, for a day.",
)
@failing_clearly
def view(id: str, no_open: bool, output: Path | None) -> None:
    """Show one trace as a page in the browser, by default the last.

    The page is one file without any part elsewhere: it can be kept, sent and opened offline.
    """
    with opened_store() as store:
        trace = trace_named(store, id)
        folder = Path(store.path + PAGES)
    page = render_page(trace)
    if output is not None and str(output) == "-":
        sys.stdout.buffer.write(page.encode())
        return
    path = written(page, output if output is not None else _free_place(folder, trace.id))
    tell(f"wrote {path} ({len(page.encode()) / 1000:,.0f} kB)")
    if not no_open and not open_in_browser(path.as_uri()):
        tell(f"no browser was found here; open it yourself: {path.as_uri()}")


def _free_place(folder: Path, id: str) -> Path:
    """Where a page stands that nobody asked to keep; those of yesterday are cleared away."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as failure:
        raise TracingError(f"{folder} cannot be made: {failure.strerror}; say --output FILE") from failure
    clear_pages(folder, KEPT_SECONDS)
    return folder / f"{id}.html"


def clear_pages(folder: Path, older_than_seconds: float = 0) -> None:
    """Remove the pages that `view` wrote into `folder`."""
    until = time.time() - older_than_seconds
    for page in folder.glob(f"{'[0-9a-f]' * 32}.html"):
        with contextlib.suppress(OSError):  # somebody else removed it
            if page.stat().st_mtime <= until:
                page.unlink()
