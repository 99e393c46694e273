"""The lines of a tree on a terminal and elsewhere."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console
from view_support import support_flow

from pocketflow_tracing.view.output import rendered
from pocketflow_tracing.view.terminal import Look, TraceTree


def test_rich_wraps_long_lines_between_the_guides():
    """On a narrow terminal no line is longer than the screen, and no text is lost."""
    trace = support_flow().trace()
    console = Console(file=io.StringIO(), force_terminal=True, width=46, no_color=True, color_system=None)

    with console.capture() as capture:
        console.print(TraceTree(trace, Look(folded=True)))
    lines = capture.get().splitlines()

    assert max(len(line.rstrip()) for line in lines) <= 46
    start = next(number for number, line in enumerate(lines) if "+classification" in line)
    assert [line.rstrip() for line in lines[start : start + 3]] == [
        '│  │  +classification {"category":',
        '│  │    "billing"}  ~steps [30 items] → [31',
        "│  │    items]  ~count 1 → 2  -draft",
    ]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        (Terminal(), {"TERM": "xterm-256color"}, True),
        (Terminal(), {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm-256color"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    stream: io.StringIO, environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
):
    """Escape sequences reach neither a file, nor a dumb terminal, nor who asked for none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert ("\x1b[" in rendered(TraceTree(support_flow().trace()), stream)) is coloured


def test_lines_are_plain_once_rich_is_a_file_of_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` gives the name back; importing more of the library would run that file."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in rendered(TraceTree(support_flow().trace()), Terminal())
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    assert "\x1b[" not in rendered(TraceTree(support_flow().trace()), Terminal())
    assert "rich" not in sys.modules
