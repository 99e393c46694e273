"""What happens to runs as lines: one for each event, and a few for each run that goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from ..model import Span, SpanKind, Status, Trace
from ..tally import Tally
from .index import PHASES, number
from .lines import DOT, MARKS, RECOVERED, Line, Segment
from .terminal import short_id
from .text import clip, counted, duration, money, visible

MAX_NAME = 60
MAX_MESSAGE = 160
MAX_STEPS = 4
"""Of steps that run at the same time, so many are named."""
_WITHIN = " › "


def started(trace: Trace) -> list[Segment]:
    """That a run began."""
    return [*_stamp(trace.start_ns), *_run(trace), Segment(" started", "dim")]


def running(trace: Trace, path: Sequence[Span]) -> list[Segment]:
    """That a step has been at it for a while."""
    return [*_stamp(time.time_ns()), *_run(trace), Segment(_WITHIN, "dim"), *step(path)]


def retried(trace: Trace, attempt: Span) -> list[Segment]:
    """That an attempt failed, and why."""
    ended = attempt.end_ns or attempt.start_ns
    return [*_stamp(ended), *_run(trace), Segment("  "), *failure(attempt)]


def ended(trace: Trace, tally: Tally) -> list[Segment]:
    """How a run ended."""
    mark = Segment(f"{MARKS[trace.status]} ", trace.status.value)
    return [*_stamp(trace.end_ns or time.time_ns()), *_run(trace, mark), *outcome(trace, tally)]


def live(
    trace: Trace, tally: Tally, paths: Sequence[Sequence[Span]], last_retry: Span | None, now_ns: int
) -> list[Line]:
    """A run that goes on: how long it has, what runs in it now, and what was retried last."""
    head = [Segment("… ", "unset"), *_run(trace, Segment(""))]
    head += [Segment(f" {DOT} {duration(max(now_ns - trace.start_ns, 0))}", "dim"), *_counts(tally)]
    lines = [Line(head)]
    paths = [path for path in paths if path[-1].parent_id is not None]  # the run itself is told already
    for path in paths[:MAX_STEPS]:
        taken = duration(max(now_ns - path[-1].start_ns, 0))
        lines.append(Line([*step(path), Segment(f" {DOT} {taken}", "dim")], "   ", "     "))
    if len(paths) > MAX_STEPS:
        lines.append(Line([Segment(f"and {len(paths) - MAX_STEPS:,} more at the same time", "dim")], "   "))
    if last_retry is not None:
        lines.append(Line(failure(last_retry), "   ", "     "))
    return lines


def step(path: Sequence[Span]) -> list[Segment]:
    """The names of a span and of what holds it, the outermost run apart."""
    names = []
    for place, span in enumerate(path):
        if place == 0 and span.parent_id is None and len(path) > 1:
            continue
        in_node = place > 0 and path[place - 1].kind is SpanKind.NODE
        names.append(_name(span, in_node))
    segments = [Segment(_WITHIN.join(names), "name")]
    attempt, most = number(path[-1], "attempt") or 1, number(path[-1], "max_attempts") or 1
    if attempt > 1:
        segments.append(Segment(f" {DOT} attempt {attempt} of {max(most, attempt)}", "recovered"))
    return segments


def failure(attempt: Span) -> list[Segment]:
    """A failed attempt: whose it was, which, and what was raised."""
    segments = [Segment(f"{RECOVERED} {_name(attempt, False)}", "recovered")]
    which, most = number(attempt, "attempt") or 1, number(attempt, "max_attempts") or 1
    segments.append(Segment(f" {DOT} attempt {which} of {max(most, which)}", "dim"))
    if attempt.error is not None:
        said = f"{attempt.error.type}: {attempt.error.message}".rstrip(": ")
        segments.append(Segment(f" {DOT} {visible(clip(said, MAX_MESSAGE))}", "recovered"))
    return segments


def outcome(trace: Trace, tally: Tally) -> list[Segment]:
    """A status, a duration and counts."""
    state = "still running" if trace.status is Status.UNSET else trace.status.value
    taken = duration(trace.duration_ns)
    segments = [Segment(f" {DOT} ", "dim"), Segment(state, trace.status.value)]
    segments += [Segment(f" {DOT} {taken}", "dim")] if taken else []
    return segments + _counts(tally)


def _counts(tally: Tally) -> list[Segment]:
    counts = [
        (counted(tally.nodes, "node") if tally.nodes else "", "dim"),
        (counted(tally.retries, "retry") if tally.retries else "", "recovered"),
        (counted(tally.errors, "error") if tally.errors else "", "error"),
        (counted(tally.tokens, "token") if tally.tokens else "", "dim"),
        (money(tally.cost) if tally.cost else "", "dim"),
    ]
    return [
        part for text, style in counts if text for part in (Segment(f" {DOT} ", "dim"), Segment(text, style))
    ]


def _stamp(ns: int) -> list[Segment]:
    return [Segment(datetime.fromtimestamp(ns // 1_000_000_000).strftime("%H:%M:%S "), "dim")]


def _run(trace: Trace, mark: Segment | None = None) -> list[Segment]:
    marked = mark if mark is not None else Segment(f"{MARKS[Status.UNSET]} ", "unset")
    return [
        Segment(f"{short_id(trace)} ", "command"),
        marked,
        Segment(visible(clip(trace.name, MAX_NAME)), "name"),
    ]


def _name(span: Span, in_node: bool) -> str:
    if span.kind is SpanKind.ITERATION:
        item = number(span, "item")
        return "iteration" if item is None else f"iteration {item}"
    if span.kind in PHASES:
        item = number(span, "item")
        name = span.kind.value if in_node else span.name
        return visible(clip(name, MAX_NAME)) + ("" if item is None else f" {DOT} item {item}")
    return visible(clip(span.node_key or span.name, MAX_NAME))
