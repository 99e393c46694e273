"""Traces inside a notebook: each as its page, in a frame that may do nothing but show it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..model import Trace
from .page import render_page
from .text import visible

HEIGHT_PIXELS = 600
MAX_VALUE_BYTES = 2_000_000
"""How much of its values goes into the notebook, which is saved with it."""

MAX_TRACES = 3


def framed(trace: Trace) -> str:
    """The page of a trace as a piece of HTML.

    The frame is sandboxed: its scripts have no address, no storage and no way to the notebook.
    """
    page = escape(render_page(trace, max_value_bytes=MAX_VALUE_BYTES))
    return (
        f'<iframe title="Trace of {escape(visible(trace.name))}" '
        f'sandbox="allow-scripts" allow="clipboard-write" '
        f'style="width:100%;height:{HEIGHT_PIXELS}px;border:1px solid #8884;border-radius:8px" '
        f'srcdoc="{page}"></iframe>'
    )


def all_framed(traces: Sequence[Trace]) -> str:
    """The last few of these traces, each in its frame, and how many more there are."""
    if not traces:
        return "<p>No run has ended in this scope yet.</p>"
    shown = traces[-MAX_TRACES:]
    more = len(traces) - len(shown)
    note = f"<p>The last {len(shown)} of {len(traces)} traces:</p>" if more else ""
    return note + "".join(map(framed, shown))
