"""The command that puts two traces side by side."""

from __future__ import annotations

import json

import click

from ..errors import TracingError
from ..model import Trace
from ..store import Store
from ..store.filters import TraceFilter
from ..store.queries import page
from ..view.compared import ComparedTraces
from ..view.comparison import compare as compared
from ..view.terminal import short_id
from .commands import commands
from .ending import failing_clearly
from .opened import opened_store, tell, trace_named


@commands.command()
@click.argument("a", required=False, metavar="[ID]")
@click.argument("b", required=False, metavar="[ID]")
@click.option("--full", is_flag=True, help="Show every step, and all of each value that differs.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@failing_clearly
def compare(a: str | None, b: str | None, full: bool, as_json: bool) -> None:
    """Compare two traces, step by step.

    What differs in status, action, attempts, changes, results and durations. With one id, that trace is
    compared with the one before it of the same flow; without any, the last.
    """
    if as_json and full:
        raise click.UsageError("--json prints everything; it does not go with --full")
    with opened_store() as store:
        second = trace_named(store, b or a or "last")
        first = trace_named(store, a) if a and b else _before(store, second)
    comparison = compared(first, second)
    if as_json:
        tell(json.dumps(comparison.to_dict(), indent=2))
        return
    tell(ComparedTraces(comparison, full))
    ids = f"{short_id(first)} {short_id(second)}"
    if full:
        tell(f"one of them: pocketflow-tracing show {short_id(second)}")
    else:
        tell(f"every step and all of each value: pocketflow-tracing compare {ids} --full")


def _before(store: Store, trace: Trace) -> Trace:
    """The trace of the same flow that began last before this one."""
    earlier = TraceFilter(name=trace.name, until_ns=trace.start_ns)
    found = [one.trace for one in page(store, earlier, limit=20).summaries if one.trace.name == trace.name]
    if not found:
        raise TracingError(
            f"there is no earlier trace of {trace.name} to compare {short_id(trace)} with; "
            "name two: pocketflow-tracing compare ID ID"
        )
    return store.load(found[0].id)
