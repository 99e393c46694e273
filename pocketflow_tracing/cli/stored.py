"""The commands that read and clear the store: list what was kept, show it, delete it."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ..errors import TracingError
from ..model import Trace
from ..store import Store
from ..view.listing import Listing
from ..view.terminal import Look, TraceTree, short_id
from ..view.text import counted, visible
from .commands import commands
from .ending import failing_clearly
from .opened import NothingFound, opened_store, tell, trace_named
from .options import Age

MAX_LINES = 2_000
MIN_DIGITS = 4
"""How much of an id names a trace to delete: what is shorter may be a number of something else."""
_TRACE_ARGUMENT = "[last|ID|START OF AN ID]"


@commands.command("list")
@click.option(
    "-n",
    "limit",
    metavar="NUMBER",
    type=click.IntRange(min=1),
    default=20,
    show_default="20",
    help="How many.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@failing_clearly
def list_traces(limit: int, as_json: bool) -> None:
    """List the kept traces, newest first."""
    with opened_store() as store:
        traces = store.traces(limit=limit)
        counts = store.counts([trace.id for trace in traces])
    if as_json:
        tell(json.dumps([_header(trace, counts) for trace in traces], indent=2))
    if not traces:
        raise NothingFound(store, quiet=as_json)
    if not as_json:
        tell(Listing(traces, counts))
        tell(f"\nlook at one: pocketflow-tracing show {short_id(traces[0])}")


def _header(trace: Trace, counts: dict[str, tuple[int, int]]) -> dict[str, Any]:
    form = trace.to_dict()
    for absent in ("spans", "graph", "input", "output"):
        del form[absent]
    nodes, errors = counts.get(trace.id, (0, 0))
    return {**form, "duration_ns": trace.duration_ns, "nodes": nodes, "errors": errors}


@commands.command()
@click.argument("id", default="last", metavar=_TRACE_ARGUMENT)
@click.option("--values", is_flag=True, help="Show inputs and outputs under each step, clipped.")
@click.option("--full", is_flag=True, help="Show inputs, outputs and stack traces to their end.")
@click.option("--span", "name", metavar="NAME", help="Show only the steps of this name, with their values.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole trace as JSON.")
@failing_clearly
def show(id: str, values: bool, full: bool, name: str | None, as_json: bool) -> None:
    """Show the tree of one trace; without an id, of the last one."""
    if as_json and (values or full or name is not None):
        raise click.UsageError("--json prints everything; it does not go with --values, --full or --span")
    with opened_store() as store:
        trace = trace_named(store, id)
    if as_json:
        tell(json.dumps(trace.to_dict(), indent=2))
        return
    values = values or full or name is not None
    look = Look(
        values=values,
        whole=full,
        heading=True,
        max_lines=None if full else MAX_LINES,
        next_step=_next_step(trace, values, full, name),
    )
    tell(TraceTree(trace, look, tops=None if name is None else spans_named(trace, name)))


def _next_step(trace: Trace, values: bool, full: bool, name: str | None) -> tuple[str, str]:
    command = f"pocketflow-tracing show {short_id(trace)}"
    if full:
        return "all traces", "pocketflow-tracing list"
    if not values:
        return "inputs and outputs", f"{command} --values"
    return "all of each value", f"{command} --full" + ("" if name is None else f" --span {_quoted(name)}")


def _quoted(name: str) -> str:
    import shlex

    return visible(shlex.quote(name))


def spans_named(trace: Trace, name: str) -> list[Any]:
    """The outermost spans of this name, node key or kind, or the one with an id that starts so."""
    wanted = name.lower()
    found: set[str] = set()
    tops = []
    for span in trace.spans:
        names = {span.name.lower(), (span.node_key or "").lower(), span.kind.value}
        if span.parent_id in found:
            found.add(span.span_id)
        elif wanted in names or (len(wanted) >= 6 and span.span_id.startswith(wanted)):
            found.add(span.span_id)
            tops.append(span)
    if not tops:
        known = sorted({span.name for span in trace.spans})
        listed = ", ".join(visible(known_name) for known_name in known[:20])
        more = f" and {len(known) - 20:,} more" if len(known) > 20 else ""
        raise TracingError(f"no step is called {visible(name)!r}; the names are {listed}{more}")
    return tops


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
    tell(f"deleted {counted(deleted, 'trace')} from {store.path}")
    if not everything:
        tell("what is left: pocketflow-tracing list")


def _make_sure(store: Store, yes: bool) -> None:
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("--all deletes every trace; add --yes to mean it")
    click.confirm(f"Delete every trace in {store.path}?", abort=True, err=True)
