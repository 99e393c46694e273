"""PocketFlow's own `_run`, `_exec` and `get_next_node`, as nearly every node goes through them.

Written out flat, since this is what a traced run pays for: no call where a line will do. What is not
as expected is left, untouched, to the recorder, which can do all of it. Both work on the same
activations, steps and spans, so a node may change over at any event.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING
from weakref import ref

from .anatomy import Call, Machinery, Role
from .bridge import attach, detach
from .live import LiveSpan, clock
from .model import SpanKind, Status
from .reading import class_name, fields_of
from .scopes import get_here, set_here
from .sharing import begin_post
from .steps import FIRST_ATTEMPT, Activation, Pictures, Step, first_attempt
from .values import Limits, Snapshot, snapshot
from .visiting import SMALL_BYTES, arrive, leave, leaves_quietly

if TYPE_CHECKING:
    from .recorder import Recorder

_FLOW, _PREP, _EXEC, _POST = SpanKind.FLOW, SpanKind.PREP, SpanKind.EXEC, SpanKind.POST
_OK = Status.OK

Called = Callable[[FrameType, object, object], None]
"""Told that a frame makes a call: of what, and with which first argument."""
Returned = Callable[[FrameType, object], None]
"""Told that a frame returned a value."""


class OrdinaryRun:
    """PocketFlow's own `_run` or `_run_async`, of a node that a flow of PocketFlow's runs."""

    __slots__ = (
        "active", "piece", "post_call", "prep_call", "prep_result", "recorder", "shared", "span_ended",
        "spans", "stores", "types",
    )  # fmt: skip

    def __init__(self, piece: Machinery, recorder: Recorder) -> None:
        self.piece = piece
        self.recorder = recorder
        self.active = recorder.frames.active
        self.types = recorder.anatomy.types
        self.spans = recorder.spans
        self.stores = recorder.spans.stores
        self.span_ended = recorder.spans.outlet.span_ended
        self.prep_call = next(call for call in piece.calls.values() if call.kind is _PREP)
        self.post_call = next(call for call in piece.calls.values() if call.kind is _POST)
        self.prep_result = self.prep_call.result or ""
        self.shared = piece.arguments[0]

    def calls(self, call: Call) -> Called | None:
        """Who is to be told of `call`."""
        if call is self.prep_call:
            return self.prep_called
        if call is self.post_call:
            return self.post_called
        return partial(self.middle_called, call)

    def prep_called(self, frame: FrameType, called: object, owner: object) -> None:
        """The run begins: a node of its flow, and its first phase."""
        active = self.active
        outer = active.get(frame.f_back)
        node_type = self.types.get(id(type(owner)))
        if outer is None or outer.walk is None or node_type is None:
            return self.recorder.called(self.piece, self.prep_call, frame, called, owner)
        walk = outer.walk
        above = outer.step
        parent = above.span
        trace = parent.trace
        phase_type = node_type.phases[self.prep_call.name]
        fields = owner.__dict__ if node_type.may_be_ordinary else None  # there is no code in the way
        if (
            phase_type.function != id(called)
            or get_here() is not parent
            or parent.end
            or not trace.pending
            or type(fields) is not dict
        ):
            return self.recorder.called(self.piece, self.prep_call, frame, called, owner)
        original = walk.next
        if type(original) is not type(owner):
            original = owner
        key = walk.keys.known.get(id(original)) or walk.keys.of(original)
        visits = walk.visits
        visits[key] = visit = visits.get(key, 0) + 1
        now = clock()
        span = LiveSpan(trace, parent, node_type.kind, node_type.name, now)
        trace.open[span.seq] = span
        step = Step(span, node_type, owner, None, key)
        step.visit = visit
        limit = fields.get("max_retries")
        if type(limit) is int:
            step.max_attempts = limit
        given = None
        if span.capture.stores:
            step.shared = frame.f_locals.get(self.shared)
            given = arrive(self.stores, step, above, walk, fields)
            now = clock()  # taking the input is no part of the phase
        active[frame] = step.activation = activation = Activation(
            self.piece, frame, step, parent, outer.thread
        )
        activation.is_top = activation.is_ordinary = True
        if not phase_type.shows:
            set_here(span)
            return None
        activation.call = self.prep_call
        phase = LiveSpan(trace, span, _PREP, phase_type.title, now, step)
        phase.input = given
        activation.phase = phase
        set_here(phase)
        if trace.is_bridged:
            attach(phase)
        return None

    def middle_called(self, call: Call, frame: FrameType, called: object, argument: object) -> None:
        """The run calls `_exec` or `_orch`: prep has returned."""
        activation = self.active.get(frame)
        if activation is None or not activation.is_ordinary or activation.inner is not None:
            return self.recorder.called(self.piece, call, frame, called, argument)
        phase = activation.phase
        if phase is None:
            return None
        now = clock()
        if phase.trace.is_bridged:
            detach(phase)
        step = activation.step
        seen = step.pictures
        picture = None
        if seen is not None:
            result = frame.f_locals.get(self.prep_result)
            picture = snapshot(result, phase.capture.limits)
            seen.size += picture.size
            if not step.type.runs_code:
                seen.prep_out = (result, picture)
        step.phases += (
            "prep", phase.name, phase.seq, phase.start, now, phase.input, picture, None, phase.attributes
        )  # fmt: skip
        phase.end = now
        activation.phase = None
        return None

    def post_called(self, frame: FrameType, called: object, owner: object) -> None:
        """The run calls post, the last thing it does."""
        activation = self.active.get(frame)
        if (
            activation is None
            or not activation.is_ordinary
            or activation.phase is not None
            or activation.inner is not None
            or activation.step.type.phases[self.post_call.name].function != id(called)
        ):
            return self.recorder.called(self.piece, self.post_call, frame, called, owner)
        step = activation.step
        span = step.span
        phase_type = step.type.phases[self.post_call.name]
        if not phase_type.shows:
            return None
        activation.call = self.post_call
        phase = LiveSpan(span.trace, span, _POST, phase_type.title, 0, step)
        seen = step.pictures
        if seen is not None:
            begin_post(seen)
            limits = span.capture.limits
            seen.latest = activation.store_before = latest = snapshot(step.shared, limits, seen.latest)
            prep_res, exec_res = self._results(frame, seen, limits)
            phase.input = (latest, prep_res, exec_res)
        phase.start = clock()  # taking the input is no part of the phase
        activation.phase = phase
        set_here(phase)
        if span.trace.is_bridged:
            attach(phase)
        return None

    def _results(self, frame: FrameType, seen: Pictures, limits: Limits) -> tuple[Snapshot, Snapshot]:
        """What prep and exec returned, as it is now."""
        prepared, executed = seen.prep_out, seen.exec_out
        if prepared is not None and executed is not None:  # `_run` hands on what it got
            prep_res, picture = prepared
            if picture.root is not prep_res:  # as it is for scalars
                picture = snapshot(prep_res, limits, picture)
            return picture, executed[1]
        prep_res, exec_res = self.piece.results(frame.f_locals)
        if executed is not None and executed[0] is exec_res:
            return snapshot(prep_res, limits), executed[1]
        return snapshot(prep_res, limits), snapshot(exec_res, limits)

    def returned(self, frame: FrameType, value: object) -> None:
        """The run is over, and so are its post and its node."""
        activation = self.active.get(frame)
        if (
            activation is None
            or not activation.is_ordinary
            or activation.inner is not None
            or self.recorder.when_idle is not None
        ):
            return self.recorder.ended(self.piece, frame, value, None, False)
        del self.active[frame]
        step = activation.step
        span = step.span
        trace = span.trace
        seen = step.pictures
        size = 0
        now = clock()
        phase = activation.phase
        if phase is not None:
            if trace.is_bridged:
                detach(phase)
            if seen is not None:
                size = seen.size + leave(self.stores, step, seen, phase, value, activation.store_before)
            step.phases += (
                "post", phase.name, phase.seq, phase.start, now, phase.input, phase.output, phase.changes,
                phase.attributes,
            )  # fmt: skip
            phase.end = now
        elif seen is not None:
            self.spans.outcome(step, value, failed=False)
            size = seen.size
        current = get_here()
        if type(current) is LiveSpan and current.step is step:
            set_here(activation.before)
        step.action = value if value is None or type(value) is str else class_name(type(value))
        if seen is not None:
            before = activation.before
            walk = before.step.walk if type(before) is LiveSpan else None
            if walk is not None and seen.latest.size > SMALL_BYTES:
                walk.is_quiet = leaves_quietly(step, seen, walk.next, value)
            now = clock()
        span.end = now
        span.status = _OK
        step.shared = step.activation = step.pictures = None  # the program's objects are let go
        if span.kind is _FLOW:
            step.walk = None
        try:
            step.owner = ref(step.owner)
        except TypeError:
            step.owner = None
        trace.open.pop(span.seq, None)
        self.span_ended(span, size)
        if not trace.open:  # its root ended first
            self.spans.end_if_over(trace)
        return None


class OrdinaryExec:
    """PocketFlow's own `_exec` that its own `_run` calls: the first attempt, mostly the only one."""

    __slots__ = ("active", "call", "given", "piece", "recorder")

    def __init__(self, piece: Machinery, recorder: Recorder) -> None:
        self.piece = piece
        self.recorder = recorder
        self.active = recorder.frames.active
        self.call = next(call for call in piece.calls.values() if call.kind is _EXEC)
        self.given = piece.arguments[0]

    def calls(self, call: Call) -> Called | None:
        """Who is to be told of `call`."""
        return self.exec_called if call is self.call else None

    def exec_called(self, frame: FrameType, called: object, owner: object) -> None:
        """An attempt begins."""
        active = self.active
        activation = active.get(frame.f_back)
        if (
            activation is None
            or not activation.is_ordinary
            or activation.phase is not None
            or activation.inner is not None
            or activation.attempt
            or activation.step.type.phases[self.call.name].function != id(called)
        ):
            return self.recorder.called(self.piece, self.call, frame, called, owner)
        active[frame] = activation
        activation.inner = frame
        step = activation.step
        span = step.span
        phase_type = step.type.phases[self.call.name]
        if not phase_type.shows:
            return None
        activation.attempt = step.attempts = 1
        activation.call = self.call
        phase = LiveSpan(span.trace, span, _EXEC, phase_type.title, 0, step)
        phase.attributes = FIRST_ATTEMPT.get(step.max_attempts) or first_attempt(step.max_attempts)
        seen = step.pictures
        if seen is not None:
            if seen.prep_out is not None:  # `_run` hands on what it got
                activation.given, picture = seen.prep_out
            else:
                activation.given = frame.f_locals.get(self.given)
                picture = snapshot(activation.given, span.capture.limits)
            phase.input = (picture,)
        phase.start = clock()  # taking the input is no part of the phase
        activation.phase = phase
        set_here(phase)
        if span.trace.is_bridged:
            attach(phase)
        return None

    def returned(self, frame: FrameType, value: object) -> None:
        """The attempt succeeded."""
        activation = self.active.get(frame)
        if activation is None or not activation.is_ordinary or activation.inner is not frame:
            return self.recorder.ended(self.piece, frame, value, None, False)
        del self.active[frame]
        activation.inner = None
        phase = activation.phase
        if phase is None:
            return None
        now = clock()
        if phase.trace.is_bridged:
            detach(phase)
        step = activation.step
        seen = step.pictures
        picture = None
        if seen is not None:
            picture = snapshot(value, phase.capture.limits)
            seen.size += picture.size
            if not step.type.runs_code:
                seen.exec_out = (value, picture)
        step.phases += (
            "exec", phase.name, phase.seq, phase.start, now, phase.input, picture, None, phase.attributes
        )  # fmt: skip
        phase.end = now
        activation.phase = None
        return None


