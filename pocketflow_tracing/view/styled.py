"""Lines of a tree as rich shows them: coloured, and wrapped without breaking the guides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from .lines import Line
from .text import width

STYLES = {
    "ok": "green", "error": "bold red", "recovered": "yellow", "cancelled": "yellow",
    "interrupted": "bold yellow", "unset": "cyan", "warning": "bold yellow", "hint": "yellow",
    "name": "bold", "kind": "cyan", "action": "magenta", "added": "green", "changed": "yellow",
    "removed": "red", "value": "", "label": "cyan", "dim": "dim", "command": "bold cyan",
}  # fmt: skip
_PARSED = {name: Style.parse(style) for name, style in STYLES.items()} | {"": Style.null()}
_MIN_ROOM = 20


def styled(lines: Iterable[Line], console: Console, options: ConsoleOptions) -> Iterator[Segment]:
    """The segments of `lines` for `console`, none wider than it unless its guides are already."""
    for line in lines:
        too_deep = len(line.lead) + _MIN_ROOM > options.max_width
        if too_deep or line.width() <= options.max_width:
            # Most lines fit; going through Text would take ten times as long.
            yield Segment(line.lead, _PARSED["dim"])
            yield from (Segment(part.text, _PARSED[part.style]) for part in line.segments)
            yield Segment.line()
        else:
            for part in _wrapped(line, console, options):
                yield from part.render(console, end="\n")


def _wrapped(line: Line, console: Console, options: ConsoleOptions) -> Iterator[Text]:
    content = Text.assemble(*((part.text, _PARSED[part.style]) for part in line.segments))
    room = max(options.max_width - max(width(line.lead), width(line.follow)), _MIN_ROOM)
    for number, part in enumerate(content.wrap(console, room)):
        yield Text.assemble((line.follow if number else line.lead, "dim"), part)
