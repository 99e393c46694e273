"""The command that shows one trace as a tree."""

from __future__ import annotations

import json
import shlex

import click

from ..errors import TracingError
from ..model import Span, Trace
from ..view.index import Index
from ..view.selecting import in_trouble, slower_than, slowest
from ..view.terminal import Look, TraceTree, short_id
from ..view.text import visible
from .commands import commands
from .ending import failing_clearly
from .opened import opened_store, tell, trace_named
from .options import Slow, SlowLimit

MAX_LINES = 2_000
SLOWEST = "10"
ALL_TRACES = ("all traces", "pocketflow-tracing list")


@commands.command()
@click.argument("id", default="last", metavar="[last|ID|START OF AN ID]")
@click.option("--values", is_flag=True, help="Show inputs and outputs under each step, clipped.")
@click.option(
    "--full",
    is_flag=True,
    help="Show inputs, outputs and stack traces to their end, and every round of a loop.",
)
@click.option("--span", "name", metavar="NAME", help="Show only the steps of this name, with their values.")
@click.option("--errors", is_flag=True, help="Show only what failed, was retried, was cut short or warned.")
@click.option(
    "--slow",
    metavar="NUMBER|TIME",
    type=Slow(),
    is_flag=False,
    flag_value=SLOWEST,
    help="Show only the slowest steps, 10 unless told; or all that took so long, such as 500ms.",
)
@click.option(
    "--depth", metavar="NUMBER", type=click.IntRange(min=0), help="Show so many levels beneath the top."
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole trace as JSON.")
@failing_clearly
def show(
    id: str,
    values: bool,
    full: bool,
    name: str | None,
    errors: bool,
    slow: SlowLimit | None,
    depth: int | None,
    as_json: bool,
) -> None:
    """Show the tree of one trace; without an id, of the last one."""
    chosen = [
        option
        for option, is_given in (
            ("--span", name is not None),
            ("--errors", errors),
            ("--slow", slow is not None),
        )
        if is_given
    ]
    if as_json and (values or full or depth is not None or chosen):
        raise click.UsageError("--json prints everything; it does not go with options that choose or clip")
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} do not go together; each chooses what is shown")
    with opened_store() as store:
        trace = trace_named(store, id)
    if as_json:
        tell(json.dumps(trace.to_dict(), indent=2))
        return
    again = f"pocketflow-tracing show {short_id(trace)}{_repeated(name, errors, slow)}"
    values = values or full or name is not None
    look = Look(
        values=values,
        whole=full,
        heading=True,
        max_depth=depth,
        max_lines=None if full else MAX_LINES,
        next_step=ALL_TRACES if values else ("inputs and outputs", f"{again} --values"),
        unfold=("every round", f"{again} --full"),
        in_full=("all of each value", f"{again} --full") if values and not full else None,
    )
    tops = None if name is None else spans_named(trace, name)
    tell(TraceTree(trace, look, tops=tops, only=_only(trace, errors, slow)))


def _repeated(name: str | None, errors: bool, slow: SlowLimit | None) -> str:
    """The options that choose what is shown, as a command would repeat them."""
    if name is not None:
        return f" --span {visible(shlex.quote(name))}"
    if slow is not None:
        limit = slow.number if slow.least_ns is None else f"{slow.least_ns / 1_000_000:g}ms"
        return f" --slow {limit}"
    return " --errors" if errors else ""


def _only(trace: Trace, errors: bool, slow: SlowLimit | None) -> set[str] | None:
    """The ids of the steps to show; None for all."""
    if errors:
        found, lacking = in_trouble(Index(trace)), "failed or was retried"
    elif slow is None:
        return None
    elif slow.number is not None:
        found, lacking = slowest(Index(trace), slow.number), "has ended"
    else:
        found, lacking = slower_than(Index(trace), slow.least_ns or 0), "took so long"
    if not found:
        raise TracingError(
            f"no step of trace {short_id(trace)} {lacking}; all: pocketflow-tracing show {short_id(trace)}"
        )
    return found


def spans_named(trace: Trace, name: str) -> list[Span]:
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
