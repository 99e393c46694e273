"""Begins and ends the phases of a step, as frames of machinery call them."""

from __future__ import annotations

from sys import exc_info
from types import FrameType
from typing import Any

from .anatomy import Call
from .errors import log
from .live import LiveSpan, clock
from .model import SpanKind, Status
from .scopes import here
from .spans import Spans
from .steps import NOTHING, Activation, Step
from .values import Snapshot, compare


class Phases:
    """The phase each running frame is in, if any."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def begin(self, activation: Activation, frame: FrameType, call: Call) -> None:
        """`frame` calls a phase of its step."""
        step = activation.step
        kind = call.kind
        if kind is SpanKind.EXEC and activation.failed is not None:
            self._spans.settle(activation.failed, recovered=True)
            activation.failed = None
        hidden = step.capture.hidden
        if kind is not None and not (hidden and kind in hidden):
            activation.call = call
            self.open(activation, frame, kind, call.name, step.span)

    def open(
        self, activation: Activation, frame: FrameType, kind: SpanKind, name: str, parent: LiveSpan
    ) -> None:
        """A phase begins in `frame`; its span becomes what is current."""
        step = activation.step
        span = LiveSpan(parent.trace, parent, kind, step.type.phase_names[name], clock())
        span.step = step
        if kind is SpanKind.EXEC:
            span.attributes = _numbered(activation, step)
        if step.capture.inputs:
            span.input = _given(activation, frame, kind)
            span.start = clock()  # taking the input is no part of the phase
        if span.trace.debug:
            log.debug("[TRACING] Starting node span: %s", span.name)
        activation.handled = exc_info()[1]
        if activation.phase_before is NOTHING:
            activation.phase_before = here.get()
        activation.phase = span
        here.set(span)

    def move_on(self, activation: Activation, frame: FrameType) -> None:
        """`frame` does something else now: the phase has returned, or the frame has caught what it raised."""
        caught = exc_info()[1]
        if (
            caught is not None
            and caught is not activation.handled
            and _is_from_phase(caught, activation, frame)
        ):
            self.end(activation, None, caught, failed=True)
            return
        result = None
        if activation.step.capture.outputs and activation.call is not None and activation.call.result:
            result = (frame.f_locals.get(activation.call.result),)
        self.end(activation, result, None, failed=False)

    def end(
        self,
        activation: Activation,
        result: tuple[object] | None,
        exception: BaseException | None,
        *,
        failed: bool,
    ) -> None:
        """The phase ended: with `result`, None where the value is not known, or with `exception`.

        A failed attempt is kept back until it is known whether the program recovers from it.
        """
        span = activation.phase
        assert span is not None
        span.end = clock()
        activation.phase = None
        step = activation.step
        if failed:
            self._spans.fail(span, exception)
        else:
            span.status = Status.OK
            if result is not None and step.capture.outputs:
                span.output = step.capture.value(result[0])
                _keep(activation, span.kind, (result[0], span.output))
        if span.kind is SpanKind.POST and step.capture.stores:
            before, activation.store_before = activation.store_before, None
            step.latest = step.capture.value(step.shared, before)
            span.changes = compare(before, step.latest)
            step.post_changes = (before, step.latest, span.changes)
        if not failed or span.kind is not SpanKind.EXEC or span.status is not Status.ERROR:
            self._spans.emit(span)
        elif activation.machinery.kind is None:
            activation.failed = span
        else:
            step.failed = (*step.failed, span)

    @staticmethod
    def restore(activation: Activation) -> None:
        """The frame ended: what was current before its first phase is so again.

        Until then an ended phase stays current: setting a context variable is slow, and readers climb.
        Where a phase of the same node was current before, climbing leads to the same place.
        """
        before = activation.phase_before
        step = activation.step
        current = here.get()
        is_ours = type(current) is LiveSpan and current.step is step and current.end
        if is_ours and not (type(before) is LiveSpan and before.step is step):
            here.set(before)


def _numbered(activation: Activation, step: Step) -> dict[str, Any]:
    # An `_exec` of the user's own may call exec for reasons of its own: only PocketFlow's loop counts.
    activation.attempt = attempt = activation.attempt + 1 if activation.machinery.own else 1
    if attempt > step.attempts:
        step.attempts = attempt
    attributes: dict[str, Any] = {"attempt": attempt}
    if activation.item is not None:
        attributes["item"] = activation.item
    if step.max_attempts is not None:
        attributes["max_attempts"] = step.max_attempts
    return attributes


def _keep(activation: Activation, kind: SpanKind, out: tuple[object, Snapshot]) -> None:
    """Keep the picture of what a phase returned for whoever is given that next, if nothing runs between."""
    step = activation.step
    if kind is SpanKind.PREP:
        step.prep_out = out
    elif kind is SpanKind.POST:
        step.post_out = out
    elif activation.is_direct:
        step.exec_out = out


def _given(activation: Activation, frame: FrameType, kind: SpanKind) -> Any:
    """What a phase is called with, by parameter name."""
    step = activation.step
    if kind is SpanKind.PREP:
        if not activation.runs_alone:  # an override may have changed the store before it came to prep
            step.latest = step.capture.value(step.shared, step.latest)
        return {"shared": step.latest}
    if kind is not SpanKind.POST:
        # An attempt may change what the next one is given.
        is_next = kind is SpanKind.EXEC and activation.is_direct and activation.attempt == 1
        return {"prep_res": step.picture(activation.given, step.prep_out if is_next else None)}
    step.latest = step.capture.value(step.shared, step.latest)
    if step.capture.stores:
        activation.store_before = step.latest
    prep_res, exec_res = activation.machinery.results(frame.f_locals)
    return {
        "shared": step.latest,
        "prep_res": step.capture.value(prep_res),
        "exec_res": step.picture(exec_res, step.exec_out if activation.machinery.own else None),
    }


def _is_from_phase(caught: BaseException, activation: Activation, frame: FrameType) -> bool:
    if activation.machinery.own:
        return True
    # An override may do more than call the phase: blame the phase only for what came out of that call.
    trace = BaseException.__dict__["__traceback__"].__get__(caught)
    while trace is not None and trace.tb_frame is not frame:
        trace = trace.tb_next
    call = None if trace is None else activation.machinery.call_at(trace.tb_lasti)
    return call is not None and call is activation.call
