"""Begins and ends the phases of a step, as frames of machinery call them."""

from __future__ import annotations

from sys import exc_info
from types import FrameType
from typing import Any

from .anatomy import Call, Role
from .bridge import attach, detach
from .bytecode import RETURNED
from .errors import log
from .live import LiveSpan, clock, opened
from .model import SpanKind, Status
from .reading import UNKNOWN, arguments_of
from .scopes import get_here, set_here
from .sharing import begin_post, was_alone_in_post
from .spans import Spans
from .steps import Activation, Kept, Pictures, Step
from .values import Difference

# An attribute of an enum's class takes ten times as long to read as a global.
_PREP, _EXEC, _POST = SpanKind.PREP, SpanKind.EXEC, SpanKind.POST
_OK, _ERROR = Status.OK, Status.ERROR
_EXEC_ROLE = Role.EXEC


class Phases:
    """The phase each running frame is in, if any."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def open(self, activation: Activation, frame: FrameType, call: Call, parent: LiveSpan) -> None:
        """`frame` calls a phase of its step, or is one; the span of it, beneath `parent`, becomes current."""
        step = activation.step
        capture = step.capture
        kind = call.kind
        if kind is None:
            return
        if capture.hidden and kind in capture.hidden:
            if kind is _EXEC:
                _count(activation, step)  # its node says how many there were
            return
        trace = parent.trace
        span = opened(trace, parent, kind, step.type.phases[call.name].title, clock(), step)
        if kind is _EXEC:
            if activation.failed is not None:
                self._spans.settle(activation.failed, recovered=True)
                activation.failed = None
            span.attributes = _numbered(activation, step)
        elif activation.item is not None:
            span.attributes = {"item": activation.item}
        if capture.inputs:
            span.input = _given(activation, frame, kind)
            span.start = clock()  # taking the input is no part of the phase
        if trace.debug:
            log.debug("[TRACING] Starting node span: %s", span.name)
        if not activation.machinery.own:
            activation.handled = exc_info()[1]
        activation.is_ordinary = False
        activation.call = call
        activation.phase = span
        set_here(span)
        if trace.is_bridged:
            attach(span)

    @staticmethod
    def entered(activation: Activation, frame: FrameType) -> None:
        """`frame` runs the phase that an override calls: with what, was for the override to say."""
        activation.entered = frame
        span = activation.phase
        assert span is not None
        capture = span.capture
        given = arguments_of(frame, activation.step.owner, activation.call.name) if capture.inputs else ()
        if span.kind is _POST:
            if len(given) > 2 and capture.stores:
                prep_res, exec_res = capture.value(given[1]), capture.value(given[2])
                of_store = span.inputs() or {}
                span.input = {**of_store, "prep_res": prep_res, "exec_res": exec_res}
        elif span.kind is not _PREP and given:
            span.input = (capture.value(given[0]),)
        span.start = clock()

    def move_on(self, activation: Activation, frame: FrameType) -> None:
        """`frame` does something else now: the phase has returned, or the frame has caught what it raised."""
        inner = activation.inner
        if inner is not None and inner is not frame:
            return  # the phase belongs to the frame it calls
        if not activation.machinery.own:
            caught = exc_info()[1]
            has_failed = caught is not activation.handled and _is_from_phase(caught, activation, frame)
        elif inner is not None or activation.machinery.role is _EXEC_ROLE:
            caught = exc_info()[1]
            has_failed = caught is not None  # only its `except` is a line that matters
        else:
            has_failed = False  # catches nothing
        if has_failed:
            self.end(activation, None, caught, True)
            return
        if activation.call.result == RETURNED and activation.machinery.own:
            # The line of an await comes again when what it awaits catches what it was thrown, and returns.
            return
        result = None
        if activation.step.capture.outputs and activation.call.result:
            result = (frame.f_locals.get(activation.call.result),)
        self.end(activation, result, None, False)

    def end(
        self,
        activation: Activation,
        result: tuple[object] | None,
        exception: BaseException | None,
        failed: bool,
    ) -> None:
        """The phase ended: with `result`, None where the value is not known, or with `exception`.

        A failed attempt is kept back until it is known whether the program recovers from it.
        """
        span = activation.phase
        assert span is not None
        span.end = clock()
        activation.phase = None
        if not activation.machinery.own:
            result = result if activation.returned is None else activation.returned
            activation.entered = activation.returned = None
        if span.trace.is_bridged:
            detach(span)
        if failed:
            self._spans.fail(span, exception)
            if span.kind is _EXEC and span.status is _ERROR:
                _hold_back(activation, span)
                return
        else:
            span.status = _OK
        if span.capture.outputs:
            _take_output(activation, span, result)
        self._spans.emit(span)

    @staticmethod
    def restore(activation: Activation) -> None:
        """The frame ended: what was current before it is so again.

        Until then an ended phase stays current: setting a context variable is slow, and readers climb.
        Where an ended phase of the same node was current before, climbing leads to the same place.
        """
        before = activation.before
        step = activation.step
        current = get_here()
        if type(current) is not LiveSpan or current.step is not step:
            return
        if not current.end and (activation.machinery.kind is None or current is not step.span):
            return  # a phase that leaves no span has its step's for one
        if type(before) is LiveSpan and before.step is step and (before.end or before is step.span):
            return
        set_here(before)


def _count(activation: Activation, step: Step) -> int:
    """Count an attempt that begins; the how-manieth it is."""
    # An `_exec` of the user's own may call exec for reasons of its own: only PocketFlow's loop counts.
    activation.attempt = attempt = activation.attempt + 1 if activation.machinery.own else 1
    if attempt > step.attempts:
        step.attempts = attempt
    return attempt


def _numbered(activation: Activation, step: Step) -> dict[str, Any]:
    attributes: dict[str, Any] = {"attempt": _count(activation, step)}
    if activation.item is not None:
        attributes["item"] = activation.item
    if step.max_attempts is not None:
        attributes["max_attempts"] = step.max_attempts
    return attributes


def _hold_back(activation: Activation, span: LiveSpan) -> None:
    """Keep a failed attempt until it is known whether the program recovers from it.

    A program may wait for long before the next one, and be killed: till then the worker finds it here.
    """
    span.trace.open[span.seq] = span
    step = activation.step
    if activation.machinery.kind is None:
        activation.failed = span
    else:
        step.failed = (*step.failed, span)
        if step.activation is not None:
            step.activation.is_ordinary = False


def _take_output(activation: Activation, span: LiveSpan, result: tuple[object] | None) -> None:
    """Take what a phase returned and, after post, what it changed in the store."""
    step = activation.step
    capture = step.capture
    seen = step.pictures
    if result is not None and span.status is _OK and (capture.inputs or span.kind is not _PREP):
        span.output = capture.value(result[0])
        if seen is not None:
            _keep(activation, seen, span.kind, (result[0], span.output))
    if span.kind is _POST and seen is not None:
        before = activation.store_before
        seen.latest = capture.value(step.shared, before)
        if seen.latest is not before:
            span.changes = Difference(before, seen.latest, not was_alone_in_post(seen))
        seen.post_changes = (before, seen.latest, span.changes)


def _keep(activation: Activation, seen: Pictures, kind: SpanKind, out: Kept) -> None:
    """Keep the picture of what a phase returned for whoever is given that next, if nothing runs between."""
    if kind is _POST:
        seen.post_out = out
    elif activation.step.type.runs_code or not activation.machinery.passes_on:
        return  # what runs next may change it first, or be rid of it
    elif kind is _PREP:
        seen.prep_out = out
    else:
        seen.exec_out = out


def _given(activation: Activation, frame: FrameType, kind: SpanKind) -> Any:
    """What a phase is called with, in the order of its parameters."""
    step = activation.step
    capture = step.capture
    seen = step.pictures
    passes_on = activation.machinery.passes_on
    if kind is not _PREP and kind is not _POST:
        if not activation.machinery.own and activation.machinery.entry is None:
            return None  # known when its code begins, if that is watched
        # An attempt may change what the next one is given.
        is_first = passes_on and kind is _EXEC and activation.attempt == 1
        kept = seen.prep_out if seen is not None and is_first else None
        if activation.given is UNKNOWN:
            return None
        return (capture.picture(activation.given, kept),)
    if seen is None:
        return _given_without_store(activation, frame, kind)
    if kind is _PREP:
        if not (passes_on and activation.is_top):  # an override may have changed the store before this
            seen.latest = capture.value(step.shared, seen.latest)
        return (seen.latest,)
    begin_post(seen)
    seen.latest = activation.store_before = capture.value(step.shared, seen.latest)
    prep_res, exec_res = activation.machinery.results(frame.f_locals)
    executed = capture.picture(exec_res, seen.exec_out if passes_on else None)
    return (seen.latest, capture.value(prep_res), executed)


def _given_without_store(activation: Activation, frame: FrameType, kind: SpanKind) -> Any:
    """The input of a prep or post whose step is over, or that keeps no outputs: the store shows some."""
    capture = activation.step.capture
    if capture.stores or kind is _PREP:
        return None
    return {"prep_res": capture.value(activation.machinery.results(frame.f_locals)[0])}


def _is_from_phase(caught: BaseException | None, activation: Activation, frame: FrameType) -> bool:
    """Whether what an override has caught came out of the phase that it called, and not of something else."""
    if caught is None:
        return False
    trace = BaseException.__dict__["__traceback__"].__get__(caught)
    while trace is not None and trace.tb_frame is not frame:
        trace = trace.tb_next
    call = None if trace is None else activation.machinery.call_at(trace.tb_lasti)
    return call is not None and call is activation.call
