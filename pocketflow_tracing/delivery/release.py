"""Takes apart what ran once it is written, so that its memory is free at once, on our own thread.

A span and its step know each other. Left alone, everything that a run captured would be there until
Python's garbage collector has gone through all of a program's objects, on one of the program's threads.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

from ..live import LiveSpan


def release_span(span: LiveSpan) -> None:
    """Part `span` from its step, where nobody but the caller can reach either of them any more."""
    step = span.step
    if step is not None and (getrefcount(span), getrefcount(step)) == _ALONE and step.span is span:
        del step.span


class _Fellow:
    """Stands for a span or its step, to see what is counted where nobody else knows them."""

    def __init__(self) -> None:
        self.step: Any = None
        self.span: Any = None


def _references(span: Any) -> tuple[int, int]:
    step = span.step
    return getrefcount(span), getrefcount(step)


def _when_alone() -> tuple[int, int]:
    span = _Fellow()
    span.step = _Fellow()
    span.step.span = span
    counted = _references(span)
    del span.step.span
    return counted


_ALONE = _when_alone()
"""How many references a span and its step have that know only each other, as `release_span` counts them."""