class OrdinaryNext:
    """PocketFlow's own `get_next_node`, called by its own `_orch`."""

    __slots__ = ("active", "piece", "recorder", "types")

    def __init__(self, piece: Machinery, recorder: Recorder) -> None:
        self.piece = piece
        self.recorder = recorder
        self.active = recorder.frames.active
        self.types = recorder.anatomy.types

    def calls(self, call: Call) -> Called | None:
        """Who is to be told of `call`."""
        return None

    def returned(self, frame: FrameType, value: object) -> None:
        """A flow chose its next node, None where it ends."""
        flow = self.active.get(frame.f_back)
        if flow is None or flow.opaque is not None or flow.step.walk is None:
            return self.recorder.ended(self.piece, frame, value, None, False)
        if value is not None:
            node_type = self.types.get(id(type(value)))
            if node_type is None or not node_type.is_plain:
                return self.recorder.ended(self.piece, frame, value, None, False)
            fields = value.__dict__ if node_type.may_be_ordinary else fields_of(value)
            if "_run" in fields or "_run_async" in fields:
                return self.recorder.ended(self.piece, frame, value, None, False)
        walk = flow.step.walk
        walk.next = value
        walk.is_fresh = walk.is_quiet
        walk.is_quiet = False
        return None


def ordinary(piece: Machinery, recorder: Recorder) -> OrdinaryRun | OrdinaryExec | OrdinaryNext | None:
    """Who can be told of `piece` in place of the recorder, if anybody."""
    if not piece.own or piece.is_batch:
        return None
    if piece.role is Role.NEXT:
        return OrdinaryNext(piece, recorder)
    if piece.is_lazy:
        kinds = {call.kind for call in piece.calls.values()}
        if piece.role is Role.RUN and {_PREP, _POST} <= kinds:
            return OrdinaryRun(piece, recorder)
        if piece.role is Role.EXEC and _EXEC in kinds:
            return OrdinaryExec(piece, recorder)
    return None
