"""Many traces as a table, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Status, Trace
from ..tally import Tally
from .lines import MARKS, Block, Line
from .tables import Column, table
from .terminal import short_id
from .text import clip, duration, local_time, money, visible

MAX_NAME = 40
MIN_NAME = 12
_COLUMNS = (
    Column("id", "command"),
    Column("started", "dim", gives_way=3),
    Column("flow", "name", least=MIN_NAME),
    Column("status"),
    Column("duration", "dim", right=True),
    Column("nodes", right=True, gives_way=2),
    Column("spans", right=True, gives_way=1),
    Column("retries", "recovered", right=True, needed=False, gives_way=1),
    Column("errors", "error", right=True, needed=False),
    Column("tokens", right=True, needed=False, gives_way=1),
    Column("cost", right=True, needed=False),
)


class Listing(Block):
    """Traces in the order given, each with the counts of its spans."""

    def __init__(self, traces: Sequence[tuple[Trace, Tally]]) -> None:
        self._traces = traces

    def lines(self, columns: int | None = None) -> list[Line]:
        """A line of titles, and one for each trace, as far as possible within `columns`."""
        rows = [_row(trace, tally) for trace, tally in self._traces]
        styles = [{"status": trace.status.value} for trace, _ in self._traces]
        return table(_COLUMNS, rows, styles, columns)


def _row(trace: Trace, tally: Tally) -> list[str]:
    # Its spans are counted as a trace ends; until then, 0 would be untrue.
    is_counted = trace.end_ns is not None
    return [
        short_id(trace),
        local_time(trace.start_ns),
        visible(clip(trace.name, MAX_NAME)),
        state(trace),
        duration(trace.duration_ns),
        *(f"{number:,}" if number or is_counted else "" for number in (tally.nodes, trace.span_count)),
        *(f"{number:,}" if number else "" for number in (tally.retries, tally.errors, tally.tokens)),
        money(tally.cost) if tally.cost else "",
    ]


def state(trace: Trace) -> str:
    """How a trace ended, in a word after its mark."""
    status = "running" if trace.status is Status.UNSET else trace.status.value
    lacking = "" if trace.complete or trace.end_ns is None else " (incomplete)"
    return f"{MARKS[trace.status]} {status}{lacking}"
