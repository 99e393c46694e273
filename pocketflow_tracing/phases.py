"""Begins and ends the phases of a step, as frames of machinery call them."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from .anatomy import Call
from .live import LiveSpan
from .model import SpanKind
from .scopes import here
from .spans import Spans
from .steps import Activation, Step


class Phases:
    """The phase each running frame is in, if any."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def begin(self, activation: Activation, frame: FrameType, call: Call) -> None:
        """`frame` calls a phase of its step."""
        step = activation.step
        kind = call.kind
        if activation.failed is not None and kind is SpanKind.EXEC:
            self._spans.settle(activation.failed, recovered=True)
            activation.failed = None
        if kind is None or step.capture.hides(kind):
            return
        activation.call = call
        self.open(activation, frame, kind, call.name, step.span)

    def open(
        self, activation: Activation, frame: FrameType, kind: SpanKind, name: str, parent: LiveSpan
    ) -> None:
        """A phase begins in `frame`; its span becomes what is current."""
        step = activation.step
        span = self._spans.open_phase(step, kind, step.type.phase_names[name], parent)
        if kind is SpanKind.EXEC:
            span.attributes = _numbered(activation, step)
        if step.capture.inputs:
            span.input = self._spans.given(activation, frame, kind)
        if kind is SpanKind.POST and step.capture.stores:
            span.changes = step.latest
        activation.handled = sys.exc_info()[1]
        activation.phase_before = here.get()
        activation.phase = span
        here.set(span)

    def move_on(self, activation: Activation, frame: FrameType) -> None:
        """`frame` does something else now: the phase has returned, or the frame has caught what it raised."""
        caught = _caught(activation, frame)
        if caught is not None:
            self.end(activation, None, caught, failed=True)
            return
        call = activation.call
        known = activation.step.capture.outputs and call is not None and bool(call.result)
        self.end(activation, (frame.f_locals.get(call.result),) if known else None, None, failed=False)

    def end(
        self,
        activation: Activation,
        result: tuple[object] | None,
        exception: BaseException | None,
        *,
        failed: bool,
    ) -> None:
        """The phase ended: with `result`, None where the value is not known, or with `exception`."""
        span = activation.phase
        assert span is not None
        activation.phase = activation.handled = None
        if here.get() is span:
            here.set(activation.phase_before)
        activation.phase_before = None
        self._spans.end_phase(activation, span, result, exception, failed=failed)


def _numbered(activation: Activation, step: Step) -> dict[str, Any]:
    # An `_exec` of the user's own may call exec for reasons of its own: only PocketFlow's loop counts.
    activation.attempt = activation.attempt + 1 if activation.machinery.own else 1
    step.attempts = max(step.attempts, activation.attempt)
    attributes: dict[str, Any] = {"attempt": activation.attempt}
    if activation.item is not None:
        attributes["item"] = activation.item
    if step.max_attempts is not None:
        attributes["max_attempts"] = step.max_attempts
    return attributes


def _caught(activation: Activation, frame: FrameType) -> BaseException | None:
    """The exception that ended the open phase, if `frame` has just caught one."""
    caught = sys.exc_info()[1]
    if caught is None or caught is activation.handled:
        return None
    if activation.machinery.own:
        return caught
    # An override may do more than call the phase: blame the phase only for what came out of that call.
    trace = BaseException.__dict__["__traceback__"].__get__(caught)
    while trace is not None and trace.tb_frame is not frame:
        trace = trace.tb_next
    call = None if trace is None else activation.machinery.call_at(trace.tb_lasti)
    return caught if call is not None and call is activation.call else None
