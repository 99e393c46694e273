"""The frames of machinery that are running, the steps they belong to, and which of them are still alive."""

from __future__ import annotations

import os
import sys
from threading import get_ident
from types import FrameType
from typing import Any

from .live import LiveSpan, LiveTrace
from .model import SpanKind
from .scopes import get_here
from .steps import Activation, Step

_BY_HAND = frozenset({SpanKind.SPAN, SpanKind.FUNCTION, SpanKind.GENERATION})
_STACK_LIMIT = 10_000
_WRAPPERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decorating.py")


class Frames:
    """What is under way, by frame and by node."""

    def __init__(self) -> None:
        self.active: dict[FrameType | None, Activation] = {}
        """By frame: a frame compares by identity, and cannot be mistaken for another while it is a key."""
        self.muted: dict[int, tuple[FrameType, Any]] = {}
        """The frames of runs that are left alone, with what was current before them."""
        self.inherited: dict[int, FrameType] = {}
        """The frames of runs that began before a fork, in the child: those are the parent's to trace."""

    def is_idle(self) -> bool:
        """Whether no traced code is under way."""
        return not self.active

    def clear(self) -> None:
        """Forget everything."""
        self.active.clear()
        self.muted.clear()

    def disown(self) -> None:
        """In the child of a fork: what is under way belongs to the parent."""
        activations = list(self.active.values())
        frames = [frame for one in activations for frame in (one.frame, one.inner) if frame is not None]
        self.inherited = {id(frame): frame for frame in frames}
        self.clear()

    def is_inherited(self, frame: FrameType) -> bool:
        """Whether `frame` goes on with a run that began before the fork, and so is none of ours."""
        outer = frame.f_back
        while outer is not None and outer.f_code.co_filename == _WRAPPERS:
            outer = outer.f_back
        if outer is None or id(outer) not in self.inherited:
            return False
        self.inherited[id(frame)] = frame
        return True

    def step_of(self, owner: object, span: LiveSpan | None) -> Step | None:
        """The step in which `owner` runs: by context, or, where that was lost, by the node itself."""
        current = get_here()
        above = current if type(current) is LiveSpan else span
        while above is not None:
            step: Step | None = above.step
            if step is not None and step.is_of(owner):
                return step
            above = above.parent
        for activation in reversed(list(self.active.values())):
            if activation.step.owner is owner and not activation.step.span.end:
                return activation.step
        return None

    def is_alive(self, span: LiveSpan, frame: FrameType) -> bool:
        """Whether the step of `span` can still be under way, seen from `frame`, which says it runs inside.

        An interrupt that lands in the recorder itself can cost us the event that ended it.
        """
        activation: Activation | None = None if span.step is None else span.step.activation
        if activation is None:
            return True
        if self.active.get(activation.frame) is not activation:
            return False
        if activation.machinery.is_suspendable or activation.thread != get_ident():
            return True
        below: FrameType | None = frame
        for _ in range(_STACK_LIMIT):
            if below is None:
                return False
            if below is activation.frame:
                return True
            below = below.f_back
        return True

    def forget(self, trace: LiveTrace) -> None:
        """Forget the frames of a trace that is over."""
        for frame, activation in list(self.active.items()):
            if activation.step.span.trace is trace:
                self.active.pop(frame, None)

    def has_gone(self, trace: LiveTrace) -> bool:
        """Whether nothing that keeps `trace` open can come to an end any more.

        Coroutines, other threads and spans opened by hand may well run on after the trace's root.
        """
        if any(span.kind in _BY_HAND for span in list(trace.open.values())):
            return False
        alive = _frames_of_this_thread()
        for activation in list(self.active.values()):
            if activation.step.span.trace is not trace:
                continue
            if activation.machinery.is_suspendable or activation.thread != get_ident():
                return False
            if id(activation.frame) in alive:
                return False
        return True


def _frames_of_this_thread() -> set[int]:
    frames: set[int] = set()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        frames.add(id(frame))
        frame = frame.f_back
    return frames
