"""What a trace is besides its steps: when and where it ran, for whom, and what was noted of it."""

from __future__ import annotations

from ..model import Trace
from .brief import brief, complete
from .lines import DOT, Segment
from .text import clip, local_time, visible

MAX_TEXT = 80
MAX_METADATA = 6
MAX_VALUE = 40


def heading(trace: Trace, whole: bool = False) -> list[Segment]:
    """The line above the tree: which trace this is."""
    told = [f"trace {visible(trace.id)}", local_time(trace.start_ns)]
    if trace.project:
        told.append(visible(clip(trace.project, None if whole else MAX_TEXT)))
    return [Segment(f" {DOT} ".join(told), "dim")]


def facts(trace: Trace, whole: bool = False) -> list[list[Segment]]:
    """The lines beneath the root: session, user and the like, then the metadata."""
    known = {
        "session": trace.session_id,
        "user": trace.user_id,
        "variant": trace.variant,
        "tags": ", ".join(map(str, trace.tags)),
        "environment": trace.environment if trace.environment != "default" else None,
        "release": trace.release,
    }
    most = None if whole else MAX_TEXT
    about = [f"{label} {visible(clip(value, most))}" for label, value in known.items() if value]
    lines = {"": about, "metadata ": _metadata(trace, most, whole)}
    return [[Segment(label + f" {DOT} ".join(line), "dim")] for label, line in lines.items() if line]


def _metadata(trace: Trace, most: int | None, whole: bool) -> list[str]:
    entries = list(trace.metadata.items())
    shown = entries if whole else entries[:MAX_METADATA]
    told = [
        f"{visible(clip(name, most))} {complete(value) if whole else brief(value, MAX_VALUE)}"
        for name, value in shown
    ]
    return [*told, f"and {len(entries) - len(shown):,} more"] if len(entries) > len(shown) else told
