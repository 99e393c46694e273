"""The lines a tree is made of: segments of text, each with the name of a style."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..model import Status
from .text import width

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment as RichSegment


class Segment(NamedTuple):
    """A piece of a line. `style` is a name of ours, such as "error"; the output gives it a colour."""

    text: str
    style: str = ""


@dataclass(slots=True)
class Line:
    """One line. `lead` stands before it, `follow` in its place where the line has to be wrapped."""

    segments: list[Segment]
    lead: str = ""
    follow: str = ""
    duration: str = ""

    def plain(self) -> str:
        """The line without styles."""
        return (self.lead + "".join(segment.text for segment in self.segments)).rstrip()

    def width(self) -> int:
        """How many columns the line takes, its duration apart."""
        # Guides are narrow, and long where flows are nested deeply.
        return len(self.lead) + sum(width(segment.text) for segment in self.segments)


class Block(ABC):
    """Something shown as lines: `str()` gives them plain, rich gives them coloured and wrapped."""

    @abstractmethod
    def lines(self, columns: int | None = None) -> list[Line]:
        """Every line, top to bottom, laid out for `columns` where that is known."""

    def __str__(self) -> str:
        return "\n".join(line.plain() for line in self.lines())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RichSegment]:
        from .styled import styled

        return styled(self.lines(options.max_width), console, options)


class Lines(Block):
    """Lines that are made already."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = list(lines)

    def lines(self, columns: int | None = None) -> list[Line]:
        """The lines as they are."""
        return self._lines


@dataclass(slots=True)
class Entry:
    """What a span, or a note between spans, puts into the tree: its line and those that explain it.

    `steps` is how many spans it stands for.
    """

    head: list[Segment]
    duration: str = ""
    details: list[list[Segment]] = field(default_factory=list)
    steps: int = 0


MARKS = {
    Status.OK: "✓",
    Status.ERROR: "✗",
    Status.CANCELLED: "⊘",
    Status.INTERRUPTED: "‡",
    Status.UNSET: "…",
}
RECOVERED = "↻"
WARNING = "⚠"
LEADS_TO = "→"
DOT = "·"
BRANCH, LAST, PIPE, BLANK = "├─ ", "└─ ", "│  ", "   "

_ASCII = str.maketrans({
    "✓": "*", "✗": "x", "⊘": "c", "‡": "!", "↻": "r", "⚠": "!", "→": "->", "·": "-",
    "├": "|", "└": "`", "│": "|", "─": "-", "…": "...", "µ": "u", "–": "-",
})  # fmt: skip


def fitted(text: str, encoding: str | None) -> str:
    """`text` as a stream of this encoding can show it: our marks have stand-ins, the rest is escaped."""
    if encoding is None:  # a stream of text such as StringIO, which takes anything
        return text
    codec = encoding
    try:
        text.encode(codec)
        return text
    except LookupError:
        codec = "ascii"
    except UnicodeError:
        pass
    return text.translate(_ASCII).encode(codec, "backslashreplace").decode(codec)
