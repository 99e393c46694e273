"""Lines as text for a certain stream: coloured on a terminal, plain lines everywhere else."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from .lines import MARKS, Block, fitted


def rendered(block: Block, stream: TextIO) -> str:
    """The lines as `stream` can show it, without a line break at its end."""
    if not takes_colour(stream) or _gave_rich_away():
        return fitted(str(block), getattr(stream, "encoding", None))
    from rich.console import Console

    console = Console(file=stream, force_terminal=True, force_jupyter=False, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(block, end="")
    return fitted(capture.get().rstrip("\n"), getattr(stream, "encoding", None))


def takes_colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that may be written to in colour."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except (ValueError, AttributeError, OSError):  # closed, or a stand-in without the method
        return False


def is_live_terminal(stream: TextIO) -> bool:
    """Whether lines on `stream` can be drawn again in place, in our own characters."""
    if os.environ.get("TERM") in (None, "", "dumb", "unknown"):
        return False
    marks = "".join(MARKS.values())
    try:
        return stream.isatty() and fitted(marks, stream.encoding) == marks
    except (ValueError, AttributeError, OSError):
        return False


def _gave_rich_away() -> bool:
    """Whether `run` loaded rich and gave its name back to a file of the program's.

    Importing any more of rich would import, and so run, that file.
    """
    return f"{__package__}.styled" in sys.modules and "rich.console" not in sys.modules
