"""Figures of flows and nodes as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from .lines import Block, Line
from .tables import Column, table
from .text import clip, duration, money, visible

MAX_NAME = 60
_COLUMNS = (
    Column("flow and node", "name", least=16),
    Column("runs", right=True),
    Column("success", right=True),
    Column("p50", "dim", right=True),
    Column("p95", "dim", right=True),
    Column("running", right=True, needed=False, gives_way=1),
    Column("retries", "recovered", right=True, needed=False),
    Column("errors", "error", right=True, needed=False),
    Column("tokens", right=True, needed=False, gives_way=1),
    Column("cost", right=True, needed=False),
)


class RunFigures(Protocol):
    """What the table shows of some runs."""

    retries: int
    errors: int
    tokens: int
    cost: float

    @property
    def runs(self) -> int:
        """How many there were."""

    @property
    def running(self) -> int:
        """How many of them go on."""

    @property
    def success_rate(self) -> float | None:
        """The share that went well, from 0 to 1."""

    def percentile_ns(self, percent: float) -> int | None:
        """What so many percent of the durations did not exceed."""


class FigureTable(Block):
    """The figures of each flow, and beneath it those of its nodes."""

    def __init__(
        self, flows: Mapping[str, RunFigures], nodes: Mapping[str, Mapping[str, RunFigures]]
    ) -> None:
        self._flows = flows
        self._nodes = nodes

    def lines(self, columns: int | None = None) -> list[Line]:
        """A line of titles, then one for each flow and node, as far as possible within `columns`."""
        labelled = list(self._labelled())
        rows = [_row(label, figures) for label, figures, _ in labelled]
        styles = [{"flow and node": "" if is_node else "name"} for _, _, is_node in labelled]
        return table(_COLUMNS, rows, styles, columns)

    def _labelled(self) -> Iterator[tuple[str, RunFigures, bool]]:
        for name, figures in self._flows.items():
            yield visible(clip(name, MAX_NAME)), figures, False
            for node, found in self._nodes.get(name, {}).items():
                yield "  " + visible(clip(node, MAX_NAME)), found, True


def _row(label: str, figures: RunFigures) -> list[str]:
    rate = figures.success_rate
    return [
        label,
        f"{figures.runs:,}",
        "" if rate is None else percent(rate),
        duration(figures.percentile_ns(50)),
        duration(figures.percentile_ns(95)),
        f"{figures.running:,}" if figures.running else "",
        *(f"{number:,}" if number else "" for number in (figures.retries, figures.errors, figures.tokens)),
        money(figures.cost) if figures.cost else "",
    ]


def percent(rate: float) -> str:
    """A share in percent; 100 % and 0 % only where it is all or nothing.

    >>> percent(0.9996)
    '99.9 %'
    """
    if rate in (0, 1):
        return f"{rate:.0%}".replace("%", " %")
    return f"{min(max(rate * 100, 0.1), 99.9):.1f} %"
