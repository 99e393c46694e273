"""Many traces as a table, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Status, Trace
from .lines import MARKS, Block, Line, Segment
from .terminal import short_id
from .text import clip, duration, local_time, visible, width

MAX_NAME = 40
_TITLES = ("id", "started", "flow", "status", "duration", "nodes", "spans", "errors")
_RIGHT = {"duration", "nodes", "spans", "errors"}
_STYLES = {"id": "command", "started": "dim", "flow": "name", "duration": "dim", "errors": "error"}


class Listing(Block):
    """Traces in the order given; `counts` has the numbers of nodes and errors by trace id."""

    def __init__(self, traces: Sequence[Trace], counts: dict[str, tuple[int, int]]) -> None:
        self._traces = traces
        self._counts = counts

    def lines(self, columns: int | None = None) -> list[Line]:
        """A line of titles, and one for each trace."""
        rows = [dict(zip(_TITLES, self._row(trace), strict=True)) for trace in self._traces]
        widths = {title: max(width(title), *(width(row[title]) for row in rows)) for title in _TITLES}
        titles = [Segment(_padded(title, title, widths), "dim") for title in _TITLES]
        lines = [Line(titles)]
        for trace, row in zip(self._traces, rows, strict=True):
            styles = {**_STYLES, "status": trace.status.value}
            segments = [
                Segment(_padded(row[title], title, widths), styles.get(title, "")) for title in _TITLES
            ]
            lines.append(Line(segments))
        return lines

    def _row(self, trace: Trace) -> list[str]:
        nodes, errors = self._counts.get(trace.id, (0, 0))
        status = "running" if trace.status is Status.UNSET else trace.status.value
        return [
            short_id(trace),
            local_time(trace.start_ns),
            visible(clip(trace.name, MAX_NAME)),
            f"{MARKS[trace.status]} {status}"
            + ("" if trace.complete or trace.end_ns is None else " (incomplete)"),
            duration(trace.duration_ns),
            f"{nodes:,}",
            f"{trace.span_count:,}",
            f"{errors:,}" if errors else "",
        ]


def _padded(text: str, title: str, widths: dict[str, int]) -> str:
    gap = " " * (widths[title] - width(text))
    return (gap + text if title in _RIGHT else text + gap) + "  "
