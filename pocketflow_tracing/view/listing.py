"""Many traces as a table, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Status, Trace
from .lines import MARKS, Block, Line, Segment
from .terminal import short_id
from .text import clip, duration, local_time, visible, width

MAX_NAME = 40
MIN_NAME = 12
_TITLES = ("id", "started", "flow", "status", "duration", "nodes", "spans", "errors")
_RIGHT = {"duration", "nodes", "spans", "errors"}
_STYLES = {"id": "command", "started": "dim", "flow": "name", "duration": "dim", "errors": "error"}
_GAP = "  "


class Listing(Block):
    """Traces in the order given; `counts` has the numbers of nodes and errors by trace id."""

    def __init__(self, traces: Sequence[Trace], counts: dict[str, tuple[int, int]]) -> None:
        self._traces = traces
        self._counts = counts

    def lines(self, columns: int | None = None) -> list[Line]:
        """A line of titles, and one for each trace, as far as possible within `columns`."""
        rows = [dict(zip(_TITLES, self._row(trace), strict=True)) for trace in self._traces]
        widths = {title: max(width(title), *(width(row[title]) for row in rows)) for title in _TITLES}
        if not any(row["errors"] for row in rows):
            del widths["errors"]
        if columns is not None:
            _fit(widths, columns)
        titles = dict(zip(widths, widths, strict=True))
        lines = [Line(_cells(titles, widths, dict.fromkeys(titles, "dim")))]
        for trace, row in zip(self._traces, rows, strict=True):
            lines.append(Line(_cells(row, widths, {**_STYLES, "status": trace.status.value})))
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


def _fit(widths: dict[str, int], columns: int) -> None:
    """Make a table of these columns no wider than the screen, as far as names can be shortened."""
    over = _taken(widths) - columns
    if over > widths["flow"] - MIN_NAME:
        over -= widths.pop("spans") + len(_GAP)
    widths["flow"] = max(widths["flow"] - max(over, 0), min(widths["flow"], MIN_NAME))


def _taken(widths: dict[str, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _cells(row: dict[str, str], widths: dict[str, int], styles: dict[str, str]) -> list[Segment]:
    cells = []
    for title, room in widths.items():
        text = row[title] if width(row[title]) <= room else row[title][: room - 1] + "…"
        gap = " " * (room - width(text))
        cells.append(Segment(gap + text if title in _RIGHT else text + gap, styles.get(title, "")))
        cells.append(Segment(_GAP))
    return cells[:-1]
