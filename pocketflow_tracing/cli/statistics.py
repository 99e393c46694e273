"""The command that sums up many traces: how often flows and nodes ran, how well, how long, at what cost."""

from __future__ import annotations

import json
from typing import Any

import click

from ..store.filters import TraceFilter
from ..store.metrics import Figures, flows
from ..store.nodes import nodes
from ..view.figures import FigureTable
from ..view.text import counted
from .commands import commands
from .ending import failing_clearly
from .filtering import NothingMatches, filtered
from .opened import NothingFound, opened_store, tell

MAX_TRACES = 10_000
"""Of how many traces the spans are read for the figures of nodes."""


@commands.command()
@filtered
@click.option("--flows", "flows_only", is_flag=True, help="Leave out the nodes.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@failing_clearly
def stats(wanted: TraceFilter, flows_only: bool, as_json: bool) -> None:
    """Sum up the kept traces per flow and node.

    Runs, the share that went well of those that are over, the median of their durations and what 95 of
    a hundred did not exceed, retries, errors, and tokens and cost of the calls of models.
    """
    with opened_store() as store:
        by_flow = flows(store, wanted)
        by_node = {} if flows_only else nodes(store, wanted, limit=MAX_TRACES)
    if as_json:
        tell(json.dumps([_form(name, by_flow[name], by_node) for name in by_flow], indent=2))
    if not by_flow:
        raise (NothingFound if wanted.is_empty else NothingMatches)(store, quiet=as_json)
    if as_json:
        return
    tell(FigureTable(by_flow, by_node))
    runs = sum(figures.runs for figures in by_flow.values())
    if runs > MAX_TRACES and by_node:
        tell(f"\nnodes: of the newest {counted(MAX_TRACES, 'trace')}")
    failed = any(figures.errors for figures in by_flow.values())
    tell(f"\n{'what failed' if failed else 'the runs'}: pocketflow-tracing list{' --status error' * failed}")


def _form(name: str, figures: Figures, by_node: dict[str, dict[str, Figures]]) -> dict[str, Any]:
    steps = [{"node": node, **found.to_dict()} for node, found in by_node.get(name, {}).items()]
    return {"flow": name, **figures.to_dict(), "nodes": steps}
