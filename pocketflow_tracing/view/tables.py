"""Tables of text: columns as wide as what is in them, and narrower where the screen is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .lines import Line, Segment
from .text import width

_GAP = "  "


class Column(NamedTuple):
    """A column, in `style`. One that is not `needed` is left out where it is empty.

    On a narrow screen, columns that have `gives_way` go, 1 before 2 and then from the left, and those
    with a `least` width are shortened to that.
    """

    title: str
    style: str = ""
    right: bool = False
    needed: bool = True
    gives_way: int = 0
    least: int | None = None


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    styles: Sequence[dict[str, str]] | None = None,
    room: int | None = None,
) -> list[Line]:
    """A line of titles and one for each row, within `room` as far as possible.

    `styles` has, for each row, styles by title that count in place of the column's.
    """
    places = [
        place for place, column in enumerate(columns) if column.needed or any(row[place] for row in rows)
    ]
    widths = {
        place: max(width(columns[place].title), *(width(row[place]) for row in rows), 0) for place in places
    }
    if room is not None:
        _fit(columns, widths, room)
    lines = [Line(_cells(columns, widths, [column.title for column in columns], None))]
    for number, row in enumerate(rows):
        lines.append(Line(_cells(columns, widths, row, styles[number] if styles else {})))
    return lines


def _fit(columns: Sequence[Column], widths: dict[int, int], room: int) -> None:
    """Make the columns no wider in all than the screen, as far as they can be shortened."""
    shrinkable = [place for place in widths if columns[place].least is not None]
    spare = sum(max(widths[place] - (columns[place].least or 0), 0) for place in shrinkable)
    giving = [place for place in widths if columns[place].gives_way]
    for place in sorted(giving, key=lambda place: columns[place].gives_way):
        if _taken(widths) - spare > room:
            del widths[place]
    for place in shrinkable:
        over = max(_taken(widths) - room, 0)
        widths[place] = max(widths[place] - over, min(widths[place], columns[place].least or 0))


def _taken(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _cells(
    columns: Sequence[Column], widths: dict[int, int], row: Sequence[str], styles: dict[str, str] | None
) -> list[Segment]:
    cells = []
    for place, room in widths.items():
        column = columns[place]
        text = row[place] if width(row[place]) <= room else _shortened(row[place], room)
        gap = " " * (room - width(text))
        style = "dim" if styles is None else styles.get(column.title, column.style)
        cells.append(Segment(gap + text if column.right else text + gap, style))
        cells.append(Segment(_GAP))
    return cells[:-1]


def _shortened(text: str, room: int) -> str:
    """As much of `text` as has room; of a path its end, which tells it from its neighbours."""
    if "/" not in text:
        return text[: room - 1] + "…"
    margin = text[: len(text) - len(text.lstrip())]
    return f"{margin}…{text[len(margin) + 1 - room :]}"
