"""The commands that list and clear the store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import TracingError
from ..store import Store
from ..store.filters import TraceFilter
from ..store.queries import Summary, page
from ..store.rows import COUNTS
from ..view.listing import Listing
from ..view.terminal import short_id
from ..view.text import counted, visible
from .commands import commands
from .ending import failing_clearly
from .filtering import NothingMatches, filtered
from .opened import NothingFound, opened_store, tell, trace_named
from .options import Age
from .viewing import PAGES, clear_pages

MIN_DIGITS = 4
"""How much of an id names a trace to delete: what is shorter may be a number of something else."""


@commands.command("list")
@filtered
@click.option(
    "-n", "--limit", metavar="NUMBER", type=click.IntRange(min=1), default=20, show_default=True,
    help="How many at most.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@failing_clearly
def list_traces(wanted: TraceFilter, limit: int, as_json: bool) -> None:
    """List the kept traces, newest first."""
    with opened_store() as store:
        found = page(store, wanted, limit=limit)
    if as_json:
        tell(json.dumps([_header(summary) for summary in found.summaries], indent=2))
    if not found.summaries:
        raise (NothingFound if wanted.is_empty else NothingMatches)(store, quiet=as_json)
    if not as_json:
        tell(Listing([(summary.trace, summary.tally) for summary in found.summaries]))
        tell(f"\nlook at one: pocketflow-tracing show {short_id(found.summaries[0].trace)}")
        if found.older is not None:
            tell(f"there are older ones: -n {2 * limit}")


def _header(summary: Summary) -> dict[str, Any]:
    form = summary.trace.to_dict()
    for absent in ("spans", "graph", "input", "output"):
        del form[absent]
    counts = {name: getattr(summary.tally, name) for name in COUNTS}
    return {**form, "duration_ns": summary.trace.duration_ns, **counts}


@commands.command()
@click.argument("ids", nargs=-1, metavar="[ID…]")
@click.option(
    "--older-than", type=Age(), metavar="AGE", help="Delete what began longer ago, such as 30d or 12h."
)
@click.option("--all", "everything", is_flag=True, help="Delete every trace.")
@click.option("--yes", is_flag=True, help="Do not ask before --all.")
@failing_clearly
def delete(ids: tuple[str, ...], older_than: float | None, everything: bool, yes: bool) -> None:
    """Delete traces by id or start of one, by age, or all."""
    if [bool(ids), older_than is not None, everything].count(True) != 1:
        raise click.UsageError("say what to delete: ids, --older-than AGE, or --all")
    for id in ids:
        if len(id) < MIN_DIGITS:
            wanted = f"give the whole id or its first {MIN_DIGITS} digits at least"
            raise click.UsageError(f"{visible(id)!r} is too short to delete by; {wanted}")
    with opened_store() as store:
        if everything:
            _make_sure(store, yes)
            deleted = store.delete_all()
        elif older_than is not None:
            deleted = store.delete_older_than(older_than)
        else:
            deleted = store.delete([trace_named(store, id).id for id in ids])
    if not deleted:
        raise TracingError(f"nothing to delete in {store.path}")
    clear_pages(Path(store.path + PAGES))  # they hold what was deleted, and can be had again
    tell(f"deleted {counted(deleted, 'trace')} from {store.path}")
    if not everything:
        tell("what is left: pocketflow-tracing list")


def _make_sure(store: Store, yes: bool) -> None:
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("--all deletes every trace; add --yes to mean it")
    click.confirm(f"Delete every trace in {store.path}?", abort=True, err=True)
